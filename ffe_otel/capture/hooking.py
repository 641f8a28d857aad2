# SPDX-License-Identifier: Apache-2.0
"""Patching functions of a package that may be imported later, and giving them back.

A hook names its target as text and is applied by wrapt's post-import hooks, so that the
package is never imported on our account. What a hook does around a call is a generator
that yields once; ``Around`` runs it so that nothing it raises reaches the caller.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import wrapt

from ffe_otel.capture.around import Around, Observed
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from ffe_otel.capture.around import Body

    _FunctionWrapper = wrapt.FunctionWrapper[..., Any]
else:
    _FunctionWrapper = wrapt.FunctionWrapper

_log = logging.getLogger(__name__)
_ABSENT: Any = object()


class State(Enum):
    """What became of a hook."""

    PENDING = "pending"
    PATCHED = "patched"
    MISSING = "missing"
    CHANGED = "changed"
    FAILED = "failed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Hook:
    """One function to observe.

    Attributes:
        name: short name, the label of ``ffe_otel_hook_errors_total``.
        module: dotted name of the module that defines the target.
        target: path inside the module, for example ``Class.method``.
        wrapper: what to do around each call, or, for an instance attribute, after each
            assignment.
        parameters: names of the target's parameters that ``wrapper`` reads.
        attribute: the target is an instance attribute, not a function.
        optional: versions of the package without the target are known; stay silent.
    """

    name: str
    module: str
    target: str
    wrapper: Body | Callable[[Any, Any, Any], None]
    parameters: tuple[str, ...] = ()
    attribute: bool = False
    optional: bool = False

    @property
    def address(self) -> str:
        """Module and target, as users write it."""
        return f"{self.module}:{self.target}"


@dataclass(frozen=True, slots=True)
class HookStatus:
    """A hook, what became of it, and how often its own code failed."""

    hook: Hook
    state: State
    detail: str = ""
    failures: int = 0


@dataclass(slots=True)
class _Patch:
    hook: Hook
    owner: Any
    attribute: str
    original: Any
    installed: Any

    def undo(self) -> bool:
        """Put the original back; false when somebody patched over us."""
        if vars(self.owner).get(self.attribute, _ABSENT) is not self.installed:
            return False
        if self.original is _ABSENT:
            delattr(self.owner, self.attribute)
        else:
            setattr(self.owner, self.attribute, self.original)
        return True


class _Hooked(_FunctionWrapper):
    """A function wrapper that can be told from other people's."""


@dataclass(slots=True)
class _Entry:
    hook: Hook
    state: State = State.PENDING
    detail: str = ""
    logged: bool = field(default=False, repr=False)


