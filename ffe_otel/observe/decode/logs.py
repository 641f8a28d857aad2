# SPDX-License-Identifier: Apache-2.0
"""Log records as journal rows."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.observe.decode.batch import Event, describe, origin
from ffe_otel.observe.decode.values import MAX_TIME, any_value, attributes, digest128, dumps
from ffe_otel.semconv import EVENT_RECORDS, LOG_RECORD_UID

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from ffe_otel.observe.decode.batch import Batch, Known, Origin

MAX_SEVERITY: Final = 24
"""The most severe number there is, FATAL4; what is beyond is taken for it."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def decode_logs(request: ExportLogsServiceRequest, batch: Batch, known: Known) -> None:
    """Append a row for each log record of ``request`` to ``batch``."""
    seen: dict[str, int] = {}
    for group in request.resource_logs:
        source = origin(group.resource, known)
        for scoped in group.scope_logs:
            logger = scoped.scope.name
            for record in scoped.log_records:
                if max(record.time_unix_nano, record.observed_time_unix_nano) > MAX_TIME:
                    batch.reject("a log record's time is beyond the year 2262")
                elif len(record.trace_id) not in {0, 16} or len(record.span_id) not in {0, 8}:
                    batch.reject("a log record's trace id has 16 bytes or none, its span id 8")
                else:
                    row = _row(record, logger, source, seen)
                    describe(row, source, batch)
                    batch.add(row)
                    if record.event_name in EVENT_RECORDS:
                        event = Event(record.event_name, row["attrs"], row["time_ns"])
                        batch.events.append(event)


def _row(record: LogRecord, logger: str, source: Origin, seen: dict[str, int]) -> dict[str, Any]:
    attrs = attributes(record.attributes)
    uid = attrs.pop(LOG_RECORD_UID, None)
    # The Python SDK sends a body without a value for a record that has none.
    has_body = record.HasField("body") and record.body.WhichOneof("value") is not None
    body = any_value(record.body) if has_body else ""
    row: dict[str, Any] = {
        "uid": _identity(uid, seen, record, (logger, source.text, dumps(body), dumps(attrs))),
        "time_ns": record.time_unix_nano or record.observed_time_unix_nano or time.time_ns(),
        "severity": max(0, min(record.severity_number, MAX_SEVERITY)),
        "level": record.severity_text,
        "service": source.service,
        "logger": logger,
        "body": body if isinstance(body, str) else dumps(body),
        "attrs": attrs,
        "resource_id": source.resource_id,
    }
    if any(record.trace_id):
        row["trace_id"] = record.trace_id.hex()
    if any(record.span_id):
        row["span_id"] = int.from_bytes(record.span_id)
    if record.event_name:
        row["event_name"] = record.event_name
    return row


def _identity(
    uid: object, seen: dict[str, int], record: LogRecord, content: tuple[str, ...]
) -> str:
    if isinstance(uid, str) and _UUID.fullmatch(uid):
        return uid
    if uid:
        return digest128("uid", str(uid))
    content_id = digest128(
        *content, str(record.time_unix_nano), record.trace_id.hex(), record.span_id.hex(),
        str(record.severity_number), record.severity_text, record.event_name,
    )  # fmt: skip
    # A sender with a coarse clock may mean two records that look alike; the same request
    # sent again numbers them alike.
    seen[content_id] = count = seen.get(content_id, 0) + 1
    return content_id if count == 1 else digest128(content_id, str(count))
