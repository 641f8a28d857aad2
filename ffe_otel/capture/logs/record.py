# SPDX-License-Identifier: Apache-2.0
"""A log record as it was when it was logged.

This runs on the trading thread: it takes what would age and leaves the rest (formatting,
JSON, redaction, sending) to the worker.
"""

from __future__ import annotations

import logging
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ffe_otel.capture.logs.failure import Failure, failure_of
from ffe_otel.capture.logs.freeze import IMMUTABLE, freeze, is_data, text_of
from ffe_otel.export import sizes
from ffe_otel.sdk.spans import identity_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.context import Context

# Every record has them, in this order: a record is made with them, and extras follow.
OWN_ATTRIBUTES: Final = tuple(logging.makeLogRecord({}).__dict__)
_OWN: Final = frozenset(OWN_ATTRIBUTES)
_OWN_COUNT: Final = len(OWN_ATTRIBUTES)
_LAST_OWN: Final = OWN_ATTRIBUTES[-1:]
_AT: Final = {name: place for place, name in enumerate(OWN_ATTRIBUTES)}
_MSG, _ARGS = _AT["msg"], _AT["args"]
_ALL_FLAGS: Final = 0xFF
_FAILURE: Final = 300  # bytes
_FRAME: Final = 100
_FIXED: Final = IMMUTABLE - {str, bytes}
# Formatters leave the first two behind; OpenTelemetry's logging instrumentation adds the
# others, which say again what every record of ours says.
_NOT_EXTRA: Final = _OWN | {
    "message",
    "asctime",
    "taskName",
    "otelTraceID",
    "otelSpanID",
    "otelTraceSampled",
    "otelServiceName",
}


class Snapshot(NamedTuple):
    """One record, holding nothing that the engine can still change.

    Taken as a plain tuple of plain values, which costs the trading thread the least: the
    garbage collector does not look into such a one again, however many wait.

    Attributes:
        values: of ``OWN_ATTRIBUTES``, and of the caller's extras behind them. The message is
            still to be formatted, unless its arguments could change until then; the exception
            is in ``failure``.
        names: of the extras.
        trace_id, span_id, trace_flags: of the current span, 0 where there is none.
        context: immutable by contract; None if it holds no more than the span.
        fields: what the capture knows about the caller.
        failure: the exception.
        shown: whether the engine itself prints the record on the console.
        size: bytes that it takes, by estimate.
    """

    values: tuple[Any, ...]
    names: tuple[str, ...]
    trace_id: int
    span_id: int
    trace_flags: int
    context: Context | None
    fields: Mapping[str, object] | None
    failure: Failure | None
    shown: bool
    size: int


Taken: TypeAlias = tuple[Any, ...]
"""The fields of a :class:`Snapshot`."""


def snapshot(
    record: logging.LogRecord,
    context: Context,
    fields: Mapping[str, object] | None,
    *,
    shown: bool = False,
) -> Taken:
    """Take a record.

    Args:
        record: The record, after the logger's own filters.
        context: OpenTelemetry context of the caller.
        fields: What the capture knows about the caller: agent state, decision, asset; a
            dict of the snapshot's own.
        shown: Whether the engine itself prints the record on the console.
    """
    attributes = record.__dict__
    failure = None
    size = sizes.LOG_LINE
    text = -1
    if (
        type(record) is logging.LogRecord
        and type(record.msg) is str
        and type(record.args) is tuple
        and not (record.exc_info or record.exc_text)
    ):
        text = _text_in(record.args)
    if text < 0:
        failure = failure_of(record.exc_info, record.exc_text)
        attributes = _settled(record)
        size += _size_of(failure)
    else:
        size += text
    # Each of these is one step for the interpreter: another thread may hold the record.
    values, names = tuple(attributes.values()), tuple(attributes)
    if names[_OWN_COUNT - 1 : _OWN_COUNT] != _LAST_OWN:
        # Somebody has taken one of logging's attributes out, and perhaps put it in again.
        attributes = _settled(record)
        values, names = tuple(attributes.values()), tuple(attributes)
    message = values[_MSG]
    size += len(message) if type(message) is str else sizes.of_values((message,))
    names = names[_OWN_COUNT : len(values)]
    if names:
        extras = values[_OWN_COUNT:]
        text = _text_in(extras)
        if text < 0:
            extras = tuple(map(freeze, extras))
            values = values[:_OWN_COUNT] + extras
            text = sizes.of_values(extras)
        size += text + sizes.EXTRA * len(names)
    trace_id, span_id, _, flags, *_ = identity_in(context)
    return (
        values,
        names,
        trace_id,
        span_id,
        flags & _ALL_FLAGS,
        context if context and (len(context) > 1 or not trace_id) else None,
        _frozen(fields) if fields else None,
        failure,
        shown,
        size if size < sizes.LARGE else max(size, _exact(values)),
    )


