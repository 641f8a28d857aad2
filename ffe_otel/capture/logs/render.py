# SPDX-License-Identifier: Apache-2.0
"""A log line as JSON for machines or as text for people."""

from __future__ import annotations

import json
import math
import re
from json import encoder
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.capture.logs import reading
from ffe_otel.capture.logs.freeze import text_of
from ffe_otel.export.memo import Memo
from ffe_otel.redaction.valid import valid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
_LEVEL_COLOURS: Final = {
    "DEBUG": "\x1b[2m",
    "INFO": "\x1b[32m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[1;37;41m",
}
_KEY_COLOUR: Final = "\x1b[36m"

# JSON leaves these alone, yet many readers end a line at them.
_LINE_ENDS: Final = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_LINE_END: Final = re.compile("[\x85\u2028\u2029]")
# A message must not be able to move the cursor or forge a line of its own.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_NEEDS_QUOTES: Final = re.compile(r'[\s"=]')

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=text_of
).encode


quoted: Final[Callable[[str], str]] = encoder.encode_basestring
"""A text as JSON, in C where there is C."""


_KEYS: Final = Memo(lambda name: f",{quoted(name)}:")
"""Names as they stand in front of a member."""


def json_line(line: Mapping[str, Any]) -> str:
    """Render a line as one line of valid JSON, whatever is in it.

    Numbers JSON does not know are written as the strings ``NaN``, ``Infinity`` and
    ``-Infinity``.
    """
    return one_line(f"{{{members(line)[1:]}}}")


def members(mapping: Mapping[str, Any], without: str | None = None) -> str:
    """The members of a JSON object, each with a comma in front of it; see ``json_line``.

    ``without`` is the name of one to leave out.
    """
    parts: list[str] = []
    keys = _KEYS
    for key, value in mapping.items():
        if key == without:
            continue
        kind = type(value)
        if kind is str:
            shown = quoted(value)
        elif kind is int:
            shown = int.__repr__(value)
        elif kind is float and -math.inf < value < math.inf:
            shown = float.__repr__(value)
        else:
            shown = _json(value)
        parts += (keys[key], shown)
    return "".join(parts)


def one_line(text: str) -> str:
    """Escape what JSON leaves alone and readers stumble over: line ends, lone surrogates."""
    if text.isascii():
        return text
    return _LINE_END.sub(lambda match: _LINE_ENDS[match[0]], valid_text(text))


def value_json(value: object) -> str:
    """Render one value as ``json_line`` does."""
    return one_line(_json(value))


def _json(value: object) -> str:
    try:
        return _encode(value)
    except (ValueError, TypeError, RecursionError):
        return _encode(_finite(value, 1))


def text_line(line: Mapping[str, Any], *, colour: bool = False) -> str:
    """Render a line for a person.

    Args:
        line: As ``json_line`` takes it.
        colour: Use ANSI colours, for a terminal.

    Returns:
        Time, level, logger, message, ``key=value`` pairs, the start of the trace id; an
        exception and further lines of the message follow indented. No newline at the end.
    """
    rest = dict(line)
    when, level, logger, message, _, trace, *_ = (rest.pop(name, None) for name in reading.ALWAYS)
    exception = rest.pop(semconv.LOG_EXCEPTION, None)
    stack = rest.pop(semconv.LOG_STACK, None)
    paint = _paint if colour else _plain
    head, *further = _paragraph(message)
    parts = [
        paint(_DIM, _shorter(when)),
        paint(_LEVEL_COLOURS.get(str(level), _BOLD), f"{_printable(level):<8}"),
        paint(_DIM, f"[{_printable(logger)}]"),
        paint(_BOLD, head) if colour else head,
        *(f"{paint(_KEY_COLOUR, _printable(key))}={_value(value)}" for key, value in rest.items()),
    ]
    if isinstance(trace, str):
        parts.append(f"{paint(_KEY_COLOUR, 'trace')}={trace[:8]}")
    lines = [" ".join(parts), *(f"    {text}" for text in further)]
    if isinstance(exception, dict):
        lines.extend(f"    {text}" for text in traceback_lines(exception))
    if isinstance(stack, list):
        lines.append("    Stack (most recent call last):")
        lines.extend(f"    {text}" for text in _frame_lines(stack))
    return "\n".join(lines)


def traceback_lines(exception: Mapping[str, Any]) -> Iterator[str]:
    """Write a structured exception in the layout of a Python traceback, causes first."""
    for link, words in (
        ("cause", "The above exception was the direct cause of the following exception:"),
        ("context", "During handling of the above exception, another exception occurred:"),
    ):
        if isinstance(exception.get(link), dict):
            yield from traceback_lines(exception[link])
            yield from ("", words, "")
    frames = exception.get("frames")
    if isinstance(frames, list) and frames:
        yield "Traceback (most recent call last):"
        yield from _frame_lines(frames)
    head, *further = _paragraph(exception.get("message"))
    yield f"{_printable(exception.get('type'))}: {head}"
    yield from further
    yield from (_printable(note) for note in exception.get("notes", ()))
    for number, member in enumerate(exception.get("exceptions", ()), 1):
        yield f"  +- {number}"
        yield from (f"  | {text}" for text in traceback_lines(member))


def _frame_lines(frames: list[Mapping[str, Any]]) -> Iterator[str]:
    for frame in frames:
        yield (
            f'  File "{_printable(frame.get("file"))}", line {frame.get("line")}, '
            f"in {_printable(frame.get('function'))}"
        )


def _finite(value: object, depth: int) -> object:
    """Copy a value that JSON refused; a ring or a bottomless structure ends in text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if depth > 32:
        return text_of(type(value).__name__)
    if isinstance(value, dict):
        return {text_of(key): _finite(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, depth + 1) for item in value]
    return value


def _value(value: object) -> str:
    if not isinstance(value, str):
        return _printable(value_json(value))
    text = _printable(value)
    return json.dumps(text, ensure_ascii=False) if _NEEDS_QUOTES.search(text) else text


def _shorter(when: object) -> str:
    """Milliseconds and Z are enough for a person."""
    text = _printable(when)
    return f"{text[:-9]}Z" if text.endswith("+00:00") and len(text) == 32 else text


def _printable(value: object) -> str:
    text = value if isinstance(value, str) else text_of(value)
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _paragraph(value: object) -> list[str]:
    text = value if isinstance(value, str) else value_json(value)
    return [_printable(part) for part in text.split("\n")]


def _paint(code: str, text: str) -> str:
    return f"{code}{text}{_RESET}"


def _plain(_: str, text: str) -> str:
    return text
