# SPDX-License-Identifier: Apache-2.0
"""Log records as an ``ExportLogsServiceRequest``."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.export.encode import shared
from ffe_otel.export.encode.wire import any_value, field, fixed64, number, text
from ffe_otel.export.encode.wire import attributes as _attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_fixed32: Final = Struct("<BI").pack
_id64: Final = Struct(">BBQ").pack
_times: Final = Struct("<BQBQ").pack
_ids: Final = Struct("<BI2s16s").pack


def encode_logs(
    records: Iterable[ReadableLogRecord], finish: Callable[[bytes], bytes] = bytes
) -> bytes:
    """Encode log records; ``finish`` has the last word on the bytes of each."""
    grouping, encode = shared.Grouping(), _record
    for record in records:
        found = grouping.of(record.resource, record.instrumentation_scope)
        found.append(finish(encode(record)))
    return shared.request(grouping.groups)


def encode_log_request(
    resource: Resource, records: Sequence[tuple[InstrumentationScope | None, bytes]]
) -> bytes:
    """A request of records of one resource that are encoded already, each with its scope."""
    grouping = shared.Grouping()
    for scope, record in records:
        grouping.of(resource, scope).append(record)
    return shared.request(grouping.groups)


def encode_log_site(
    severity: int, severity_text: str | None, attributes: Mapping[str, Any]
) -> bytes:
    """What all records of one place in the code share, as fields of a LogRecord."""
    parts = [number(b"\x10", severity), text(b"\x1a", severity_text)]
    _attributes(b"\x32", attributes, parts)
    return b"".join(parts)


def encode_log(
    times: tuple[int, int],
    ids: tuple[int, int, int],
    site: bytes,
    body: Any,
    attributes: Mapping[str, Any],
    event_name: str | None,
) -> bytes:
    """A LogRecord.

    Args:
        times: when it happened and when it was seen, nanoseconds since the epoch.
        ids: trace id, span id and trace flags; zero where there are none.
        site: what :func:`encode_log_site` gave.
        body: its body.
        attributes: those that are not in ``site``.
        event_name: of an event.
    """
    trace_id, span_id, flags = ids
    parts = [_times(0x09, times[0], 0x59, times[1]), site]
    if trace_id:
        parts.append(_ids(0x45, flags, b"\x4a\x10", trace_id.to_bytes(16, "big")))
    if span_id:
        parts.append(_id64(0x52, 8, span_id))
    parts.append(field(b"\x2a", any_value(body)))
    _attributes(b"\x32", attributes, parts)
    if event_name:
        parts.append(text(b"\x62", event_name))
    return b"".join(parts)


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
    _attributes(b"\x32", record.attributes, parts)
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
