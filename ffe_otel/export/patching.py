# SPDX-License-Identifier: Apache-2.0
"""Class-level patches that can be taken back exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable

_ABSENT: Final = object()


class Patches:
    """Attributes of classes and objects that were replaced, and what they were."""

    def __init__(self) -> None:
        self._active = True
        self._replaced: list[tuple[Any, str, object, object]] = []
        self._callbacks: list[Callable[[], object]] = []

    def wrap(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Wrap a method of a class, or a function of a module.

        Args:
            owner: the class or module; instances that exist already are affected as well.
            name: the method or function.
            wrapper: called with (wrapped, instance, args, kwargs).
        """
        # Somebody may wrap our wrapper, so that it stays in place at the end: then it has
        # to do nothing.
        replacement = wrapt.FunctionWrapper(
            getattr(owner, name), wrapper, enabled=lambda: self._active
        )
        self.replace(owner, name, replacement)

    def replace(self, owner: object, name: str, value: object) -> None:
        """Set an attribute of a class or an object."""
        original = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        self._replaced.append((owner, name, original, value))

    @property
    def active(self) -> bool:
        """Whether they have not been undone."""
        return self._active

    def callback(self, function: Callable[[], object]) -> None:
        """Call something when the patches are undone."""
        self._callbacks.append(function)

    def undo(self) -> None:
        """Put every original back, in reverse order; what others replaced since stays."""
        self._active = False
        while self._callbacks:
            self._callbacks.pop()()
        while self._replaced:
            owner, name, original, value = self._replaced.pop()
            if vars(owner).get(name, _ABSENT) is not value:
                continue
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
