# SPDX-License-Identifier: Apache-2.0
"""Text that is no Unicode and numbers that JSON has no words for cost themselves only."""

from __future__ import annotations

import json
import time

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observe_server import http, until
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb

from ffe_otel.observe.decode import MalformedError, Signal, parse

HALF = "\\ud800"
PROTOBUF = "application/x-protobuf"
MARK = b"@@@@"
BAD = b"\xff\xfe\xc3("


def log_json(text):
    at = time.time_ns()
    return (
        '{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":'
        f'{{"stringValue":"s{text}"}}}}]}},"scopeLogs":[{{"scope":{{"name":"l{text}"}},'
        f'"logRecords":[{{"timeUnixNano":"{at}","body":{{"stringValue":"body{text}"}},'
        f'"severityText":"I{text}","attributes":[{{"key":"k{text}","value":{{"stringValue":'
        f'"v{text}"}}}}]}},{{"timeUnixNano":"{at + 1}","body":{{"stringValue":"beside"}}}}]}}]}}]}}'
    )


def test_half_a_character_in_json_costs_that_character(server):
    body = log_json(HALF).encode()
    assert server.post("logs", body).status == 200
    server.stored(logs=2)
    shown = {log["body"]: log for log in server.get("logs")["logs"]}
    assert set(shown) == {"body\ufffd", "beside"}
    assert shown["body\ufffd"]["attributes"] == {"k\ufffd": "v\ufffd"}
    assert shown["body\ufffd"]["logger"] == "l\ufffd"


def test_bytes_that_are_no_text_in_json_cost_those_bytes(server):
    assert server.post("logs", log_json("@@@@").encode().replace(MARK, BAD)).status == 200
    server.stored(logs=2)


def test_a_whole_character_written_as_two_escapes_stays(server):
    assert server.post("logs", log_json("\\ud83d\\ude00").encode()).status == 200
    server.stored(logs=2)
    assert "body😀" in {log["body"] for log in server.get("logs")["logs"]}


def logs_request():
    request = logs_pb.ExportLogsServiceRequest()
    group = request.resource_logs.add()
    attribute = group.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", "s@@@@"
    scope = group.scope_logs.add()
    scope.scope.name = "l@@@@"
    for text in ("body@@@@", "beside"):
        record = scope.log_records.add()
        record.time_unix_nano = time.time_ns()
        record.body.string_value = text
        nested = record.attributes.add()
        nested.key = "k@@@@"
        nested.value.kvlist_value.values.add().key = "deep@@@@"
        nested.value.kvlist_value.values[0].value.array_value.values.add().string_value = "v@@@@"
    return request.SerializeToString().replace(MARK, BAD)


def test_bytes_that_are_no_text_in_protobuf_cost_those_bytes(start):
    server = start()
    assert server.post("logs", logs_request(), Content_Type=PROTOBUF).status == 200
    server.stored(logs=2)
    bodies = {log["body"] for log in server.get("logs")["logs"]}
    assert "beside" in bodies
    (other,) = bodies - {"beside"}
    assert other.startswith("body\ufffd")
    target = server.addresses.otlp_grpc.removeprefix("http://")
    with grpc.insecure_channel(target) as channel:
        send = channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
        assert send(logs_request(), timeout=20) == b""
    server.stored(logs=4)


def test_every_text_of_spans_and_metrics_is_mended():
    request = trace_pb.ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = b"\xff" * 16, b"\xff" * 8
    span.name = span.trace_state = span.status.message = "n@@@@"
    span.events.add().name = "e@@@@"
    span.links.add().trace_state = "t@@@@"
    found = parse(Signal.TRACES, request.SerializeToString().replace(MARK, BAD))
    (one,) = found.resource_spans[0].scope_spans[0].spans
    assert one.trace_id == b"\xff" * 16
    assert {one.name, one.trace_state, one.status.message} == {"n\ufffd\ufffd\ufffd("}
    metrics = metrics_pb.ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.name = metric.unit = metric.description = "m@@@@"
    point = metric.histogram.data_points.add()
    point.explicit_bounds.extend([0.5, 1.5])
    point.bucket_counts.extend([1, 2, 300])
    point.exemplars.add().filtered_attributes.add().key = "k@@@@"
    read = parse(Signal.METRICS, metrics.SerializeToString().replace(MARK, BAD))
    (again,) = read.resource_metrics[0].scope_metrics[0].metrics
    assert again.name == "m\ufffd\ufffd\ufffd("
    assert list(again.histogram.data_points[0].bucket_counts) == [1, 2, 300]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused_and_nothing_else_happens(body):
    try:
        parse(Signal.LOGS, body)
    except MalformedError:
        return


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_json_does_not_have_costs_itself(server, number):
    at = time.time_ns()
    point = (
        f'{{"timeUnixNano":"{at}","asDouble":%s,'
        '"attributes":[{"key":"k","value":{"stringValue":"%s"}}]}'
    )
    body = (
        '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":['
        + point % (number, "odd") + "," + point % ("1.5", "good") + "]}}]}]}]}"
    )  # fmt: skip
    assert server.post("metrics", body.encode()).status == 200
    server.stored(metric_points=2)

    def shown():
        answer = server.ask("metrics/series", name="m", by="k")
        return answer.status == 200 and answer.json()["series"]

    series = until(shown)
    text = json.dumps(series, allow_nan=False)
    assert "1.5" in text


def test_the_metrics_page_of_serve_is_text_whatever_arrived(server):
    server.post("logs", log_json(HALF).encode())
    answer = http(
        f"{server.addresses.page}/metrics", Authorization=f"Bearer {server.addresses.token}"
    )
    assert answer.status == 200
    assert b"ffe_" in answer.body


def test_odd_bytes_in_a_question_are_a_question(server):
    server.post("logs", log_json(HALF).encode())
    for path in ("logs?q=%ff", "logs?q=%ed%a0%80", "cycles?asset=%ff&q=%00", "traces/%ff%fe"):
        answer = http(
            f"{server.addresses.page}/api/v1/{path}",
            Authorization=f"Bearer {server.addresses.token}",
        )
        assert answer.status == (404 if path.startswith("traces") else 200)
        assert answer.json()
