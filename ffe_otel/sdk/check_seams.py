# SPDX-License-Identifier: Apache-2.0
"""Are processors and readers put behind redaction where that is done?"""

from __future__ import annotations

import math
from typing import Any, Final

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, Counter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import SumAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, TraceFlags

from ffe_otel.sdk import existing

_BATCH: Final[dict[str, Any]] = {
    "max_queue_size": 8,
    "schedule_delay_millis": 60_000,
    "max_export_batch_size": 8,
    "export_timeout_millis": 1_000,
}
_NOTHING: Final = MetricsData([])


def _require(*conditions: bool) -> None:
    if not all(conditions):
        raise ValueError("it does something else than it did")


# Readers


class _Reader(InMemoryMetricReader):
    """Tells what the seam of readers would see."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Any] = []
        self.received: list[Any] = []

    def _set_collect_callback(self, func: Any) -> None:  # type: ignore[misc]
        self.given.append(func)
        super()._set_collect_callback(self.behind if func is not None else None)

    def behind(self, *args: Any, **kwargs: Any) -> MetricsData:
        self.received.append(self.given[-1](*args, **kwargs))
        return _NOTHING


def _collected(reader: InMemoryMetricReader) -> MeterProvider:
    provider = MeterProvider(
        [reader],
        resource=Resource({}),
        exemplar_filter=AlwaysOffExemplarFilter(),
        shutdown_on_exit=False,
    )
    provider.get_meter("check").create_counter("c").add(1)
    return provider


def check_readers() -> None:
    """Raises where a reader's metrics do not come through the callback that it is given."""
    reader = _Reader()
    provider = _collected(reader)
    _require(reader.get_metrics_data() is _NOTHING, len(reader.received) == 1)
    _require(isinstance(reader.received[0], MetricsData))
    # What is there already is put behind redaction where it keeps its callback.
    kept = getattr(reader, existing.COLLECT)
    other = MetricsData([])
    setattr(reader, existing.COLLECT, lambda *_, **__: other)
    _require(kept == reader.behind, reader.get_metrics_data() is other)
    provider.shutdown()


class _Receiver(InMemoryMetricReader):
    seen = 0

    def _receive_metrics(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> None:
        self.seen += 1
        super()._receive_metrics(metrics_data, *args, **kwargs)


def check_receiving() -> None:
    """Raises where a reader is not handed its metrics by the documented method."""
    reader = _Receiver()
    provider = _collected(reader)
    _require(reader.get_metrics_data() is not None, reader.seen == 1)
    provider.shutdown()


# Exporters


def _span() -> ReadableSpan:
    context = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(1))
    return ReadableSpan("check", context, start_time=1, resource=Resource({}))


class _MetricExporter(MetricExporter):
    exported = 0

    def export(self, *_: Any, **__: Any) -> MetricExportResult:
        self.exported += 1
        return MetricExportResult.SUCCESS

    def shutdown(self, *_: Any, **__: Any) -> None:
        pass

    def force_flush(self, *_: Any, **__: Any) -> bool:
        return True


def _emit(processor: Any) -> None:
    provider = LoggerProvider(Resource({}), shutdown_on_exit=False)
    provider.add_log_record_processor(processor)
    provider.get_logger("check").emit(body="check")


def _end(processor: Any) -> None:
    processor.on_end(_span())


_SIMPLE: Final[tuple[Any, ...]] = (
    (SimpleSpanProcessor, InMemorySpanExporter, _end),
    (SimpleLogRecordProcessor, InMemoryLogRecordExporter, _emit),
)
_BATCHES: Final[tuple[Any, ...]] = (
    (BatchSpanProcessor, InMemorySpanExporter, _end),
    (BatchLogRecordProcessor, InMemoryLogRecordExporter, _emit),
)


def check_preferences() -> None:
    """Raises where a metric exporter does not keep what it is made to prefer."""
    wanted: dict[str, Any] = {
        "preferred_temporality": {Counter: AggregationTemporality.DELTA},
        "preferred_aggregation": {Counter: SumAggregation()},
    }
    _require(existing.preferences_of(_MetricExporter(**wanted)) == wanted)


def check_exporters() -> None:
    """Raises where a processor does not export to what is put where its exporter was."""
    for simple, kind, feed in _SIMPLE:
        exporter, other = kind(), kind()
        processor = simple(exporter)
        _replace(processor, exporter, other)
        feed(processor)
        _require(not _finished(exporter), len(_finished(other)) == 1)
    metrics, other_metrics = _MetricExporter(), _MetricExporter()
    reader: Any = PeriodicExportingMetricReader(
        metrics, export_interval_millis=math.inf, export_timeout_millis=1_000
    )
    _replace(reader, metrics, other_metrics)
    provider = _collected(reader)
    reader.collect()
    _require(metrics.exported == 0, other_metrics.exported == 1)
    provider.shutdown()


def check_batches() -> None:
    """Raises where a batch processor keeps exporter, queue and end elsewhere."""
    for batch, kind, feed in _BATCHES:
        exporter, other = kind(), kind()
        processor = batch(exporter, **_BATCH)
        try:
            _replace(processor, exporter, other)
            feed(processor)
            _require(existing.queue_length(processor) == 1, not _finished(other))
            _require(existing.shut_down_batch(processor, 1.0))
            _require(not _finished(exporter), len(_finished(other)) == 1)
        finally:
            processor.shutdown()


def _replace(processor: Any, exporter: Any, other: Any) -> None:
    holder, name = existing.exporter_holder(processor)
    _require(getattr(holder, name) is exporter)
    setattr(holder, name, other)


def _finished(exporter: Any) -> Any:
    if isinstance(exporter, InMemorySpanExporter):
        return exporter.get_finished_spans()
    return exporter.get_finished_logs()


# Parts of multi processors


class _SpanPart(SpanProcessor):
    seen = 0

    def on_end(self, span: ReadableSpan) -> None:
        del span
        self.seen += 1


def check_span_parts() -> None:
    """Raises where a provider's span processors are kept elsewhere."""
    limits = dict.fromkeys(
        ("max_span_attributes", "max_events", "max_links", "max_event_attributes",
         "max_link_attributes"), 8)  # fmt: skip
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({}),
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            **limits,
            max_attribute_length=SpanLimits.UNSET,
            max_span_attribute_length=SpanLimits.UNSET,
        ),
    )
    first, second = _SpanPart(), _SpanPart()
    provider.add_span_processor(first)
    multi = existing.span_processor_of(provider)
    _exchange(multi, existing.SPAN_PARTS, first, second)
    provider.get_tracer("check").start_span("check").end()
    _require(first.seen == 0, second.seen == 1, isinstance(multi, SynchronousMultiSpanProcessor))
    other = ConcurrentMultiSpanProcessor()
    other.add_span_processor(first)
    _exchange(other, existing.SPAN_PARTS, first, second)


class _LogPart(LogRecordProcessor):
    seen = 0

    def on_emit(self, log_record: Any) -> None:
        del log_record
        self.seen += 1

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        del timeout_millis
        return True


def check_log_parts() -> None:
    """Raises where a provider's log record processors are kept elsewhere."""
    provider = LoggerProvider(Resource({}), shutdown_on_exit=False)
    first, second = _LogPart(), _LogPart()
    provider.add_log_record_processor(first)
    _exchange(existing.log_processor_of(provider), existing.LOG_PARTS, first, second)
    provider.get_logger("check").emit(body="check")
    _require(first.seen == 0, second.seen == 1)


def _exchange(multi: Any, name: str, first: Any, second: Any) -> None:
    _require(getattr(multi, name) == (first,))
    setattr(multi, name, (second,))
