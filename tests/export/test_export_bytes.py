# SPDX-License-Identifier: Apache-2.0
"""One secret is planted on every surface; none may be in what any exporter puts out."""

import io
import os
import subprocess
import sys
from pathlib import Path

import planted
import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    ConsoleLogRecordExporter,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    InMemoryMetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

FIRST_REDACTED = b"[redacted:github-token]"
CONFIGURATION = """
file_format: "1.0"
resource:
  attributes:
    - {{name: cloud.note, value: "{resource}"}}
tracer_provider:
  processors:
    - batch: {{exporter: {{otlp_http: {{endpoint: "{url}/v1/traces"}}}}}}
    - simple: {{exporter: {{console: {{}}}}}}
logger_provider:
  processors:
    - batch: {{exporter: {{otlp_http: {{endpoint: "{url}/v1/logs"}}}}}}
    - simple: {{exporter: {{console: {{}}}}}}
meter_provider:
  readers:
    - periodic: {{exporter: {{otlp_http: {{endpoint: "{url}/v1/metrics"}}}}}}
    - periodic: {{exporter: {{console: {{}}}}}}
"""


def clean(data, *, of):
    """Assert that ``data`` is telemetry, was redacted, and holds no secret."""
    assert of in data
    assert FIRST_REDACTED in data
    assert planted.leaks(data) == []


def test_the_search_finds_whatever_was_planted(receiver):
    """Without redaction every surface leaks, so a clean result means something."""
    logger = LoggerProvider(resource=planted.resource())
    tracer = TracerProvider(resource=planted.resource())
    tracer.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
    logger.add_log_record_processor(
        SimpleLogRecordProcessor(OTLPLogExporter(f"{receiver.url}/v1/logs"))
    )
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{receiver.url}/v1/metrics"), 1e9)
    meter = MeterProvider([reader], planted.resource(), views=planted.views())
    planted.emit_spans(tracer)
    planted.emit_logs(logger)
    planted.emit_metrics(meter)
    for provider in (tracer, logger, meter):
        provider.shutdown()
    assert set(planted.leaks(receiver.bodies())) == set(planted.SECRETS) - {"nested"}


def _everything(spans):
    return [
        (
            s.name, dict(s.attributes), s.status.description, s.context.trace_state,
            [(e.name, dict(e.attributes)) for e in s.events],
            [(dict(k.attributes), k.context.trace_state) for k in s.links],
            dict(s.resource.attributes), s.instrumentation_scope,
        )
        for s in spans
    ]  # fmt: skip


@pytest.mark.usefixtures("installed")
class TestSpans:
    @pytest.fixture
    def provider(self):
        provider = TracerProvider(resource=planted.resource(), shutdown_on_exit=False)
        yield provider
        provider.shutdown()

    @pytest.mark.parametrize("processor", [BatchSpanProcessor, SimpleSpanProcessor])
    def test_otlp(self, provider, receiver, processor):
        provider.add_span_processor(processor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
        planted.emit_spans(provider)
        provider.force_flush()
        clean(receiver.bodies(), of=b"https://x.example/q?apikey=[redacted:api-key]&limit=5")

    def test_in_memory(self, provider):
        exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(span_exporter=exporter))
        planted.emit_spans(provider)
        clean(repr(_everything(exporter.get_finished_spans())).encode(), of=b"broken")

    def test_console(self, provider):
        out = io.StringIO()
        exporter = ConsoleSpanExporter(out=out, formatter=lambda s: repr(_everything([s])))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        planted.emit_spans(provider)
        clean(out.getvalue().encode(), of=b"broken")

    def test_nested_values(self, provider):
        exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        planted.emit_nested_attribute(provider)
        (span,) = exporter.get_finished_spans()
        assert planted.leaks(span.to_json().encode()) == []


@pytest.mark.usefixtures("installed")
class TestLogs:
    @pytest.fixture
    def provider(self):
        provider = LoggerProvider(resource=planted.resource(), shutdown_on_exit=False)
        yield provider
        provider.shutdown()

    @pytest.mark.parametrize("processor", [BatchLogRecordProcessor, SimpleLogRecordProcessor])
    def test_otlp(self, provider, receiver, processor):
        provider.add_log_record_processor(processor(OTLPLogExporter(f"{receiver.url}/v1/logs")))
        planted.emit_logs(provider)
        provider.force_flush()
        clean(receiver.bodies(), of=b"[redacted:pem-private-key]")

    def test_in_memory(self, provider):
        exporter = InMemoryLogRecordExporter()
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter=exporter))
        planted.emit_logs(provider)
        data = "".join(record.to_json() for record in exporter.get_finished_logs())
        clean(data.encode(), of=b"[redacted:literal]")

    def test_console(self, provider):
        out = io.StringIO()
        provider.add_log_record_processor(SimpleLogRecordProcessor(ConsoleLogRecordExporter(out)))
        planted.emit_logs(provider)
        clean(out.getvalue().encode(), of=b"severity_text")


@pytest.mark.usefixtures("installed")
class TestMetrics:
    @staticmethod
    def emit(reader):
        provider = MeterProvider(
            [reader], planted.resource(), shutdown_on_exit=False, views=planted.views()
        )
        planted.emit_metrics(provider)
        return provider

    def test_otlp(self, receiver):
        exporter = OTLPMetricExporter(f"{receiver.url}/v1/metrics")
        provider = self.emit(PeriodicExportingMetricReader(exporter, 1e9))
        provider.force_flush()
        clean(receiver.bodies(), of=b"[redacted:password]")
        provider.shutdown()

    def test_console(self):
        out = io.StringIO()
        provider = self.emit(PeriodicExportingMetricReader(ConsoleMetricExporter(out), 1e9))
        provider.force_flush()
        clean(out.getvalue().encode(), of=b"bucket_counts")
        provider.shutdown()

    def test_in_memory(self):
        reader = InMemoryMetricReader()
        provider = self.emit(reader)
        clean(reader.get_metrics_data().to_json().encode(), of=b"exemplars")
        provider.shutdown()

    @pytest.mark.parametrize("generate", [generate_latest, generate_openmetrics])
    def test_prometheus(self, generate):
        registry = CollectorRegistry()
        provider = self.emit(PrometheusMetricReader(registry=registry))
        clean(generate(registry), of=b"planted_bucket")
        provider.shutdown()


def _run(*arguments, **environment):
    script = Path(__file__).with_name("planted.py")
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env=os.environ | environment,
        capture_output=True,
        check=True,
        timeout=100,
    ).stdout


def test_configured_by_environment(receiver):
    out = _run(
        "env",
        OTEL_TRACES_EXPORTER="otlp_proto_http",
        OTEL_LOGS_EXPORTER="otlp_proto_http,console",
        OTEL_METRICS_EXPORTER="otlp_proto_http,console",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_RESOURCE_ATTRIBUTES=f"cloud.note={planted.SECRETS['resource']}",
    )
    assert {path for path, _, _ in receiver.requests} == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    clean(receiver.bodies(), of=b"exception.stacktrace")
    clean(out, of=b"severity_text")


def test_configured_by_file(receiver, tmp_path):
    path = tmp_path / "otel.yaml"
    path.write_text(CONFIGURATION.format(url=receiver.url, resource=planted.SECRETS["resource"]))
    out = _run("file", str(path))
    assert {path for path, _, _ in receiver.requests} == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    clean(receiver.bodies(), of=b"exception.stacktrace")
    clean(out, of=b"severity_text")
