# SPDX-License-Identifier: Apache-2.0
"""Proxies around exporters: redact, export, count, never raise.

They are object proxies, so that ``isinstance`` and every attribute of the exporter inside
stay as they were. What an exporter of ours hands to the spool is counted there.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.trace.export import SpanExportResult

from ffe_otel.export.lengths import Lengths
from ffe_otel.export.points import count_points
from ffe_otel.export.quiet import LastWords
from ffe_otel.export.stats import Reason, Signal
from ffe_otel.redaction.records import (
    redact_log,
    redact_metrics,
    redact_span,
    redact_span_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from ffe_otel.export.health import Health
    from ffe_otel.export.stats import ExportStats
    from ffe_otel.redaction import Redactor
    from ffe_otel.redaction.records import SpanFields


@dataclass(frozen=True, slots=True)
class Seam:
    """What every wrapped exporter, processor and reader needs."""

    redactor: Redactor
    stats: ExportStats
    health: Health
    lengths: Lengths = field(default_factory=Lengths)
    last_words: LastWords = field(default_factory=LastWords)
    _behind: dict[int, weakref.ref[Any]] = field(default_factory=dict)

    def put_behind(self, holder: Any) -> None:
        """Note that a processor or reader was made with an exporter behind redaction."""
        address = id(holder)
        self._behind[address] = weakref.ref(holder, lambda _: self._behind.pop(address, None))

    def is_behind(self, holder: Any) -> bool:
        """Whether it was."""
        found = self._behind.get(id(holder))
        return found is not None and found() is holder

    def redact_span(self, span: ReadableSpan) -> ReadableSpan:
        """A span as it may leave; see ``ffe_otel.redaction.records.redact_span``."""
        return redact_span(span, self.redactor, self.lengths.text, self.lengths.spans)

    def redact_span_fields(self, span: ReadableSpan) -> SpanFields:
        """The same for encoders of ours."""
        return redact_span_fields(span, self.redactor, self.lengths.text, self.lengths.spans)

    def redact_log(self, record: ReadableLogRecord) -> ReadableLogRecord:
        """A log record as it may leave; see ``ffe_otel.redaction.records.redact_log``."""
        return redact_log(record, self.redactor, self.lengths.text, self.lengths.logs)

    def deliver(self, export: Callable[[], Any], exporter: Any, signal: Signal, count: int) -> bool:
        """Call an exporter and count what came of it.

        Args:
            export: the call, with redacted records.
            exporter: the exporter; names the endpoint.
            signal: what is counted.
            count: how many records the call is about.

        Returns:
            Whether the exporter took the records.
        """
        self.last_words.take()
        endpoint = str(getattr(exporter, "target", type(exporter).__qualname__))
        spooled = getattr(exporter, "spooled", False)
        try:
            # Exporters of third parties that return nothing mean success.
            success = getattr(export(), "name", "SUCCESS") != "FAILURE"
            reason = "" if success else getattr(exporter, "problem", "") or self.last_words.take()
        except Exception as error:  # noqa: BLE001 - an exporter must not stop its processor
            success, reason = False, f"{type(error).__name__}: {error}"
        else:
            if spooled:
                return success
        if success:
            self.stats.exported(signal, count)
            self.health.succeeded(endpoint)
            return True
        closing = getattr(exporter, "closing", False)
        self.stats.dropped(signal, Reason.SHUTDOWN if closing else Reason.EXPORT_FAILED, count)
        # A process has metrics of its own even when it did nothing; their end is no news.
        if not (closing and signal is Signal.METRICS):
            self.health.failed(endpoint, reason, count, closing=closing)
        return False


class RedactingExporter(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """What the three proxies share."""

    def __init__(self, exporter: object, seam: Seam) -> None:
        """Put ``exporter`` behind ``seam``."""
        super().__init__(exporter)
        self._self_seam = seam


class RedactingSpanExporter(RedactingExporter):
    """Exports redacted spans."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Redact and export; never raises."""
        seam: Seam = self._self_seam
        exporter = self.__wrapped__
        redacted = [seam.redact_span(span) for span in spans]
        done = seam.deliver(
            lambda: exporter.export(redacted), exporter, Signal.TRACES, len(redacted)
        )
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE


class RedactingLogExporter(RedactingExporter):
    """Exports redacted log records."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Redact and export; never raises."""
        seam: Seam = self._self_seam
        exporter = self.__wrapped__
        redacted = [seam.redact_log(record) for record in batch]
        done = seam.deliver(lambda: exporter.export(redacted), exporter, Signal.LOGS, len(redacted))
        return LogRecordExportResult.SUCCESS if done else LogRecordExportResult.FAILURE


class RedactingMetricExporter(RedactingExporter):
    """Exports redacted metrics; counts data points."""

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Redact and export; never raises."""
        seam: Seam = self._self_seam
        exporter = self.__wrapped__
        redacted = redact_metrics(metrics_data, seam.redactor, seam.lengths.text)
        done = seam.deliver(
            lambda: exporter.export(redacted, timeout_millis=timeout_millis, **kwargs),
            exporter,
            Signal.METRICS,
            count_points(redacted),
        )
        return MetricExportResult.SUCCESS if done else MetricExportResult.FAILURE
