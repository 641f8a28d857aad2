# SPDX-License-Identifier: Apache-2.0
"""From a snapshot to what the outputs need: clean text, resolved names, plain containers.

Runs on the worker. The JSON line, the text line and the OTLP record are all made from the
same reading, so they cannot disagree.
"""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ffe_otel import semconv
from ffe_otel.capture.logs.failure import Failure, Frame, frames_of
from ffe_otel.capture.logs.freeze import freeze, text_of
from ffe_otel.capture.logs.record import Snapshot, extras_of, getter, message_of
from ffe_otel.correlation import correlation_id, trace_id
from ffe_otel.redaction.valid import valid_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ffe_otel.capture.logs.record import Taken

# The first ten are in every line, null when unknown; the others only when known.
ALWAYS: Final = semconv.LOG_FIELDS[:10]
WHEN_KNOWN: Final = semconv.LOG_FIELDS[10:]
TIMESTAMP, LEVEL, LOGGER, MESSAGE, CORRELATION, TRACE, SPAN, MODULE, FUNCTION, LINE = ALWAYS
_IDS: Final = frozenset({CORRELATION, TRACE, SPAN})
_TAKEN: Final = frozenset({*ALWAYS, semconv.LOG_EXCEPTION, semconv.LOG_STACK})
_RESERVED: Final = _TAKEN | set(WHEN_KNOWN)
_PLAIN: Final = frozenset({float, bool, type(None)})
_created: Final = getter("created")
_stack_info: Final = getter("stack_info")
_INT64: Final = 1 << 63
_MOST_SPANS: Final = 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Ids(NamedTuple):
    """Correlation id, trace id and span id in hexadecimal, None outside a trace."""

    correlation: str | None = None
    trace: str | None = None
    span: str | None = None


class Reading(NamedTuple):
    """A record ready to be redacted and rendered.

    ``unix_nano`` is nanoseconds since the epoch, exact to the microsecond, ``timestamp``
    the same in ISO 8601 with UTC offset. ``content`` is what has to be redacted: message,
    those of ``WHEN_KNOWN`` that are known, everything else the caller gave, exception, stack.
    """

    snapshot: Snapshot
    unix_nano: int
    timestamp: str
    ids: Ids
    content: dict[str, Any]


def read(taken: Taken) -> Reading:
    """Read a snapshot."""
    snapshot = Snapshot._make(taken)
    unix_nano, timestamp = _time(_created(snapshot.values))
    extras = _extras(snapshot)
    ids = _ids(snapshot, extras)
    content: dict[str, Any] = {MESSAGE: clean(message_of(snapshot.values))}
    if snapshot.fields or not _plain(snapshot.names):
        content.update(_known(snapshot.fields or {}, extras))
    if extras:
        content.update(extras if _plain(snapshot.names) else _renamed(extras, ids))
    if snapshot.failure is not None:
        content[semconv.LOG_EXCEPTION] = _exception(snapshot.failure)
    stack = _stack_info(snapshot.values)
    if isinstance(stack, str):
        content[semconv.LOG_STACK] = _frames(frames_of(stack))
    return Reading(snapshot, unix_nano, timestamp, ids, content)


@functools.lru_cache(maxsize=1024)
def _plain(names: tuple[str, ...]) -> bool:
    """Whether names of extras mean nothing special and are fit for every output."""
    return _RESERVED.isdisjoint(names) and all(
        type(name) is str and name.isascii() for name in names
    )


def _extras(snapshot: Snapshot) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    for key, value in extras_of(snapshot):
        kind = type(value)
        if kind is str:
            fit: object = value if value.isascii() else valid_text(value)  # type: ignore[attr-defined,arg-type]
        elif kind in _PLAIN or (kind is int and -_INT64 <= value < _INT64):  # type: ignore[operator]
            fit = value
        else:
            fit = clean(freeze(value))
        extras[key if type(key) is str else text_of(key)] = fit
    return extras


def clean(value: object) -> Any:
    """Make a frozen value fit for UTF-8: bytes become text, lone surrogates escapes."""
    kind = type(value)
    if kind is str:
        return valid_text(value)  # type: ignore[arg-type]
    if kind is bytes:
        return value.decode("utf-8", "backslashreplace")  # type: ignore[attr-defined]
    if kind is list:
        return [clean(item) for item in value]  # type: ignore[attr-defined]
    if kind is dict:
        return {valid_text(key): clean(item) for key, item in value.items()}  # type: ignore[attr-defined]
    return value


@functools.lru_cache(maxsize=1024)
def shown_path(path: str) -> str:
    """A source path without the name of the person whose home it is under."""
    home = _home()
    return f"~{path[len(home) :]}" if home and path.startswith(home + "/") else valid_text(path)


@functools.cache
def _home() -> str:
    try:
        home = str(Path.home())
    except RuntimeError:
        return ""
    return home if len(home) > 1 else ""


def _time(created: object) -> tuple[int, str]:
    try:
        micros = round(float(created) * 1e6)  # type: ignore[arg-type]
        seconds = _second(micros // 1_000_000)
    except (TypeError, ValueError, OverflowError):
        micros = time.time_ns() // 1000
        seconds = _second(micros // 1_000_000)
    return micros * 1000, f"{seconds}.{micros % 1_000_000:06d}+00:00"


@functools.lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    """A second since the epoch in ISO 8601, without its end."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


@functools.lru_cache(maxsize=_MOST_SPANS)
def _of_span(trace: int, span: int) -> Ids:
    return Ids(correlation_id(trace), f"{trace:032x}", f"{span:016x}")


_OUTSIDE: Final = Ids()


def _ids(snapshot: Snapshot, extras: Mapping[str, object]) -> Ids:
    if snapshot.trace_id and snapshot.span_id:
        return _of_span(snapshot.trace_id, snapshot.span_id)
    # A record that was formatted on another thread brings the id its filter gave it.
    given = extras.get(CORRELATION)
    if isinstance(given, str) and (known := trace_id(given)) is not None:
        return Ids(correlation_id(known))
    return _OUTSIDE


def _known(fields: Mapping[str, object], extras: dict[str, object]) -> dict[str, object]:
    """Take the named fields out of the extras, which know better than the context."""
    found: dict[str, object] = {}
    for name in WHEN_KNOWN:
        value = extras.pop(name, None)
        if value is None:
            value = clean(fields.get(name))
        if value is not None:
            found[name] = value
    return found


def _renamed(extras: Mapping[str, object], ids: Ids) -> dict[str, object]:
    renamed: dict[str, object] = {}
    for name, value in extras.items():
        if name in _IDS and (value is None or value in ids):
            continue
        key = valid_text(name)
        while key in _TAKEN or key in renamed:
            key = semconv.LOG_EXTRA_PREFIX + key
        renamed[key] = value
    return renamed


def _exception(failure: Failure) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": valid_text(failure.type),
        "message": valid_text(failure.message),
        "frames": _frames(failure.frames),
    }
    if failure.omitted:
        described["frames_omitted"] = failure.omitted
    if failure.notes:
        described["notes"] = [valid_text(note) for note in failure.notes]
    if failure.cause is not None:
        described["cause"] = _exception(failure.cause)
    if failure.context is not None:
        described["context"] = _exception(failure.context)
    if failure.members:
        described["exceptions"] = [_exception(member) for member in failure.members]
    return described


def _frames(frames: Iterable[Frame]) -> list[dict[str, Any]]:
    return [
        {"file": shown_path(file), "line": line, "function": valid_text(function)}
        for file, line, function in frames
    ]
