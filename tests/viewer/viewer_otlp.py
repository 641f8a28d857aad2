# SPDX-License-Identifier: Apache-2.0
"""Told cycles as OTLP/JSON, to fill a real backend with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffe_otel import semconv as s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer_data import Cycle

    from ffe_otel.observe.trace_view import Span

Json = dict[str, Any]


def spans_payload(trace_id: str, spans: Sequence[Span]) -> Json:
    """Body of a request to ``/v1/traces``."""
    records = [_span(trace_id, span) for span in spans]
    scopes = [{"scope": {"name": s.SCOPE}, "spans": records}]
    return {"resourceSpans": [{"resource": _resource(), "scopeSpans": scopes}]}


def logs_payload(cycle: Cycle) -> Json:
    """Body of a request to ``/v1/logs``."""
    scopes = [{"scope": {"name": log["logger"]}, "logRecords": [_log(log)]} for log in cycle.logs]
    return {"resourceLogs": [{"resource": _resource(), "scopeLogs": scopes}]}


def idle_payload(time_ns: int) -> Json:
    """The event record of an agent that went idle."""
    fields = {"agent_id": "agent-1", "environment": "demo", "state_value": s.AGENT_STATES["IDLE"]}
    record = {
        "timeUnixNano": str(time_ns),
        "severityNumber": 9,
        "eventName": s.EVENT_AGENT_STATE,
        "attributes": _attributes(fields),
    }
    scopes = [{"scope": {"name": s.SCOPE}, "logRecords": [record]}]
    return {"resourceLogs": [{"resource": _resource(), "scopeLogs": scopes}]}


def _resource() -> Json:
    return {"attributes": _attributes({"service.name": s.DEFAULT_SERVICE_NAME})}


def _span(trace_id: str, span: Span) -> Json:
    return {
        "traceId": trace_id,
        "spanId": f"{span.span_id:016x}",
        "parentSpanId": f"{span.parent_id:016x}" if span.parent_id else "",
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": [
            {
                "name": event["name"],
                "timeUnixNano": str(event["ns"]),
                "attributes": _attributes(event["attributes"]),
            }
            for event in span.events
        ],
        "links": [{"traceId": x["trace_id"], "spanId": x["span_id"]} for x in span.links],
        "status": {"code": span.status, "message": span.message},
    }


def _log(log: Json) -> Json:
    exception = {f"exception.{k}": v for k, v in (log["exception"] or {}).items()}
    return {
        "timeUnixNano": log["unix_nano"],
        "severityNumber": log["severity_number"],
        "severityText": log["severity"],
        "body": {"stringValue": log["body"]},
        "attributes": _attributes(log["attributes"] | exception),
        "traceId": log["trace_id"],
        "spanId": log["span_id"],
    }


def _attributes(values: Json) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(value)}
