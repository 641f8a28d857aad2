# SPDX-License-Identifier: Apache-2.0
"""From a snapshot to what the outputs need: clean text, resolved names, plain containers.

Runs on the worker. The JSON line, the text line and the OTLP record are all made from the
same reading, so they cannot disagree.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.capture.logs.failure import Failure, Frame, frames_of
from ffe_otel.capture.logs.freeze import text_of
from ffe_otel.correlation import correlation_id, trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ffe_otel.capture.logs.record import Snapshot

# The first ten are in every line, null when unknown; the others only when known.
ALWAYS: Final = semconv.LOG_FIELDS[:10]
WHEN_KNOWN: Final = semconv.LOG_FIELDS[10:]
TIMESTAMP, LEVEL, LOGGER, MESSAGE, CORRELATION, TRACE, SPAN, MODULE, FUNCTION, LINE = ALWAYS
_IDS: Final = frozenset({CORRELATION, TRACE, SPAN})
_TAKEN: Final = frozenset({*ALWAYS, semconv.LOG_EXCEPTION, semconv.LOG_STACK})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reading:
    """A record ready to be rendered.

    ``unix_nano`` is nanoseconds since the epoch, exact to the microsecond, ``timestamp``
    the same in ISO 8601 with UTC offset. ``ids`` are correlation id, trace id and span id
    in hexadecimal, None outside a trace. ``fields`` are those of ``WHEN_KNOWN`` that are
    known; ``extras`` everything else the caller gave.
    """

    snapshot: Snapshot
    unix_nano: int
    timestamp: str
    message: str
    ids: tuple[str | None, str | None, str | None]
    fields: dict[str, object]
    extras: dict[str, object]
    exception: dict[str, Any] | None
    stack: list[dict[str, Any]] | None


def read(snapshot: Snapshot) -> Reading:
    """Read a snapshot."""
    extras = {
        key if type(key) is str else text_of(key): clean(value)
        for key, value in (snapshot.extras or {}).items()
    }
    ids = _ids(snapshot, extras)
    failure, stack = snapshot.failure, snapshot.stack
    unix_nano, timestamp = _time(snapshot.created)
    return Reading(
        snapshot=snapshot,
        unix_nano=unix_nano,
        timestamp=timestamp,
        message=clean_text(snapshot.message),
        ids=ids,
        fields=_known(snapshot.fields or {}, extras),
        extras=_renamed(extras, ids),
        exception=None if failure is None else _exception(failure),
        stack=_frames(frames_of(stack)) if isinstance(stack, str) else None,
    )


def line_of(reading: Reading) -> dict[str, Any]:
    """Lay a reading out as a log line: ``semconv.LOG_FIELDS``, extras, exception, stack."""
    taken = reading.snapshot
    line: dict[str, Any] = dict(
        zip(
            ALWAYS,
            (
                reading.timestamp,
                clean(taken.level),
                clean(taken.logger),
                reading.message,
                *reading.ids,
                clean(taken.module),
                clean(taken.function),
                taken.line,
            ),
            strict=True,
        )
    )
    line.update(reading.fields)
    line.update(reading.extras)
    if reading.exception is not None:
        line[semconv.LOG_EXCEPTION] = reading.exception
    if reading.stack is not None:
        line[semconv.LOG_STACK] = reading.stack
    return line


def clean(value: object) -> Any:
    """Make a frozen value fit for UTF-8: bytes become text, lone surrogates escapes."""
    kind = type(value)
    if kind is str:
        return clean_text(value)  # type: ignore[arg-type]
    if kind is bytes:
        return value.decode("utf-8", "backslashreplace")  # type: ignore[attr-defined]
    if kind is list:
        return [clean(item) for item in value]  # type: ignore[attr-defined]
    if kind is dict:
        return {clean_text(key): clean(item) for key, item in value.items()}  # type: ignore[attr-defined]
    return value


def clean_text(text: str) -> str:
    """The text itself, or with its lone surrogates written as escapes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


@functools.lru_cache(maxsize=1024)
def shown_path(path: str) -> str:
    """A source path without the name of the person whose home it is under."""
    home = _home()
    return f"~{path[len(home) :]}" if home and path.startswith(home + "/") else clean_text(path)


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
        when = _EPOCH + timedelta(microseconds=micros)
    except (TypeError, ValueError, OverflowError):
        micros = time.time_ns() // 1000
        when = _EPOCH + timedelta(microseconds=micros)
    return micros * 1000, when.isoformat(timespec="microseconds")


@functools.lru_cache(maxsize=128)
def _trace(trace: int) -> tuple[str, str]:
    return correlation_id(trace), f"{trace:032x}"


def _ids(
    snapshot: Snapshot, extras: Mapping[str, object]
) -> tuple[str | None, str | None, str | None]:
    span = snapshot.span
    if span.is_valid:
        return *_trace(span.trace_id), f"{span.span_id:016x}"
    # A record that was formatted on another thread brings the id its filter gave it.
    given = extras.get(CORRELATION)
    if isinstance(given, str) and (known := trace_id(given)) is not None:
        return correlation_id(known), None, None
    return None, None, None


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


def _renamed(
    extras: Mapping[str, object], ids: tuple[str | None, str | None, str | None]
) -> dict[str, object]:
    renamed: dict[str, object] = {}
    for name, value in extras.items():
        if name in _IDS and (value is None or value in ids):
            continue
        key = clean_text(name)
        while key in _TAKEN or key in renamed:
            key = semconv.LOG_EXTRA_PREFIX + key
        renamed[key] = value
    return renamed


def _exception(failure: Failure) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": clean_text(failure.type),
        "message": clean_text(failure.message),
        "frames": _frames(failure.frames),
    }
    if failure.omitted:
        described["frames_omitted"] = failure.omitted
    if failure.notes:
        described["notes"] = [clean_text(note) for note in failure.notes]
    if failure.cause is not None:
        described["cause"] = _exception(failure.cause)
    if failure.context is not None:
        described["context"] = _exception(failure.context)
    if failure.members:
        described["exceptions"] = [_exception(member) for member in failure.members]
    return described


def _frames(frames: Iterable[Frame]) -> list[dict[str, Any]]:
    return [
        {"file": shown_path(file), "line": line, "function": clean_text(function)}
        for file, line, function in frames
    ]
