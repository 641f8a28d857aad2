# SPDX-License-Identifier: Apache-2.0
"""Programs that the engine starts are not the engine.

``opentelemetry-instrument`` puts a folder on ``PYTHONPATH``, and every Python program
below inherits it: a provider's command line tool would take a second longer for each
answer, listen on a port and count under the engine's name. So the folder is taken away
once this process turns out to be the agent. A launcher keeps it for the agent it starts,
and worker processes of ``multiprocessing`` get it back, because they run the engine's code.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import wrapt

from ffe_otel.export.patching import Patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_AUTO: Final = "opentelemetry.instrumentation.auto_instrumentation"
_PATH: Final = "PYTHONPATH"
ENGINE: Final = "finance_feedback_engine.agent.trading_loop_agent"
"""Whoever imports this module runs the agent, or is about to."""
PROCESS: Final = "_FFE_OTEL_PROCESS"
"""The id and the name of the captured process that was the last to start on the way to here."""
_CHILD: Final = "/child"
_REPLACING: Final = ("execv", "execve")


def process_name() -> str:
    """Which captured process this is: empty for the first, stable over restarts."""
    pid, _, name = os.environ.get(PROCESS, "").partition(":")
    # A program that replaces itself keeps its environment and its id. A child has another.
    return name if not pid or pid == str(os.getpid()) else f"{name}{_CHILD}"


def _below(name: str) -> str:
    """What tells this process and its children apart, in the variable that both inherit."""
    return f"{os.getpid()}:{name}"


class Children:
    """What the children of this process inherit of its instrumentation."""

    def __init__(self) -> None:
        self._folder = _auto_folder()
        self._before: dict[str, str | None] = {}
        self._kept = ""
        self._left_alone = False
        self._start: Any = None
        self._owner: Any = None
        self._name = ""
        self._patches = Patches()

    def install(self) -> Callable[[], None]:
        """Let children know that they are; returns the undoing."""
        self._name = process_name()
        self._set(PROCESS, _below(self._name))
        wrapt.register_post_import_hook(lambda _: self.leave_alone(), ENGINE)
        for name in _REPLACING:
            self._patches.wrap(os, name, self._replace)
        return self._undo

    def leave_alone(self) -> None:
        """Keep the programs that this process starts from instrumenting themselves."""
        if self._left_alone:
            return
        self._left_alone = True
        paths = os.environ.get(_PATH, "").split(os.pathsep)
        if self._folder not in paths:
            return
        self._kept = os.environ[_PATH]
        rest = [path for path in paths if path != self._folder]
        self._set(_PATH, os.pathsep.join(rest) or None)
        wrapt.register_post_import_hook(self._imported, "multiprocessing.process")

    def _imported(self, module: ModuleType) -> None:
        if self._kept and self._owner is None:
            self._owner = module.BaseProcess
            self._start = self._owner.start
            self._owner.start = wrapt.FunctionWrapper(self._start, self._start_worker)

    def _start_worker(
        self, wrapped: Callable[..., Any], process: Any, args: Any, kwargs: Any
    ) -> Any:
        with self._instrumented(process):
            return wrapped(*args, **kwargs)

    @contextlib.contextmanager
    def _instrumented(self, process: Any) -> Iterator[None]:
        # A forked worker has our memory, and our capture in it; only others start anew.
        if not self._kept or _is_forked(process):
            yield
            return
        # No process has the id: the name is that of the worker itself.
        name = f"{self._name}{_CHILD}/{process.name}"
        with _changed({_PATH: self._kept, PROCESS: f":{name}"}):
            yield

    def _replace(self, wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        """Let the agent that starts itself anew be captured again."""
        if not self._kept or not _is_itself(args[0] if args else kwargs.get("path")):
            return wrapped(*args, **kwargs)
        with _changed({_PATH: self._kept}):
            return wrapped(*args, **kwargs)

    def _set(self, name: str, value: str | None) -> None:
        self._before.setdefault(name, os.environ.get(name))
        _restore({name: value})

    def _undo(self) -> None:
        _restore(self._before)
        self._patches.undo()
        self._left_alone, self._kept = True, ""
        if self._owner is not None:
            self._owner.start = self._start
            self._owner = None


@contextlib.contextmanager
def _changed(variables: dict[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    _restore(variables)
    try:
        yield
    finally:
        _restore(before)


def _is_itself(program: Any) -> bool:
    """Whether a path is this interpreter's, or that of the script it runs."""
    own = {os.path.realpath(path) for path in (sys.executable, sys.argv[0]) if path}
    try:
        return os.path.realpath(os.fspath(program)) in own
    except (TypeError, ValueError):
        return False


def _restore(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _auto_folder() -> str:
    spec = importlib.util.find_spec(_AUTO)
    return next(iter(spec.submodule_search_locations or ()), "") if spec else ""


def _is_forked(process: Any) -> bool:
    import multiprocessing

    if isinstance(process, multiprocessing.context.ForkProcess):
        return True
    others = (multiprocessing.context.SpawnProcess, multiprocessing.context.ForkServerProcess)
    return not isinstance(process, others) and multiprocessing.get_start_method() == "fork"