class HookSet:
    """The hooks of one installation: applies them, reports on them, takes them out."""

    def __init__(self) -> None:
        self._lock = native.Lock()
        self._entries: dict[str, _Entry] = {}
        self._patches: list[_Patch] = []
        self._around = Around()

    def install(self, hooks: Iterable[Hook]) -> None:
        """Apply ``hooks``: at once where the module is imported, else when it will be.

        Calling it again with the same hooks changes nothing. Objects that captured a
        bound method before (the agent's table of state handlers does, when it is built)
        keep the unobserved one, so install before they are built.
        """
        self._around.active = True
        modules: dict[str, None] = {}
        with self._lock:
            for hook in hooks:
                if hook.name not in self._entries:
                    self._entries[hook.name] = _Entry(hook)
                    modules[hook.module] = None
        # Not under our lock: wrapt calls back at once for modules that are imported.
        for module in modules:
            wrapt.register_post_import_hook(self._imported, module)

    def uninstall(self) -> None:
        """Give every patched attribute its original object back.

        A wrapper that somebody else wrapped again, or that an object captured, stays
        where it is and does nothing from now on.
        """
        self._around.active = False
        with self._lock:
            for patch in reversed(self._patches):
                entry = self._entries[patch.hook.name]
                entry.detail = "" if patch.undo() else "wrapped by somebody else since; now inert"
            self._patches.clear()
            for entry in self._entries.values():
                entry.state = State.REMOVED

    def report(self) -> list[HookStatus]:
        """One line a hook, for ``doctor``; a module that is never imported stays pending."""
        failures = self._around.failures
        with self._lock:
            return [
                HookStatus(e.hook, e.state, e.detail, failures.get(e.hook.name, 0))
                for e in self._entries.values()
            ]

    def _imported(self, module: ModuleType) -> None:
        if not self._around.active:
            return
        with self._lock:
            mine = [
                e
                for e in self._entries.values()
                if e.hook.module == module.__name__ and e.state is State.PENDING
            ]
            for entry in mine:
                try:
                    self._apply(entry, module)
                except Exception as error:  # noqa: BLE001 - an import must not fail on our account
                    entry.state, entry.detail = State.FAILED, f"{type(error).__name__}: {error}"
        for entry in mine:
            self._tell(entry)

    def _apply(self, entry: _Entry, module: ModuleType) -> None:
        hook = entry.hook
        owner = _owner_of(module, hook.target)
        attribute = hook.target.rpartition(".")[2]
        current = _static(owner, attribute)
        if isinstance(current, _Hooked | Observed):
            entry.state, entry.detail = State.PATCHED, "hooked already"
            return
        if hook.attribute:
            if owner is None or current is not _ABSENT:
                entry.state = State.MISSING if owner is None else State.CHANGED
                entry.detail = "" if owner is None else "is no plain instance attribute any more"
                return
            installed: Any = Observed(hook.name, attribute, hook.wrapper, self._around)
        else:
            if current is _ABSENT:
                entry.state = State.MISSING
                return
            positions, entry.detail = _parameters(current, owner, hook)
            if positions is None:
                entry.state = State.CHANGED
                return
            installed = _Hooked(
                current, self._around.wrapper(hook.name, hook.wrapper, current, positions)
            )
        original = vars(owner).get(attribute, _ABSENT)
        setattr(owner, attribute, installed)
        self._patches.append(_Patch(hook, owner, attribute, original, installed))
        entry.state = State.CHANGED if entry.detail else State.PATCHED

    def _tell(self, entry: _Entry) -> None:
        if entry.logged or entry.state is State.PATCHED:
            return
        if entry.hook.optional and entry.state is State.MISSING:
            return
        entry.logged = True
        _log.warning(
            "ffe_otel: hook %s: %s is %s%s. The engine is not affected; what this hook shows "
            "may be missing. `ffe-otel doctor` lists all hooks.",
            entry.hook.name,
            entry.hook.address,
            entry.state.value,
            f" ({entry.detail})" if entry.detail else "",
        )


def _owner_of(module: ModuleType, target: str) -> Any:
    owner: Any = module
    for part in target.split(".")[:-1]:
        owner = getattr(owner, part, None)
    return owner


def _static(owner: Any, attribute: str) -> Any:
    if owner is None:
        return _ABSENT
    return inspect.getattr_static(owner, attribute, _ABSENT)


def _parameters(function: Any, owner: Any, hook: Hook) -> tuple[dict[str, int] | None, str]:
    """Where the parameters stand that the hook reads, and what is wrong with them.

    ``None`` for positions: the target is nothing that can be wrapped.
    """
    plain = getattr(function, "__func__", function)
    if not callable(plain):
        return None, "is no function"
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        return None, "is a generator function now"
    try:
        names = list(inspect.signature(plain).parameters.values())
    except (TypeError, ValueError):
        return {}, ""
    if inspect.isclass(owner) and not isinstance(function, staticmethod):
        names = names[1:]
    positional = [p.name for p in names if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = {p.name for p in names}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in names)
    gone = [] if takes_any else [name for name in hook.parameters if name not in known]
    detail = f"has no parameter {', '.join(gone)} any more" if gone else ""
    return {name: index for index, name in enumerate(positional)}, detail
