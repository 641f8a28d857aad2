# SPDX-License-Identifier: Apache-2.0
"""Log records that need no cleaning, handed to a logger's processors as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LogRecordLimits, ReadWriteLogRecord

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord

_SCALARS: Final = frozenset({str, int, float, bool})


def limits_of(logger: Any) -> LogRecordLimits:
    """A logger's limits; before 1.45 the SDK makes them anew for each record."""
    own: LogRecordLimits | None = getattr(logger, "_log_record_limits", None)
    return LogRecordLimits() if own is None else own


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
    try:
        limits, processors = limits_of(logger), logger._multi_log_record_processor  # noqa: SLF001
        most = limits.max_log_record_attributes
        fits = limits.max_log_record_attribute_length is None and (
            most is None or len(record.attributes or ()) <= most
        )
        count = logger._logger_metrics.emit_log  # noqa: SLF001
        direct = fits and logger._is_enabled()  # noqa: SLF001
    except AttributeError:
        direct = False
    if not direct:
        logger.emit(record)
        return
    emitted = object.__new__(ReadWriteLogRecord)
    emitted.log_record = record
    emitted.resource = logger.resource
    emitted.instrumentation_scope = logger.instrumentation_scope
    emitted.limits = limits
    count()
    processors.on_emit(emitted)
