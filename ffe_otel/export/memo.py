# SPDX-License-Identifier: Apache-2.0
"""What is made of the names of attributes, of which there are few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_MOST: Final = 4096
_LONGEST: Final = 256


class Memo(dict[str, T]):
    """What ``make`` gives for a name, made once; within bounds."""

    def __init__(self, make: Callable[[str], T]) -> None:
        """Start empty."""
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> T:
        made = self._make(name)
        if len(name) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[name] = made
        return made
