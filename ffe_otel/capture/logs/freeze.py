# SPDX-License-Identifier: Apache-2.0
"""Turn whatever a caller logs into values that cannot change behind its back.

A record waits in a queue before it is written; a dict that the engine goes on editing
would be written with its later content. Scalars are kept as they are, containers are
copied (bounded), everything else is rendered to text at once.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from enum import Enum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 1000
OMITTED: Final = "[omitted: too large]"

# Exact types: a subclass may carry a mutable __dict__ or a __str__ of its own.
_KEPT: Final = frozenset({str, bool, float, bytes, type(None)})
IMMUTABLE: Final = _KEPT | {int}
"""Types of values that cannot change; integers may still be too wide for OTLP."""
_DATA: Final = (Mapping, list, tuple, AbstractSet, deque, bool, int, float, bytes, bytearray)
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1


def freeze(value: object) -> object:
    """Copy a value so that later changes by its owner do not show.

    Args:
        value: Anything.

    Returns:
        None, bool, int within 64 bits (OTLP has no wider one), float, str, bytes, or lists
        and string-keyed dicts of these. Containers are cut at ``MAX_ITEMS`` items and
        ``MAX_DEPTH`` levels; strings are never cut, because redaction comes later.
    """
    kind = type(value)
    if kind in _KEPT or (kind is int and _INT64_MIN <= value <= _INT64_MAX):  # type: ignore[operator]
        return value
    return _Copier().copy(value, 0)


def text_of(value: object) -> str:
    """``str(value)``, or a readable remark when the value cannot be rendered."""
    try:
        return str.__str__(str(value))
    except Exception as problem:  # noqa: BLE001 - the value is the engine's, so is its __str__
        return f"<{type(value).__name__} that cannot be rendered: {type(problem).__name__}>"


def is_data(value: object) -> bool:
    """Whether a value says more as it is than as a text; never raises."""
    try:
        if isinstance(value, Enum):
            return False
        return isinstance(value, _DATA) or _is_plain_dataclass(value)
    except Exception:  # noqa: BLE001 - foreign objects may raise anything
        return False


def _is_plain_dataclass(value: object) -> bool:
    """Whether it is a dataclass's that has no text of its own."""
    kind = type(value)
    return dataclasses.is_dataclass(kind) and kind.__str__ is object.__str__


class _Copier:
    """One copy in progress; holds what is left of the item budget."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_ITEMS

    def copy(self, value: object, depth: int) -> object:
        """Copy one value; never raises."""
        kind = type(value)
        if kind in _KEPT:
            return value
        try:
            # The common types first: asking abstract classes costs a microsecond each.
            if kind is int:
                return _within_64_bits(value)  # type: ignore[arg-type]
            if kind is dict:
                return self._copy_mapping(value, depth)  # type: ignore[arg-type]
            if kind is list or kind is tuple:
                return self._copy_items(value, depth)  # type: ignore[arg-type]
            return self._copy_other(value, depth)
        except Exception:  # noqa: BLE001 - foreign objects may raise anything
            return text_of(value)

    def _copy_other(self, value: object, depth: int) -> object:
        scalar = _scalar(value)
        if scalar is not None:
            return scalar
        if isinstance(value, Mapping):
            return self._copy_mapping(value, depth)
        if isinstance(value, list | tuple | AbstractSet | deque):
            return self._copy_items(value, depth)
        if _is_plain_dataclass(value):
            fields = dataclasses.fields(value)  # type: ignore[arg-type]
            return self._copy_mapping({f.name: getattr(value, f.name) for f in fields}, depth)
        return text_of(value)

    def _copy_mapping(self, value: Mapping[object, object], depth: int) -> object:
        if depth >= MAX_DEPTH:
            return OMITTED
        copied: dict[str, object] = {}
        # One more than allowed is asked for, to know whether anything is left out; a list,
        # because another thread may be changing the original.
        for key, item in list(itertools.islice(value.items(), self._left + 1)):
            if self._left <= 0:
                copied["..."] = OMITTED
                break
            self._left -= 1
            copied[key if type(key) is str else text_of(key)] = self.copy(item, depth + 1)
        return copied

    def _copy_items(self, value: Iterable[object], depth: int) -> object:
        if depth >= MAX_DEPTH:
            return OMITTED
        copied: list[object] = []
        for item in list(itertools.islice(value, self._left + 1)):
            if self._left <= 0:
                copied.append(OMITTED)
                break
            self._left -= 1
            copied.append(self.copy(item, depth + 1))
        return copied


def _within_64_bits(number: int) -> object:
    return number if _INT64_MIN <= number <= _INT64_MAX else text_of(number)


def _scalar(value: object) -> object | None:  # noqa: PLR0911 - a table of types
    """Render a value of a well-known type; None when its type is none of them."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Integral):
        return _within_64_bits(int(value))
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {text_of(value)}"
    return None
