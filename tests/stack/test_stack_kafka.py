# SPDX-License-Identifier: Apache-2.0
"""The Kafka overlay delivers to a real broker, keyed by trace."""

import planted
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stack_kafka import Broker
from stack_sending import post, trace_request
from stack_server import until

TOPICS = {
    "ffe_spans": ExportTraceServiceRequest,
    "ffe_metrics": ExportMetricsServiceRequest,
    "ffe_logs": ExportLogsServiceRequest,
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def broker(tmp_path):
    folder = tmp_path / "kafka"
    folder.mkdir()
    with Broker(folder) as made:
        yield made


@pytest.fixture
def collector(make_collector, broker, sink):
    env = {"FFE_SERVE_OTLP": sink.url, "FFE_KAFKA_BROKERS": f"[{broker.address}]"}
    return make_collector("kafka", env=env).run()


def spans_of(message):
    request = ExportTraceServiceRequest.FromString(message.value())
    return [s for r in request.resource_spans for sc in r.scope_spans for s in sc.spans]


def test_traces_are_keyed_by_trace_id_and_redacted(collector, broker, make_sender):
    sender = make_sender(collector.otlp_http, resource=planted.resource(), views=planted.views())
    tracer, logger = sender.traces.get_tracer("t"), sender.logs.get_logger("l")
    traces = set()
    for _ in range(20):
        with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("leaf"):
            logger.emit(body="said inside")
            traces.add(f"{root.get_span_context().trace_id:032x}")
    planted.emit_spans(sender.traces)
    planted.emit_metrics(sender.metrics)
    sender.flush()

    def complete(messages):
        keys = {(m.topic(), (m.key() or b"").decode()) for m in messages}
        everything = {(topic, key) for key in traces for topic in ("ffe_spans", "ffe_logs")}
        return everything <= keys and "ffe_metrics" in {topic for topic, _ in keys}

    found = {}
    for message in broker.read(list(TOPICS), complete):
        found.setdefault(message.topic(), []).append(message)
    assert set(found) == set(TOPICS)
    for topic, kind in TOPICS.items():
        assert all(kind.FromString(message.value()) for message in found[topic])

    keys = {}
    for message in found["ffe_spans"]:
        ids = {span.trace_id.hex() for span in spans_of(message)}
        assert ids == {message.key().decode()}
        keys[message.key().decode()] = message.partition()
    assert traces <= set(keys)
    for message in found["ffe_logs"]:
        # Records of a trace are where its spans are.
        assert keys[message.key().decode()] == message.partition()
    data = b"\n".join(m.value() for messages in found.values() for m in messages)
    assert set(planted.leaks(data)) <= {"link", "attribute_key", "bytes", "metric_name", "literal"}


def test_a_broker_that_was_away_gets_everything(collector, broker):
    assert post(collector.otlp_http, trace_request(["first"])).status_code == 200
    assert broker.read(["ffe_spans"], bool)
    broker.kill()
    for number in range(20):
        answer = post(collector.otlp_http, trace_request([f"meanwhile-{number}"]))
        assert answer.status_code == 200
    until(lambda: collector.own_metric("otelcol_exporter_queue_size", exporter="kafka") > 0)
    collector.kill()
    broker.run()
    collector.run()
    expected = {"first", *(f"meanwhile-{number}" for number in range(20))}

    def names(messages):
        return {span.name for message in messages for span in spans_of(message)}

    found = broker.read(["ffe_spans"], lambda messages: names(messages) >= expected)
    assert names(found) == expected
