# SPDX-License-Identifier: Apache-2.0
"""Arguments as callers bring them, made into what can be recorded.

Agents pass what they have: enums, decimals, UUIDs. What can be read is taken. The rest is
counted as a hook error and left out: a label that cannot be hashed would cost a step its
metrics, and a gauge that is no number would keep a reader from all metrics there are.
"""

from __future__ import annotations

import math
import uuid
from enum import Enum
from typing import NoReturn

from ffe_otel.capture import runtime
from ffe_otel.capture.steps.requests import UNKNOWN

_LARGEST = 2**63 - 1  # what OTLP has room for


def text(value: object, where: str) -> str:
    """``value`` as text, ``unknown`` when it is none; ``where`` names the counter."""
    if type(value) is str:
        return value
    found = _as_text(value)
    if found is None:
        _count(where, value, "text")
        return UNKNOWN
    return found


def optional_text(value: object, where: str) -> str | None:
    """``value`` as text; ``None`` when it is ``None`` or cannot be read."""
    if value is None or type(value) is str:
        return value
    found = _as_text(value)
    if found is None:
        _count(where, value, "text")
    return found


def texts(values: object, where: str) -> list[str]:
    """The texts in ``values``; a text by itself is one."""
    if values is None:
        return []
    if isinstance(values, str):
        return [values]
    try:
        found = [(each, _as_text(each)) for each in values]  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - an iterable of the engine's can raise anything
        _count(where, values, "sequence of texts")
        return []
    for each, made in found:
        if made is None:
            _count(where, each, "text")
    return [made for _, made in found if made is not None]


def number(value: object, where: str) -> float | None:
    """``value`` as a finite number; ``None`` when it is ``None`` or cannot be read."""
    if value is None:
        return None
    try:
        found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a conversion of the engine's can raise anything
        found = math.nan
    if math.isfinite(found):
        return found
    _count(where, value, "finite number")
    return None


def whole(value: object, where: str) -> int | None:
    """``value`` as a whole number; ``None`` when it is ``None`` or cannot be read."""
    if type(value) is int and -_LARGEST <= value <= _LARGEST:
        return value
    found = number(value, where)
    if found is None:
        return None
    if abs(found) < _LARGEST:
        return int(found)
    _count(where, value, "whole number of 64 bits")
    return None


def _as_text(value: object) -> str | None:
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float | uuid.UUID) else None


def _count(where: str, value: object, wanted: str) -> None:
    rt = runtime.get()
    if rt is None:
        return
    try:
        _refuse(value, wanted)
    except TypeError:
        rt.failed(where)


def _refuse(value: object, wanted: str) -> NoReturn:
    # Without the value, and without an exception of the engine's that may be in flight.
    raise TypeError(f"{type(value).__qualname__} where a {wanted} is wanted") from None
