# SPDX-License-Identifier: Apache-2.0
"""What is sent is redacted once, on whichever way it goes."""

from dataclasses import replace

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ffe_otel.export.otlp import OtlpMetricReader
from ffe_otel.redaction import Redactor

SECRET = "hunter2-of-the-test"
HIDDEN = "[redacted:password]"


class Exporter(MetricExporter):
    def __init__(self):
        super().__init__()
        self.data = []

    def export(self, metrics_data, timeout_millis=0, **_):
        self.data.append(metrics_data)
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis=0, **_):
        pass

    def force_flush(self, timeout_millis=0):
        return True


@pytest.fixture
def times(monkeypatch):
    """How often redaction looked at attributes with the key of the test, by surface."""
    seen = {}
    original = Redactor.strict_mapping

    def counted(self, mapping, surface, *args, **kwargs):
        if "mark" in mapping:
            seen[str(surface)] = seen.get(str(surface), 0) + 1
        return original(self, mapping, surface, *args, **kwargs)

    monkeypatch.setattr(Redactor, "strict_mapping", counted)
    return seen


def points(data):
    return [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


@pytest.mark.parametrize("kind", [OtlpMetricReader, PeriodicExportingMetricReader])
def test_metrics_and_their_exemplars(kind, installed, times):
    exporter = Exporter()
    reader = kind(exporter, export_interval_millis=1e9)
    provider = MeterProvider(
        [reader], exemplar_filter=AlwaysOnExemplarFilter(), shutdown_on_exit=False
    )
    attributes = {"mark": "x", "password": SECRET}
    provider.get_meter("m").create_histogram("h").record(1, attributes)
    reader.collect()
    [point] = points(exporter.data[0])
    assert point.attributes["password"] == HIDDEN
    assert times == {"label": 1}
    provider.shutdown()


def test_what_a_reader_makes_of_redacted_metrics_is_redacted(installed):
    class Adding(OtlpMetricReader):
        def _receive_metrics(self, metrics_data, timeout_millis=0, **kwargs):
            with pytest.raises(AttributeError):
                metrics_data.resource_metrics.append(None)
            [resource] = metrics_data.resource_metrics
            [scope] = resource.scope_metrics
            [metric] = scope.metrics
            scope = replace(scope, metrics=[replace(metric, name=f"password={SECRET}")])
            made = MetricsData([replace(resource, scope_metrics=[scope])])
            super()._receive_metrics(made, timeout_millis, **kwargs)

    exporter = Exporter()
    reader = Adding(exporter, export_interval_millis=1e9)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("c").add(1)
    reader.collect()
    assert len(points(exporter.data[0])) == 1
    assert SECRET not in repr(exporter.data)
    provider.shutdown()


@pytest.mark.parametrize("own_end", [False, True])
def test_spans(own_end, installed, times):
    class Own(BatchSpanProcessor):
        def on_end(self, span):
            super().on_end(span)

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Own(exporter) if own_end else SimpleSpanProcessor(exporter))
    provider.get_tracer("t").start_span("s", attributes={"mark": "x", "password": SECRET}).end()
    provider.shutdown()
    [span] = exporter.get_finished_spans()
    assert span.attributes["password"] == HIDDEN
    assert times == {"attribute": 1}


@pytest.mark.parametrize("own_emit", [False, True])
def test_log_records(own_emit, installed, times):
    class Own(SimpleLogRecordProcessor):
        def on_emit(self, log_record):
            super().on_emit(log_record)

    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    kind = Own if own_emit else SimpleLogRecordProcessor
    provider.add_log_record_processor(kind(exporter))
    provider.get_logger("l").emit(body="b", attributes={"mark": "x", "password": SECRET})
    [record] = exporter.get_finished_logs()
    assert record.log_record.attributes["password"] == HIDDEN
    assert times == {"log": 1}
    provider.shutdown()
