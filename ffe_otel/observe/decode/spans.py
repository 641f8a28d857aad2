# SPDX-License-Identifier: Apache-2.0
"""Spans as journal rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ffe_otel.observe.decode.batch import describe, origin
from ffe_otel.observe.decode.values import MAX_TIME, attributes

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from ffe_otel.observe.decode.batch import Batch, Known, Origin

# Protobuf enums are open: a sender may know values that came after this program, and its
# own bugs. Both are what the specification wants of unknown ones, unspecified and unset.
_KINDS: Final = frozenset(Span.SpanKind.values())
_CODES: Final = frozenset(Status.StatusCode.values())


def decode_spans(request: ExportTraceServiceRequest, batch: Batch, known: Known) -> None:
    """Append a row for each span of ``request`` to ``batch``."""
    for group in request.resource_spans:
        source = origin(group.resource, known)
        for scoped in group.scope_spans:
            scope = scoped.scope.name
            for span in scoped.spans:
                problem = _problem(span)
                if problem:
                    batch.reject(problem)
                else:
                    row = _row(span, scope, source)
                    describe(row, source, batch)
                    batch.add(row)


def _problem(span: Span) -> str:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return "a span needs a trace id of 16 bytes that are not all zero"
    if len(span.span_id) != 8 or not any(span.span_id):
        return "a span needs a span id of 8 bytes that are not all zero"
    if len(span.parent_span_id) not in {0, 8}:
        return "a parent span id has 8 bytes or none"
    if max(span.start_time_unix_nano, span.end_time_unix_nano) > MAX_TIME:
        return "a span's time is beyond the year 2262"
    return ""


def _row(span: Span, scope: str, source: Origin) -> dict[str, Any]:
    start = span.start_time_unix_nano
    row: dict[str, Any] = {
        "trace_id": span.trace_id.hex(),
        "span_id": int.from_bytes(span.span_id),
        "name": span.name,
        "kind": span.kind if span.kind in _KINDS else 0,
        "service": source.service,
        "scope": scope,
        "start_ns": start,
        # A clock set back under an open span must not give it a negative length.
        "duration_ns": max(0, span.end_time_unix_nano - start),
        "status": span.status.code if span.status.code in _CODES else 0,
        "attrs": attributes(span.attributes),
        "resource_id": source.resource_id,
    }
    if any(span.parent_span_id):
        row["parent_id"] = int.from_bytes(span.parent_span_id)
    if span.status.message:
        row["message"] = span.status.message
    if span.trace_state:
        row["trace_state"] = span.trace_state
    if span.events:
        row["events"] = [
            {"ns": min(e.time_unix_nano, MAX_TIME), "name": e.name,
             "attributes": attributes(e.attributes)}
            for e in span.events
        ]  # fmt: skip
    if span.links:
        row["links"] = [
            {"trace_id": k.trace_id.hex(), "span_id": k.span_id.hex(),
             "attributes": attributes(k.attributes)}
            for k in span.links
        ]  # fmt: skip
    return row
