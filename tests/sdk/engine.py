# SPDX-License-Identifier: Apache-2.0
"""An engine that traces, measures and logs; prints as JSON what arrived.

Without an argument everything is ours. ``before`` has processors and readers of the engine
and of a third party that are there before ffe_otel.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SECRET = "sk-live-0123456789abcdefghij"
TURNS, CYCLES = 3, 10


class MemoryExporter(MetricExporter):
    """Keeps what it is given."""

    def __init__(self, temporality):
        kinds = (Counter, UpDownCounter, Histogram)
        super().__init__(preferred_temporality=dict.fromkeys(kinds, temporality))
        self.data = []

    def export(self, metrics_data, timeout_millis=0, **_):
        self.data.append(metrics_data)
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis=0, **_):
        pass

    def force_flush(self, timeout_millis=0):
        return True


def points(batches, name):
    return [
        point
        for data in batches
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def work():
    """What an engine does, with secrets in it."""
    import ffe_otel

    tracer = trace.get_tracer("engine")
    with ffe_otel.cycle("agent"), ffe_otel.phase("perception"):
        with tracer.start_as_current_span("engine.work", attributes={"api_key": SECRET}) as span:
            span.add_event("seen", {"api_key": SECRET})
            child = tracer.start_span("engine.child")
            child.end()
        logging.getLogger("engine").warning("api_key=%s", SECRET)
    with tracer.start_as_current_span("engine.alone", attributes={"api_key": SECRET}):
        pass


def ours():
    """An installation of ours; metrics by two periodic readers."""
    import ffe_otel
    from ffe_otel.testing import quiet_config

    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    exporters = [MemoryExporter(t) for t in AggregationTemporality if t.value]
    readers = [PeriodicExportingMetricReader(e, export_interval_millis=1e9) for e in exporters]
    handle = ffe_otel.install(
        quiet_config(Path(tempfile.mkdtemp())),
        span_exporter=spans,
        log_exporter=logs,
        metric_reader=readers[0],
    )
    for reader in readers[1:]:
        handle.meter_provider.add_metric_reader(reader)
    meter = handle.meter_provider.get_meter("engine")
    counter, histogram = meter.create_counter("trades"), meter.create_histogram("seconds")
    for _ in range(TURNS):
        for _ in range(CYCLES):
            counter.add(1, {"venue": "paper"})
            histogram.record(0.5, {"venue": "paper", "api_key": SECRET})
        for reader in readers:
            reader.collect()
    work()
    handle.flush()
    handle.log_capture.flush(5)
    handle.logger_provider.force_flush()
    finished = spans.get_finished_spans()
    by_name = {span.name: span for span in finished}
    records = [each.log_record for each in logs.get_finished_logs()]
    everything = [*map(str, map(vars_of, finished)), *(str(r.body) for r in records)]
    everything += [str(e.data) for e in exporters]
    result = {
        "spans": sorted(by_name),
        "parents": {
            name: next((s.name for s in finished if s.context.span_id == span.parent.span_id), "?")
            for name, span in by_name.items()
            if span.parent
        },
        "logs": [str(r.body) for r in records if r.event_name is None],
        "counted": {
            kind: [point.value for point in points(e.data, "trades")][-TURNS:]
            for kind, e in zip(("delta", "cumulative"), exporters, strict=True)
        },
        "recorded": {
            kind: [point.count for point in points(e.data, "seconds")][-TURNS:]
            for kind, e in zip(("delta", "cumulative"), exporters, strict=True)
        },
        "leaked": sum(SECRET in text for text in everything),
    }
    handle.uninstall()
    return result


def vars_of(span):
    return span.name, dict(span.attributes), [(e.name, dict(e.attributes)) for e in span.events]


class Theirs(SpanProcessor):
    def __init__(self):
        self.seen = []

    def on_end(self, span):
        self.seen.append(span)


class TheirLogs(LogRecordProcessor):
    def __init__(self):
        self.seen = []

    def on_emit(self, log_record):
        self.seen.append(str(log_record.log_record.body))

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=0):
        return True


def before():
    """Everything is there before us."""
    import ffe_otel
    from ffe_otel.testing import quiet_config

    simple, batch, theirs = InMemorySpanExporter(), InMemorySpanExporter(), Theirs()
    tracers = TracerProvider(shutdown_on_exit=False)
    for each in (SimpleSpanProcessor(simple), BatchSpanProcessor(batch), theirs):
        tracers.add_span_processor(each)
    trace.set_tracer_provider(tracers)
    simple_logs, batch_logs, their_logs = (
        InMemoryLogRecordExporter(), InMemoryLogRecordExporter(), TheirLogs(),
    )  # fmt: skip
    loggers = LoggerProvider(shutdown_on_exit=False)
    for each in (SimpleLogRecordProcessor(simple_logs), BatchLogRecordProcessor(batch_logs),
                 their_logs):  # fmt: skip
        loggers.add_log_record_processor(each)
    _logs.set_logger_provider(loggers)
    memory, exporter = InMemoryMetricReader(), MemoryExporter(AggregationTemporality.CUMULATIVE)
    periodic = PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
    meters = MeterProvider([memory, periodic], shutdown_on_exit=False)
    metrics.set_meter_provider(meters)
    handle = ffe_otel.install(
        quiet_config(Path(tempfile.mkdtemp())),
        span_exporter=InMemorySpanExporter(),
        log_exporter=InMemoryLogRecordExporter(),
        metric_reader=InMemoryMetricReader(),
    )
    work()
    loggers.get_logger("engine").emit(body=f"api_key={SECRET}")
    meters.get_meter("engine").create_counter("trades").add(1, {"api_key": SECRET})
    periodic.collect()
    tracers.force_flush()
    loggers.force_flush()
    got = {
        "simple": [vars_of(s) for s in simple.get_finished_spans()],
        "batch": [vars_of(s) for s in batch.get_finished_spans()],
        "theirs": [vars_of(s) for s in theirs.seen],
        "simple logs": [str(r.log_record.body) for r in simple_logs.get_finished_logs()],
        "batch logs": [str(r.log_record.body) for r in batch_logs.get_finished_logs()],
        "their logs": their_logs.seen,
        "memory": [
            str(p.attributes) for p in points([memory.get_metrics_data() or _Nothing], "trades")
        ],
        "periodic": [str(p.attributes) for p in points(exporter.data, "trades")],
    }
    handle.uninstall()
    leaked = [name for name, seen in got.items() if SECRET in str(seen)]
    return {"got": {name: len(seen) for name, seen in got.items()}, "leaked": leaked}


class _Nothing:
    resource_metrics = ()


def doctor():
    """What ``ffe-otel doctor`` says of the SDK's parts."""
    from dataclasses import asdict

    from ffe_otel.cli.doctor.installation import sdk_parts

    return {"checks": [asdict(check) for check in sdk_parts()]}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({"ours": ours, "before": before, "doctor": doctor}[sys.argv[1]]()))
