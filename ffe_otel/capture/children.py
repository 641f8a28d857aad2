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
from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_AUTO: Final = "opentelemetry.instrumentation.auto_instrumentation"
_PATH: Final = "PYTHONPATH"
ENGINE: Final = "finance_feedback_engine.agent.trading_loop_agent"
"""Whoever imports this module runs the agent, or is about to."""
PROCESS: Final = "_FFE_OTEL_PROCESS"
"""Names a captured process among those that were started below one another."""


def process_name() -> str:
    """Which captured process this is: empty for the first, stable over restarts."""
    return os.environ.get(PROCESS, "")


class Children:
    """What the children of this process inherit of its instrumentation."""

    def __init__(self) -> None:
        self._folder = _auto_folder()
        self._before: dict[str, str | None] = {}
        self._kept = ""
        self._left_alone = False
        self._start: Any = None
        self._owner: Any = None

    def install(self) -> Callable[[], None]:
        """Let children know that they are; returns the undoing."""
        self._set(PROCESS, f"{process_name()}/child")
        wrapt.register_post_import_hook(lambda _: self.leave_alone(), ENGINE)
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
        changed = {_PATH: self._kept, PROCESS: f"{os.environ.get(PROCESS, '')}/{process.name}"}
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            yield
        finally:
            _restore(before)

    def _set(self, name: str, value: str | None) -> None:
        self._before.setdefault(name, os.environ.get(name))
        _restore({name: value})

    def _undo(self) -> None:
        _restore(self._before)
        self._left_alone, self._kept = True, ""
        if self._owner is not None:
            self._owner.start = self._start
            self._owner = None


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
