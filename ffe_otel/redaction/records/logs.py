# SPDX-License-Identifier: Apache-2.0
"""Log records and JSON log lines without secrets."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from ffe_otel.redaction.records.parts import (
    ID_FIELDS,
    IDS,
    SKELETON,
    attributes_of,
    bounded,
    redact_resource,
    redact_scope,
)
from ffe_otel.redaction.records.safe import SafeLogRecord
from ffe_otel.redaction.surfaces import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry._logs import LogRecord

    from ffe_otel.redaction.redactor import Redactor

_LINE_SKELETON_FIELDS: Final = ("timestamp", "level", "correlation_id", "trace_id", "span_id")


def redact_log(
    record: ReadableLogRecord,
    redactor: Redactor,
    limit: int | None = None,
    value_limit: int | None = None,
) -> ReadableLogRecord:
    """Redact body, attributes, names, resource and scope of a log record.

    Args:
        record: the record; stays as it is.
        redactor: the rules.
        limit: characters kept of each text, cut after redaction.
        value_limit: the same for its attribute values; by default ``limit``.

    Returns:
        A new record, or ``record`` itself if this function made it.
    """
    if isinstance(record, _RedactedLogRecord):
        return record
    own = record.log_record
    try:
        if not isinstance(own, SafeLogRecord) or not own.is_untouched(limit, value_limit or limit):
            own = redact_log_record(own, redactor, limit, value_limit)
        elif own.context:
            own = copy.copy(own)
            own.context = Context()
        return _RedactedLogRecord(
            log_record=own,
            resource=redact_resource(record.resource, redactor, limit),
            instrumentation_scope=redact_scope(record.instrumentation_scope, redactor, limit),
            limits=record.limits,
        )
    except Exception:  # noqa: BLE001 - fail closed, whatever it was
        redactor.failed(Surface.LOG)
        return _RedactedLogRecord(
            log_record=_log_skeleton(record.log_record), resource=Resource.get_empty()
        )


class _RedactedLogRecord(ReadableLogRecord):
    """A log record without secrets."""


def redact_log_record(
    record: LogRecord, redactor: Redactor, limit: int | None, value_limit: int | None = None
) -> LogRecord:
    """Redact the part of a log record that the API knows; raises what redaction raises."""
    redacted = _log_skeleton(record)
    redacted.body = redactor.strict_value(record.body, "", Surface.BODY, limit)
    redacted.attributes = bounded(
        record.attributes, redactor, Surface.LOG, limit if value_limit is None else value_limit
    )
    for field in ("severity_text", "event_name"):
        value = getattr(record, field)
        setattr(redacted, field, value and redactor.strict_text(str(value), Surface.LOG, limit))
    return redacted


def _log_skeleton(record: LogRecord) -> LogRecord:
    skeleton = copy.copy(record)
    # The context may hold baggage, and an exception holds its frames.
    skeleton.context = Context()
    skeleton.exception = None
    skeleton.body = SKELETON
    skeleton.attributes = {}
    skeleton.severity_text = None
    skeleton.event_name = None
    return skeleton


def redact_line(
    line: Mapping[str, object], redactor: Redactor, limit: int | None = None
) -> dict[str, Any]:
    """Redact a JSON log line given as a mapping.

    Ids in their own fields stay as they are; everything else is redacted.
    """
    try:
        return attributes_of(line, redactor, Surface.LOG, limit)
    except Exception:  # noqa: BLE001 - fail closed, whatever it was
        redactor.failed(Surface.LOG)
        return _line_skeleton(line)


def _line_skeleton(line: Mapping[str, object]) -> dict[str, Any]:
    skeleton: dict[str, Any] = {"message": SKELETON}
    for field in _LINE_SKELETON_FIELDS:
        value = line.get(field)
        plain = field not in ID_FIELDS or (isinstance(value, str) and IDS.fullmatch(value))
        if plain and isinstance(value, str) and len(value) <= 40:
            skeleton[field] = value
    return skeleton
