# SPDX-License-Identifier: Apache-2.0
"""Log records that need no cleaning, handed to a logger's processors as they are."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.sdk._logs import LogRecordLimits, ReadWriteLogRecord

from ffe_otel.sdk import found

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry._logs import LogRecord
    from opentelemetry.context import Context

_SCALARS: Final = frozenset({str, int, float, bool})


class Past(NamedTuple):
    """What is used past a logger's own ``emit``.

    Attributes:
        limits: of its records.
        processors: what takes them.
        counted: counts one, as the logger does.
    """

    limits: LogRecordLimits
    processors: Any
    counted: Callable[[], None]

    @property
    def room(self) -> float:
        """Attributes that a record may have; negative where values are cut."""
        most = self.limits.max_log_record_attributes
        if self.limits.max_log_record_attribute_length is not None:
            return -1
        return float("inf") if most is None else most


def way_past(logger: Any) -> Past | None:
    """How records get past ``logger.emit``; None where they do not."""
    return parts_of(logger) if found.current().works(found.RECORDS) else None


def parts_of(logger: Any) -> Past | None:
    """The private parts of a logger; None where they are others, or where it is disabled."""
    try:
        # Before 1.45 the SDK makes them anew for each record.
        limits = getattr(logger, "_log_record_limits", None) or LogRecordLimits()
        count = logger._logger_metrics.emit_log  # noqa: SLF001
        past = Past(limits, logger._multi_log_record_processor, count)  # noqa: SLF001
        return past if logger._is_enabled() else None  # noqa: SLF001
    except (AttributeError, TypeError):
        return None


def emit_event(logger: Any, record: LogRecord) -> None:
    """Emit a record whose attributes have proper names and perhaps values of any type."""
    attributes = record.attributes or {}
    if _SCALARS.issuperset(map(type, attributes.values())):
        emit_clean(logger, record)
    else:
        logger.emit(record)


def emit_clean(logger: Any, record: LogRecord) -> None:
    """Hand a record to the logger's processors, as the SDK does, without cleaning it again.

    The SDK copies and checks every attribute; these are made of clean values. With limits that
    these values do not keep, or an SDK whose private parts are others, it does it its way.
    """
    past = way_past(logger)
    if past is None or len(record.attributes or ()) > past.room:
        logger.emit(record)
    else:
        hand_on(logger, record, past)


def hand_on(logger: Any, record: LogRecord, past: Past) -> None:
    """Give a record to processors."""
    emitted = object.__new__(ReadWriteLogRecord)
    emitted.log_record = record
    emitted.resource = logger.resource
    emitted.instrumentation_scope = logger.instrumentation_scope
    emitted.limits = past.limits
    past.counted()
    past.processors.on_emit(emitted)


def copied(record: LogRecord, context: Context) -> LogRecord:
    """A copy of a record, in another context."""
    try:
        taken = object.__new__(type(record))
        vars(taken).update(vars(record))
    except TypeError:
        taken = copy.copy(record)
    taken.context = context
    return taken
