# SPDX-License-Identifier: Apache-2.0
"""Spans as an ``ExportTraceServiceRequest``."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from ffe_otel.export.encode import shared
from ffe_otel.export.encode.wire import attributes, field, fixed64, number, octets, text, varint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link, SpanContext, Status, TraceState

    from ffe_otel.redaction.records import SpanFields

_ids: Final = Struct(">2s16s2sQ").pack
_parent: Final = Struct(">BBQ").pack
_times: Final = Struct("<BQBQ").pack
# Bits 8 and 9: it is known whether the parent is remote, and it is.
_LOCAL: Final = (0x100).to_bytes(4, "little")
_REMOTE: Final = (0x300).to_bytes(4, "little")


def encode_spans(spans: Iterable[ReadableSpan | SpanFields]) -> bytes:
    """Encode finished spans."""
    grouping, encode = shared.Grouping(), _span
    for span in spans:
        grouping.of(span.resource, span.instrumentation_scope).append(encode(span))
    return shared.request(grouping.groups)


def _span(span: ReadableSpan | SpanFields) -> bytes:
    context, parent = span.context, span.parent
    parts = [_ids(b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id)]
    if context.trace_state:
        parts.append(_state(b"\x1a", context.trace_state))
    if parent is not None:
        parts.append(_parent(0x22, 8, parent.span_id))
    name = octets(span.name)
    if name:
        parts += (b"\x2a", varint(len(name)), name)
    parts += (
        b"\x30",
        varint(span.kind.value + 1),
        _times(0x39, span.start_time or 0, 0x41, span.end_time or 0),
    )
    attributes(b"\x4a", span.attributes, parts)
    if span.dropped_attributes:
        parts.append(number(b"\x50", span.dropped_attributes))
    events, links = span.events, span.links
    if events:
        parts += [field(b"\x5a", _event(event)) for event in events]
    if span.dropped_events:
        parts.append(number(b"\x60", span.dropped_events))
    if links:
        parts += [field(b"\x6a", _link(link)) for link in links]
    if span.dropped_links:
        parts.append(number(b"\x70", span.dropped_links))
    parts += (_status(span.status), b"\x85\x01", _flags(parent))
    return b"".join(parts)


def _event(event: Event) -> bytes:
    parts = [fixed64(0x09, event.timestamp) if event.timestamp else b"", text(b"\x12", event.name)]
    attributes(b"\x1a", event.attributes, parts)
    parts.append(number(b"\x20", event.dropped_attributes))
    return b"".join(parts)


def _link(link: Link) -> bytes:
    context = link.context
    parts = [_ids(b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id)]
    if context.trace_state:
        parts.append(_state(b"\x1a", context.trace_state))
    attributes(b"\x22", link.attributes, parts)
    parts += (number(b"\x28", link.dropped_attributes), b"\x35", _flags(context))
    return b"".join(parts)


def _state(tag: bytes, state: TraceState) -> bytes:
    return text(tag, ",".join([f"{key}={value}" for key, value in state.items()]))


def _status(status: Status | None) -> bytes:
    if status is None:
        return b""
    code = status.status_code.value
    if not code and not status.description:
        return b"\x7a\x00"
    return field(b"\x7a", text(b"\x12", status.description) + number(b"\x18", code))


def _flags(context: SpanContext | None) -> bytes:
    return _REMOTE if context is not None and context.is_remote else _LOCAL
