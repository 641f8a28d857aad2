# SPDX-License-Identifier: Apache-2.0
"""What OpenTelemetry's own exporters send arrives as it was meant."""

from __future__ import annotations

import gzip

import grpc
import pytest
from observe_server import until
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

RESOURCE = Resource.create({"service.name": "sender"})


@pytest.fixture(params=["http", "grpc"])
def exporters(request, start):
    """A server and the three exporters that send to it."""
    if request.param == "http":
        server = start(otlp_grpc_port=-1)
        base, gzipped = server.addresses.otlp_http, Compression.Gzip
        made = (
            HttpSpans(f"{base}/v1/traces", compression=gzipped),
            HttpLogs(f"{base}/v1/logs", compression=gzipped),
            HttpMetrics(f"{base}/v1/metrics"),
        )
    else:
        server = start()
        kept = {"endpoint": server.addresses.otlp_grpc, "insecure": True}
        compressed = {**kept, "compression": grpc.Compression.Gzip}
        made = (GrpcSpans(**compressed), GrpcLogs(**kept), GrpcMetrics(**kept))
    return server, *made


def test_spans_arrive_whole(exporters):
    server, spans, _, _ = exporters
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("scope")
    linked = SpanContext(
        0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True, TraceFlags(1)
    )
    with tracer.start_as_current_span("root", links=[Link(linked, {"why": "test"})]) as root:
        root.set_attributes({"text": "ä\n", "list": [1, 2], "big": 2**60, "yes": True, "half": 0.5})
        root.add_event("happened", {"at": "once"})
        with tracer.start_as_current_span("child") as child:
            child.set_status(Status(StatusCode.ERROR, "did not work"))
    provider.shutdown()
    server.stored(spans=2)
    found = server.get(f"traces/{root.get_span_context().trace_id:032x}")
    first, second = found["spans"]
    assert (first["name"], first["service"], first["scope"]) == ("root", "sender", "scope")
    assert first["attributes"] == {
        "text": "ä\n", "list": [1, 2], "big": str(2**60), "yes": True, "half": 0.5,
    }  # fmt: skip
    assert [(e["name"], e["attributes"]) for e in first["events"]] == [("happened", {"at": "once"})]
    assert first["links"] == [
        {"trace_id": f"{linked.trace_id:032x}", "span_id": f"{linked.span_id:016x}",
         "attributes": {"why": "test"}}
    ]  # fmt: skip
    assert (second["parent_span_id"], second["depth"]) == (first["span_id"], 1)
    assert (second["status"], second["status_message"]) == ("error", "did not work")
    assert first["start_unix_nano"] == str(root.start_time)
    assert first["duration_ns"] == root.end_time - root.start_time


def test_log_records_arrive_whole(exporters):
    server, _, logs, _ = exporters
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    record = LogRecord(
        timestamp=1_795_400_000_000_000_001, severity_number=SeverityNumber.ERROR,
        severity_text="ERROR", body="it broke", attributes={"n": 3, "exception.type": "ValueError"},
        event_name="breakage",
    )  # fmt: skip
    provider.get_logger("engine").emit(record)
    provider.shutdown()
    server.stored(logs=1)
    (found,) = server.get("logs")["logs"]
    assert found["unix_nano"] == "1795400000000000001"
    assert (found["severity"], found["severity_number"]) == ("ERROR", 17)
    assert (found["logger"], found["body"], found["event_name"]) == (
        "engine",
        "it broke",
        "breakage",
    )
    assert (found["attributes"], found["exception"]) == ({"n": 3}, {"type": "ValueError"})


def test_metrics_arrive_whole(exporters):
    server, _, _, metrics = exporters
    provider = MeterProvider([PeriodicExportingMetricReader(metrics, 3_600_000)], resource=RESOURCE)
    meter = provider.get_meter("scope")
    meter.create_counter("things", "1", "Things").add(5, {"kind": "good"})
    meter.create_histogram("took", "s").record(0.3)
    meter.create_up_down_counter("open").add(-2)
    provider.shutdown()
    until(lambda: server.get("status")["store"]["metric_points"] >= 3)
    catalogue = {m["name"]: m for m in server.get("metrics")["metrics"]}
    assert catalogue["things"] == {
        "name": "things", "prometheus": "things_total", "kind": "counter", "unit": "1",
        "description": "Things", "labels": {"kind": ["good"]},
    }  # fmt: skip
    assert catalogue["took"]["prometheus"] == "took_seconds"
    assert catalogue["open"]["kind"] == "up_down_counter"
    lines = server.get("metrics/series", name="things", stat="value", range=60)["series"]
    assert [line["points"][-1][1] for line in lines] == [5]


def test_malformed_and_oversized_grpc_requests_are_refused_and_the_service_goes_on(start):
    server = start(max_request_bytes=1 << 20)
    target = server.addresses.otlp_grpc.removeprefix("http://")
    service = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    with grpc.insecure_channel(target) as channel:
        send = channel.unary_unary(service)
        with pytest.raises(grpc.RpcError) as malformed:
            send(b"\xff\xff\xff")
        assert malformed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as oversized:
                send(b"\0" * (64 << 20), compression=compression)
            assert oversized.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        request = ExportTraceServiceRequest()
        request.resource_spans.add().scope_spans.add().spans.add(name="without ids")
        assert stub.Export(request).partial_success.rejected_spans == 1


def test_gzip_of_a_foreign_tool_is_read(server):
    body = gzip.compress(b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}')
    assert server.post("logs", body, Content_Encoding="gzip").status == 200
    server.stored(logs=1)
