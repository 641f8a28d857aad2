# SPDX-License-Identifier: Apache-2.0
"""Foreign values as the types the API promises, and JSON every reader can parse.

Attributes come from whoever sends OTLP. What is copied into a field of its own goes
through here, so that a page or a script may rely on the field's type.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SAFE: Final = 2**53 - 1
"""Largest integer a JavaScript number holds exactly; durations and counts are cut to it."""

_HALVES: Final = re.compile("[\ud800-\udfff]")
_encode: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


def dumps(value: Any) -> str:
    """Compact JSON; floats that JSON has no words for become null.

    Python would write them as ``Infinity`` and ``NaN``, which no browser parses.
    """
    try:
        return _encode(value)
    except ValueError:
        return _encode(_finite(value))


def text(value: object) -> str | None:
    """A text; other values as their JSON, None for nothing and for what is empty."""
    if isinstance(value, str):
        return value or None
    if value is None or value in ([], {}):
        return None
    return dumps(value)


def texts(values: Iterable[object]) -> list[str]:
    """The different texts among ``values``, in their order."""
    return list(dict.fromkeys(t for t in map(text, values) if t is not None))


def real(value: object) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def whole(value: object) -> int | None:
    """An integer that every reader holds exactly, or None for anything else."""
    number = real(value)
    if number is None or number != int(number) or abs(number) > MAX_SAFE:
        return None
    return int(number)


def count(value: object) -> int:
    """A number of things; what is no such number counts nothing."""
    return max(0, min(value, MAX_SAFE)) if type(value) is int else 0


def total(values: Iterable[float | None]) -> float | None:
    """The sum of the known values; None when none is known or the sum is beyond a float."""
    known = [v for v in values if v is not None]
    return real(sum(known)) if known else None


def whole_text(value: Any) -> Any:
    """A JSON value whose texts have no halves of characters, which no encoding can write."""
    if isinstance(value, str):
        return _HALVES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {whole_text(k): whole_text(v) for k, v in value.items()}
    if isinstance(value, list):
        return [whole_text(v) for v in value]
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
