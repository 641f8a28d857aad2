# SPDX-License-Identifier: Apache-2.0
"""Reading facts from the engine's objects: bounded, typed, and without raising."""

from __future__ import annotations

import functools
import math
import re
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN = "unknown"
_CAUSES_FOLLOWED = 6
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PLATFORM_SUFFIXES = ("TradingPlatform", "Platform")


def field(source: Any, name: str, default: Any = None) -> Any:
    """``source[name]`` of a dictionary, ``source.name`` of anything else."""
    if isinstance(source, dict):
        return source.get(name, default)
    return getattr(source, name, default)


def text(value: Any) -> str | None:
    """``value`` as text when it is a scalar with something in it."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def number(value: Any) -> float | None:
    """``value`` as a finite float; the engine keeps many amounts as text or ``Decimal``."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: Any) -> int | None:
    """``value`` as an integer, or ``None``."""
    found = number(value)
    return int(found) if found is not None else None


def state_name(state: Any) -> str | None:
    """The name of an enum member such as ``AgentState.IDLE``."""
    return text(getattr(state, "name", None)) or text(state)


def platform_name(platform: Any) -> str:
    """A trading platform's label: its class without the suffix, ``unified`` for example."""
    return _class_label(type(platform).__name__) if platform is not None else UNKNOWN


@functools.cache
def _class_label(name: str) -> str:
    for suffix in _PLATFORM_SUFFIXES:
        name = name.removesuffix(suffix)
    return _WORD.sub("_", name).lower() or UNKNOWN


def http_status(error: BaseException | None) -> int | None:
    """The HTTP status behind an exception of requests, aiohttp, httpx or ollama.

    The engine wraps such exceptions in its own, so causes and contexts are followed.
    """
    for _ in range(_CAUSES_FOLLOWED):
        if error is None:
            return None
        for found in (
            getattr(getattr(error, "response", None), "status_code", None),
            getattr(error, "status_code", None),
            getattr(error, "status", None),
        ):
            if isinstance(found, int) and 100 <= found <= 599:
                return found
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def carrying(key: str, value: object) -> Iterator[None]:
    """Hand ``value`` to what runs inside, across tasks and pool threads.

    In the OpenTelemetry context rather than in a context variable of ours: threads of an
    executor inherit the former only.
    """
    token = otel_context.attach(otel_context.set_value(key, value))
    try:
        yield
    finally:
        otel_context.detach(token)