def _text_in(values: tuple[Any, ...]) -> int:
    """Characters in values that cannot change; less than 0 when one of them can."""
    size = 0
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind not in _FIXED:
            if kind is not bytes:
                return -1
            size += len(value)
    return size


def _size_of(failure: Failure | None) -> int:
    if failure is None:
        return 0
    return _FAILURE + len(failure.message) + _FRAME * len(failure.frames)


def _exact(values: tuple[Any, ...]) -> int:
    """The size of a record with long texts, whose characters may be wide."""
    return sizes.LOG_LINE + sizes.of_values((values[_MSG], values[_ARGS], *values[_OWN_COUNT:]))


def _settled(record: logging.LogRecord) -> dict[str, Any]:
    """The attributes of a record without what may change or is taken otherwise.

    Logging's own come first; a record class of the engine's may have put others before them.
    """
    attributes = record.__dict__.copy()
    attributes["msg"], attributes["args"] = _body(record), ()
    attributes["exc_info"] = attributes["exc_text"] = None
    ordered = {name: attributes.pop(name, None) for name in OWN_ATTRIBUTES}
    return ordered | attributes


def _frozen(fields: Mapping[str, object]) -> Mapping[str, object]:
    for value in fields.values():
        if type(value) is not str:
            return {key: freeze(value) for key, value in fields.items()}
    return fields


def _body(record: logging.LogRecord) -> object:
    """The message, or what was logged in its place if that is a structure or a number."""
    message = record.msg
    if not isinstance(message, str) and not record.args and is_data(message):
        return freeze(message)
    return _message(record)


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as problem:  # noqa: BLE001 - the arguments are the engine's, so is their __str__
        return _unformatted(record.msg, record.args, problem)
    return message if type(message) is str else str.__str__(message)


def message_of(values: tuple[Any, ...]) -> object:
    """The message of a snapshot, formatted; not a text where data was logged as it is."""
    message, arguments = values[_MSG], values[_ARGS]
    if not arguments:
        return message
    try:
        return message % arguments
    except Exception as problem:  # noqa: BLE001 - a format that does not fit its arguments
        return _unformatted(message, arguments, problem)


def _unformatted(message: object, arguments: object, problem: Exception) -> str:
    return (
        f"{text_of(message)} [could not be formatted with {text_of(freeze(arguments))}: "
        f"{type(problem).__name__}: {text_of(problem)}]"
    )


def extras_of(snapshot: Snapshot) -> Iterable[tuple[str, object]]:
    """What the caller gave beside logging's own attributes."""
    names = snapshot.names
    if not names:
        return ()
    extras = zip(names, islice(snapshot.values, _OWN_COUNT, None), strict=True)
    if _NOT_EXTRA.isdisjoint(names):
        return extras
    return [pair for pair in extras if pair[0] not in _NOT_EXTRA]


def getter(*names: str) -> Callable[[tuple[Any, ...]], Any]:
    """What takes logging's attributes ``names`` out of a snapshot's values."""
    return itemgetter(*(_AT[name] for name in names))
