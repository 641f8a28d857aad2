# SPDX-License-Identifier: Apache-2.0
"""Log records as an ``ExportLogsServiceRequest``."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from ffe_otel.export.encode import shared
from ffe_otel.export.encode.wire import any_value, attributes, field, fixed64, number, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord

_fixed32: Final = Struct("<BI").pack
_id64: Final = Struct(">BBQ").pack


def encode_logs(records: Sequence[ReadableLogRecord]) -> bytes:
    """Encode log records."""
    grouping, encode = shared.Grouping(), _record
    for record in records:
        grouping.of(record.resource, record.instrumentation_scope).append(encode(record))
    return shared.request(grouping.groups)


def _record(readable: ReadableLogRecord) -> bytes:
    record = readable.log_record
    severity, dropped, flags = (
        record.severity_number,
        readable.dropped_attributes,
        record.trace_flags,
    )
    parts = [fixed64(0x09, record.timestamp)] if record.timestamp else []
    if severity is not None:
        parts.append(number(b"\x10", severity.value))
    parts += (text(b"\x1a", record.severity_text), field(b"\x2a", any_value(record.body)))
    attributes(b"\x32", record.attributes, parts)
    if dropped:
        parts.append(number(b"\x38", dropped))
    if flags:
        parts.append(_fixed32(0x45, flags))
    if record.trace_id:
        parts += (b"\x4a\x10", record.trace_id.to_bytes(16, "big"))
    if record.span_id:
        parts.append(_id64(0x52, 8, record.span_id))
    if record.observed_timestamp:
        parts.append(fixed64(0x59, record.observed_timestamp))
    if record.event_name:
        parts.append(text(b"\x62", record.event_name))
    return b"".join(parts)
