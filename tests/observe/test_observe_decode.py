# SPDX-License-Identifier: Apache-2.0
"""JSON and protobuf requests with the same content become the same rows."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from ffe_otel.observe.decode import Decoder, Known, Signal, parse

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
times = st.integers(1, 2**63 - 1)
enums = st.one_of(st.integers(-1, 25), st.integers(-(2**31), 2**31 - 1))
scalars = st.one_of(
    st.builds(lambda v: AnyValue(string_value=v), text),
    st.builds(lambda v: AnyValue(int_value=v), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda v: AnyValue(double_value=v), st.floats()),
    st.builds(lambda v: AnyValue(bool_value=v), st.booleans()),
    st.builds(lambda v: AnyValue(bytes_value=v), st.binary(max_size=8)),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(
            lambda v: AnyValue(array_value=ArrayValue(values=v)), st.lists(inner, max_size=3)
        ),
        st.builds(
            lambda v: AnyValue(kvlist_value=KeyValueList(values=v)),
            st.lists(st.builds(KeyValue, key=text, value=inner), max_size=3),
        ),
    ),
    max_leaves=6,
)
attributes = st.lists(st.builds(KeyValue, key=text, value=values), max_size=4)


@st.composite
def trace_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(draw(attributes))
    scope = group.scope_spans.add()
    scope.scope.name = draw(text)
    for _ in range(draw(st.integers(0, 3))):
        span = scope.spans.add(
            trace_id=draw(st.binary(min_size=16, max_size=16)),
            span_id=draw(st.binary(min_size=8, max_size=8)),
            parent_span_id=draw(st.sampled_from([b"", b"parent 1"])),
            name=draw(text), start_time_unix_nano=draw(times), end_time_unix_nano=draw(times),
            kind=draw(enums), attributes=draw(attributes),
        )  # fmt: skip
        span.status.code = draw(enums)
        span.events.add(name=draw(text), time_unix_nano=draw(times), attributes=draw(attributes))
        span.links.add(trace_id=draw(st.binary(min_size=16, max_size=16)), span_id=b"12345678")
    return request


@st.composite
def log_requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for _ in range(draw(st.integers(0, 3))):
        scope.log_records.add(
            time_unix_nano=draw(times), body=draw(values), attributes=draw(attributes),
            severity_number=draw(enums), event_name=draw(text),
            trace_id=draw(st.sampled_from([b"", b"0123456789abcdef"])),
        )  # fmt: skip
    return request


@st.composite
def metric_requests(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    point = {"time_unix_nano": draw(times), "attributes": draw(attributes)}
    counter = scope.metrics.add(name=draw(text), unit="s")
    counter.sum.is_monotonic, counter.sum.aggregation_temporality = draw(st.booleans()), 2
    counter.sum.data_points.add(as_double=draw(st.floats()), **point)
    histogram = scope.metrics.add(name=draw(text)).histogram
    histogram.data_points.add(
        count=3, sum=draw(st.floats()), bucket_counts=[1, 2], explicit_bounds=[draw(st.floats())],
        **point,
    ).exemplars.add(trace_id=b"0123456789abcdef", span_id=b"12345678", as_int=1)  # fmt: skip
    exponential = scope.metrics.add(name=draw(text)).exponential_histogram.data_points.add(
        count=2, scale=draw(st.integers(-10, 20)), **point
    )
    exponential.positive.offset = draw(st.integers(-(2**31), 2**31 - 4))
    exponential.positive.bucket_counts.extend([1, 0, 1])
    return request


def as_otlp_json(message: Any) -> bytes:
    """Protobuf's JSON with the ids as OTLP wants them."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            key: base64.b64decode(value).hex()
            if key in {"traceId", "spanId", "parentSpanId"}
            else walk(value)
            for key, value in node.items()
        }

    return json.dumps(walk(json_format.MessageToDict(message))).encode()


def rows(signal: Signal, body: bytes, *, is_json: bool) -> list[dict[str, Any]]:
    batch = Decoder(Known()).decode(signal, parse(signal, body, is_json=is_json))
    return [json.loads(line) for line in batch.lines]


def check(signal: Signal, request: Any) -> None:
    expected = rows(signal, request.SerializeToString(), is_json=False)
    assert rows(signal, as_otlp_json(request), is_json=True) == expected


@given(trace_requests())
def test_spans(request):
    check(Signal.TRACES, request)


@given(log_requests())
def test_logs(request):
    check(Signal.LOGS, request)


@given(metric_requests())
def test_metrics(request):
    check(Signal.METRICS, request)


def test_ids_inside_attribute_values_are_the_senders_own():
    pairs = [{"key": "traceId", "value": {"stringValue": "not hex"}}]
    span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "attributes": pairs}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    assert rows(Signal.TRACES, body, is_json=True)[0]["attrs"] == {"traceId": "not hex"}


def test_log_records_that_look_alike_in_one_request_stay_apart_and_a_resend_is_recognised():
    record = {"timeUnixNano": "1000000", "body": {"stringValue": "again"}}
    body = json.dumps(
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record]}]}]}
    ).encode()
    first, second = (r["uid"] for r in rows(Signal.LOGS, body, is_json=True))
    assert first != second
    assert [r["uid"] for r in rows(Signal.LOGS, body, is_json=True)] == [first, second]


def test_a_record_uid_is_its_identity_whatever_else_changes():
    def uid(text: str, value: str) -> str:
        record = {
            "body": {"stringValue": text},
            "attributes": [{"key": "log.record.uid", "value": {"stringValue": value}}],
        }
        body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
        return str(rows(Signal.LOGS, body, is_json=True)[0]["uid"])

    assert uid("one", "01J9Z") == uid("two", "01J9Z") != uid("one", "01J9Y")
    own = "0af76519-16cd-43dd-8448-eb211c80319c"
    assert uid("one", own) == own
