# SPDX-License-Identifier: Apache-2.0
"""Every private part of OpenTelemetry that this project uses: what it does, and what if not.

The SDK may rename, remove or change them with any release. So an installation first looks
what they do, on pipelines of its own in memory, and for what does not do it the SDK's own way
is taken, by public classes only. Where redaction hangs on it, nothing is sent.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.sdk import check_logs, check_seams, check_traces, found, leaving
from ffe_otel.sdk.check_metrics import MetricChecks
from ffe_otel.sdk.found import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Part(NamedTuple):
    """Private parts that are used together.

    Attributes:
        name: of ``ffe_otel.sdk.found``.
        names: what is private about them.
        check: raises where they do not do what they are used for.
        instead: what is done then.
        redacts: whether something gets nothing then.
    """

    name: str
    names: tuple[str, ...]
    check: Callable[[MetricChecks], None]
    instead: str
    redacts: bool = False


PARTS: Final = (
    Part(
        found.SPANS,
        (
            "Tracer.__class__", "Tracer._is_enabled", "Tracer._tracer_metrics",
            "Tracer._span_limits", "Tracer._instrumentation_scope", "Tracer.instrumentation_info",
            "SpanProcessor._on_ending", "Span._name", "Span._context", "Span._parent",
            "Span._attributes", "Span._events", "Span._links", "Span._kind", "Span._status",
            "Span._start_time", "Span._end_time", "Span._limits", "Span._lock",
            "Span._resource", "Span._sampler", "Span._span_processor",
            "Span._instrumentation_info", "Span._instrumentation_scope", "Span._trace_config",
            "Span._record_exception", "Span._set_status_on_exception", "Span._new_links",
            "Span._readable_span",
        ),
        lambda _: check_traces.check_spans(),
        "spans are the SDK's own, which cost the engine's thread more",
    ),
    Part(
        found.CONTEXT,
        ("opentelemetry.context._RUNTIME_CONTEXT",),
        lambda _: leaving.check(),
        "a span may stay current after its generator was closed elsewhere",
    ),
    Part(
        found.WAITING,
        ("Meter.__class__", "Counter.add", "UpDownCounter.add", "Histogram.record"),
        lambda metrics: metrics.waiting(),
        "measurements are taken by the SDK at once, on the engine's thread",
    ),
    Part(
        found.MATCHES,
        (
            "Instrument._measurement_consumer", "MeasurementConsumer._reader_storages",
            "MeasurementConsumer._sdk_config",
            "MetricReaderStorage._get_or_init_view_instrument_match",
            "MetricReader._instrument_class_temporality",
            "_ViewInstrumentMatch.consume_measurement", "metrics._internal.measurement",
        ),
        lambda metrics: metrics.matches(),
        "measurements that waited are handed to the SDK one by one",
    ),
    Part(
        found.AGGREGATIONS,
        (
            "_ViewInstrumentMatch._attributes_aggregation", "_ViewInstrumentMatch._view",
            "View._attribute_keys", "_Aggregation._attributes", "_Aggregation._sample_exemplar",
            "_SumAggregation.aggregate", "_ExplicitBucketHistogramAggregation._boundaries",
            "_ExplicitBucketHistogramAggregation._get_empty_bucket_counts",
            "_ExplicitBucketHistogramAggregation._lock",
            "_ExplicitBucketHistogramAggregation._value",
            "_ExplicitBucketHistogramAggregation._sum",
            "_ExplicitBucketHistogramAggregation._min",
            "_ExplicitBucketHistogramAggregation._max",
            "_ExplicitBucketHistogramAggregation._record_min_max",
        ),
        lambda metrics: metrics.aggregations(),
        "measurements are handed to views one by one",
    ),
    Part(
        found.RECORDS,
        (
            "Logger._log_record_limits", "Logger._logger_metrics", "Logger._is_enabled",
            "Logger._multi_log_record_processor", "ReadWriteLogRecord.__init__",
            "LogRecord.__dict__", "LoggerProvider._multi_log_record_processor",
        ),
        lambda _: check_logs.check_records(),
        "log records are emitted by the SDK's loggers, one by one",
    ),
    Part(
        found.RECEIVING,
        ("MetricReader._receive_metrics",),
        lambda _: check_seams.check_receiving(),
        "pages and endpoints show the metrics of all scopes",
    ),
    Part(
        found.PREFERENCES,
        ("MetricExporter._preferred_temporality", "MetricExporter._preferred_aggregation"),
        lambda _: check_seams.check_preferences(),
        "metrics go to the spool cumulative and in the default buckets, whatever is asked for",
    ),
    Part(
        found.READERS,
        ("MetricReader._set_collect_callback", "MetricReader._collect"),
        lambda _: check_seams.check_readers(),
        "metric readers get nothing, but those whose exporters are behind redaction",
        redacts=True,
    ),
    Part(
        found.EXPORTERS,
        ("SimpleSpanProcessor.span_exporter", "SimpleLogRecordProcessor._exporter",
         "PeriodicExportingMetricReader._exporter"),
        lambda _: check_seams.check_exporters(),
        "simple processors and periodic readers that were there before get nothing",
        redacts=True,
    ),
    Part(
        found.BATCHES,
        ("BatchSpanProcessor._batch_processor", "BatchLogRecordProcessor._batch_processor",
         "BatchProcessor._exporter", "BatchProcessor._queue", "BatchProcessor.shutdown"),
        lambda _: check_seams.check_batches(),
        "batch processors that were there before get nothing; others end in the SDK's own time",
        redacts=True,
    ),
    Part(
        found.SPAN_PARTS,
        ("TracerProvider._active_span_processor",
         "SynchronousMultiSpanProcessor._span_processors",
         "ConcurrentMultiSpanProcessor._span_processors"),
        lambda _: check_seams.check_span_parts(),
        "span processors of others that were there before get nothing",
        redacts=True,
    ),
    Part(
        found.LOG_PARTS,
        ("LoggerProvider._multi_log_record_processor",
         "SynchronousMultiLogRecordProcessor._log_record_processors",
         "ConcurrentMultiLogRecordProcessor._log_record_processors"),
        lambda _: check_seams.check_log_parts(),
        "log record processors of others that were there before get nothing",
        redacts=True,
    ),
)  # fmt: skip


def examine() -> Findings:
    """Look what each private part does; never raises."""
    metrics = MetricChecks()
    problems: dict[str, str] = {}
    with _silent():
        for part in PARTS:
            try:
                part.check(metrics)
            except Exception as error:  # noqa: BLE001 - whatever this SDK does differently
                problems[part.name] = f"{type(error).__name__}: {error}"
    return Findings(problems)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Pipelines that do not work have things to say about it."""
    loggers = [
        found
        for name, found in list(logging.root.manager.loggerDict.items())
        if name.startswith("opentelemetry.") and isinstance(found, logging.Logger)
    ]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def told(findings: Findings) -> list[str]:
    """What a person has to know of it, one line for each part."""
    return [f"{part.name}: {part.instead}" for part in PARTS if not findings.works(part.name)]
