# SPDX-License-Identifier: Apache-2.0
"""A log record as it was when it was logged.

This runs on the trading thread: it takes what would age and leaves the rest (JSON,
redaction, sending) to the worker.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.trace import get_current_span

from ffe_otel.capture.logs.failure import Failure, failure_of
from ffe_otel.capture.logs.freeze import freeze, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

_OWN_ATTRIBUTES: Final = logging.makeLogRecord({}).__dict__
_OWN_COUNT: Final = len(_OWN_ATTRIBUTES)
# Formatters leave the first two behind; OpenTelemetry's logging instrumentation adds the
# others, which say again what every record of ours says.
_NOT_EXTRA: Final = frozenset(_OWN_ATTRIBUTES) | {
    "message",
    "asctime",
    "taskName",
    "otelTraceID",
    "otelSpanID",
    "otelTraceSampled",
    "otelServiceName",
}


class Snapshot(NamedTuple):
    """One record, immutable, holding nothing that the engine can still change.

    A named tuple, because building a frozen dataclass costs the trading thread four times
    as much. ``created`` is seconds since the epoch. ``context`` is immutable by contract.
    """

    created: float
    levelno: int
    level: str
    logger: str
    message: str
    path: str
    module: str
    function: str
    line: int
    thread_id: int
    thread_name: str
    context: Context
    span: SpanContext
    fields: Mapping[str, object] | None
    extras: Mapping[str, object] | None
    failure: Failure | None
    stack: str | None
    shown: bool


def snapshot(
    record: logging.LogRecord,
    context: Context,
    fields: Mapping[str, object] | None,
    *,
    shown: bool = False,
) -> Snapshot:
    """Take a record.

    Args:
        record: The record, after the logger's own filters.
        context: OpenTelemetry context of the caller.
        fields: What the capture knows about the caller: agent state, decision, asset; a
            dict of the snapshot's own.
        shown: Whether the engine itself prints the record on the console.
    """
    attributes = record.__dict__
    return Snapshot(
        record.created,
        record.levelno,
        record.levelname,
        record.name,
        _message(record),
        record.pathname,
        record.module,
        record.funcName,
        record.lineno,
        record.thread,  # type: ignore[arg-type]
        record.threadName,  # type: ignore[arg-type]
        context,
        get_current_span(context).get_span_context(),
        _frozen(fields) if fields else None,
        _extras(attributes) if len(attributes) != _OWN_COUNT else None,
        failure_of(record.exc_info, record.exc_text)
        if record.exc_info or record.exc_text
        else None,
        record.stack_info,
        shown,
    )


def _frozen(fields: Mapping[str, object]) -> Mapping[str, object]:
    for value in fields.values():
        if type(value) is not str:
            return {key: freeze(value) for key, value in fields.items()}
    return fields


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as problem:  # noqa: BLE001 - the arguments are the engine's, so is their __str__
        arguments = text_of(freeze(record.args))
        return (
            f"{text_of(record.msg)} [could not be formatted with {arguments}: "
            f"{type(problem).__name__}: {text_of(problem)}]"
        )
    return message if type(message) is str else str.__str__(message)


def _extras(attributes: Mapping[str, object]) -> dict[str, object]:
    # list() first: another thread may hold the record and add to it. Extras stand behind
    # logging's own attributes, unless a record class of the engine's put some before them.
    items = list(attributes.items())
    behind = items[_OWN_COUNT:]
    for key, _ in behind:
        if key in _OWN_ATTRIBUTES:
            behind = items
            break
    return {key: freeze(value) for key, value in behind if key not in _NOT_EXTRA}
