# SPDX-License-Identifier: Apache-2.0
"""OTLP request bodies to protobuf messages, and the answers to them.

OTLP/JSON is protobuf's JSON mapping with two exceptions (OTLP specification, "JSON
Protobuf Encoding"): trace and span ids are hex, not base64, and unknown fields are
ignored. Rewriting the ids and handing the rest to protobuf keeps one decoder for both.
"""

from __future__ import annotations

import base64
import json
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb

from ffe_otel.observe.coerce import whole_text
from ffe_otel.observe.decode.wire import mend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message


class Signal(StrEnum):
    """The three OTLP signals, by their path under ``/v1/``."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


class MalformedError(ValueError):
    """A request body that is not the OTLP it claims to be."""


_REQUESTS: Final[dict[Signal, type[Message]]] = {
    Signal.TRACES: trace_pb.ExportTraceServiceRequest,
    Signal.LOGS: logs_pb.ExportLogsServiceRequest,
    Signal.METRICS: metrics_pb.ExportMetricsServiceRequest,
}
_ID_KEYS: Final = {
    "traceId": 16, "trace_id": 16, "spanId": 8, "span_id": 8,
    "parentSpanId": 8, "parent_span_id": 8,
}  # fmt: skip
# The lists an id can stand in. Attributes are left out: a key "traceId" of a kvlist is
# data of the sender's, and the walk stays short.
_ID_LISTS: Final = frozenset({
    "resourceSpans", "resource_spans", "scopeSpans", "scope_spans", "spans", "links",
    "resourceLogs", "resource_logs", "scopeLogs", "scope_logs", "logRecords", "log_records",
    "resourceMetrics", "resource_metrics", "scopeMetrics", "scope_metrics", "metrics",
    "dataPoints", "data_points", "exemplars",
})  # fmt: skip
_ID_OBJECTS: Final = frozenset(
    {"gauge", "sum", "histogram", "exponentialHistogram", "exponential_histogram", "summary"}
)


def parse(signal: Signal, body: bytes, *, is_json: bool = False) -> Message:
    """The request message in ``body``.

    Raises:
        MalformedError: the body is not a request of this signal.
    """
    if is_json:
        return _parse_json(signal, body)
    message = _REQUESTS[signal]()
    try:
        message.ParseFromString(body)
    except (DecodeError, ValueError, RuntimeError) as error:
        # One byte of one attribute that is no UTF-8 would cost everything beside it.
        mended = mend(body, message.DESCRIPTOR)
        if mended == body:
            raise MalformedError(f"the body is no protobuf {signal} request: {error}") from error
        return parse(signal, mended)
    return message


def _parse_json(signal: Signal, body: bytes) -> Message:
    message = _REQUESTS[signal]()
    try:
        document = _object(_load(body))
        for holder in _id_holders(document):
            _hex_to_base64(holder)
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except MalformedError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.Error) as error:
        raise MalformedError(f"the body is no JSON {signal} request: {error}") from error
    return message


def _load(body: bytes) -> Any:
    """JSON as senders write it: with ``NaN``, with halves of characters, with bytes of no text."""
    text = body.decode("utf-8-sig", "replace")
    document = json.loads(text, parse_constant=str, parse_float=_float)
    # Only an escape can be half a character.
    return whole_text(document) if "\\ud" in text.lower() else document


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else f"{'-' * (number < 0)}Infinity"


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise MalformedError(f"the body must be a JSON object, not {type(document).__name__}")
    return document


def _id_holders(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every object of the request in which ids stand."""
    yield node
    for key, value in node.items():
        if key in _ID_LISTS and isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    yield from _id_holders(item)
        elif key in _ID_OBJECTS and isinstance(value, dict):
            yield from _id_holders(value)


def _hex_to_base64(holder: dict[str, Any]) -> None:
    for key, length in _ID_KEYS.items():
        text = holder.get(key)
        if text is None:
            continue
        try:
            raw = bytes.fromhex(text)
        except (TypeError, ValueError) as error:
            raise MalformedError(f"{key} must be hexadecimal, got {text!r}") from error
        if len(raw) not in {0, length}:
            raise MalformedError(f"{key} must be {2 * length} hex digits, got {text!r}")
        holder[key] = base64.b64encode(raw).decode("ascii")


def response(signal: Signal, rejected: int = 0, reason: str = "") -> Message:
    """The answer to an accepted request; ``rejected`` counts the records not taken."""
    message: Message
    if signal is Signal.TRACES:
        message = trace_pb.ExportTraceServiceResponse()
        if rejected:
            message.partial_success.rejected_spans = rejected
            message.partial_success.error_message = reason
    elif signal is Signal.LOGS:
        message = logs_pb.ExportLogsServiceResponse()
        if rejected:
            message.partial_success.rejected_log_records = rejected
            message.partial_success.error_message = reason
    else:
        message = metrics_pb.ExportMetricsServiceResponse()
        if rejected:
            message.partial_success.rejected_data_points = rejected
            message.partial_success.error_message = reason
    return message


def to_json(message: Message) -> bytes:
    """A response message as OTLP/JSON."""
    return json_format.MessageToJson(message, indent=None).encode()
