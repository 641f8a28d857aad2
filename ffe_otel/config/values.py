# SPDX-License-Identifier: Apache-2.0
"""Turning what a file, a variable or an argument holds into a value of the model."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from ffe_otel.config.schema import Key, Kind

_SCALARS = frozenset({"integer", "number", "boolean"})
# More than any setting can mean, and less than what overflows where it is used.
_LARGEST: Mapping[Kind, float] = {"integer": 2.0**53, "number": 1e9}
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class BadValueError(ValueError):
    """A value that its key does not take; the text says what it takes."""


def convert(key: Key, value: object) -> Any:
    """Check a typed value, as YAML or a caller gives it.

    Args:
        key: the setting; not a table, whose rows the caller converts one by one.
        value: what was found.

    Returns:
        The value in the model's type.

    Raises:
        BadValueError: wrong type, out of range, or not one of the choices.
    """
    return _limited(key, _CONVERTERS[key.kind](key, value))


def parse(key: Key, text: str) -> Any:
    """Read a value from text: an environment variable, or a file's value with ``${NAME}`` in it.

    Lists are separated by commas, mappings are ``name=value`` pairs separated by commas with
    percent-encoded values, as OpenTelemetry writes headers.

    Raises:
        BadValueError: the text is no value of this key.
    """
    if key.kind == "table":
        raise BadValueError("is a table, which only the configuration file can hold")
    return convert(key, _typed(key, text))


def shown(key: Key, value: object) -> str:
    """A value for an error message; secrets are not shown."""
    if key.secret:
        return "a value that is not shown"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    text = repr(value) if isinstance(value, str) else text
    return f"{text[:80]}..." if len(text) > 80 else text


def expectation(key: Key) -> str:
    """What a key takes, in words, for example ``an integer from 0 to 65535``."""
    if key.choices:
        return "one of " + ", ".join(key.choices)
    return _NOUNS[key.kind] + _range(key)


def _range(key: Key) -> str:
    low, high = key.minimum, key.maximum
    if low is not None and high is not None:
        return f" from {low:,g} to {high:g}" if high < 1e5 else f" from {low:g} to {high:.0f}"
    if low is not None:
        return f" of at least {low:.0f}" if low >= 1 else f" of at least {low:g}"
    return f" of at most {high:g}" if high is not None else ""


_NOUNS: Mapping[Kind, str] = {
    "text": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list of texts",
    "mapping": "a mapping of names to texts",
    "table": "a list of mappings",
}


def _wrong(key: Key, value: object) -> BadValueError:
    hint = ""
    if key.kind == "text" and isinstance(value, bool | int | float):
        hint = "; put it in quotes if it is meant as text"
    elif isinstance(value, str) and key.kind in _SCALARS and _typed(key, value) != value:
        hint = "; leave the quotes out"
    return BadValueError(f"expected {expectation(key)}, got {_named(key, value)}{hint}")


def _named(key: Key, value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "a mapping"
        case str() | int() | float():
            return shown(key, value)
        case Sequence():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _text(key: Key, value: object) -> str:
    # An unquoted 2026-01-31 is a date to YAML and a text to everybody else.
    if isinstance(value, dt.date):
        return value.isoformat()
    # And an unquoted off is false.
    if value is False and "off" in key.choices:
        return "off"
    if not isinstance(value, str):
        raise _wrong(key, value)
    if not key.choices or value in key.choices:
        return value
    for choice in key.choices:
        if choice.lower() == value.lower():
            return choice
    raise _wrong(key, value)


def _integer(key: Key, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(key, value)
    return value


def _number(key: Key, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(key, value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wrong(key, value)
    return number


def _boolean(key: Key, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, value)
    return value


def _list(key: Key, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _wrong(key, value)
    for item in value:
        if not isinstance(item, str):
            raise BadValueError(f"expected a list of texts, but {_named(key, item)} is in it")
    return tuple(value)


def _mapping(key: Key, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong(key, value)
    for name, item in value.items():
        if not isinstance(name, str) or not isinstance(item, str):
            raise BadValueError(f"expected a mapping of names to texts; {name!r} is not one")
    return dict(value)


_CONVERTERS: Mapping[Kind, Callable[[Key, object], Any]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "list": _list,
    "mapping": _mapping,
}


def _limited(key: Key, value: Any) -> Any:
    low, high = key.minimum, key.maximum
    largest = _LARGEST.get(key.kind)
    if largest is not None and high is None and value > largest:
        raise BadValueError(f"expected {_NOUNS[key.kind]} of at most {largest:.0f}")
    if (low is not None and value < low) or (high is not None and value > high):
        raise BadValueError(f"expected {expectation(key)}, got {shown(key, value)}")
    return value


def _typed(key: Key, text: str) -> object:
    """What a text means to a key; the text itself where it means nothing to it."""
    match key.kind:
        case "integer":
            return _number_or(int, text)
        case "number":
            return _number_or(float, text)
        case "boolean":
            folded = text.strip().lower()
            return folded in _TRUE if folded in _TRUE | _FALSE else text
        case "list":
            return [item.strip() for item in text.split(",") if item.strip()]
        case "mapping":
            return _pairs(key, text)
        case _:
            return text


def _number_or(to: type[int | float], text: str) -> object:
    try:
        return to(text.strip())
    except ValueError:
        return text


def _pairs(key: Key, text: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise BadValueError(f"expected name=value pairs, got {shown(key, part)}")
        pairs[name.strip().lower()] = unquote(value.strip())
    return pairs
