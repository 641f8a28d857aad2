# SPDX-License-Identifier: Apache-2.0
"""Exporters that end at the spool: encode, append, done. Sending is the sender's.

Redaction is in front of them, as of every exporter: see :mod:`ffe_otel.export.seams`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from ffe_otel.export import encode
from ffe_otel.export.points import count_points
from ffe_otel.export.spool.uids import Uids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from ffe_otel.export.spool.sender import Sender


class Spooled:
    """What the three exporters share.

    Attributes:
        spooled: the spool counts what is lost and the sender what arrives.
        target: where the sender sends to.
        sender: takes from the spool what is appended.
    """

    spooled = True

    def __init__(self, sender: Sender, target: str, **kwargs: Any) -> None:
        """Append to the spool of ``sender``."""
        super().__init__(**kwargs)
        self.target = target
        self.sender = sender

    def append(self, payload: bytes, items: int) -> bool:
        """Store a request; whether it was kept."""
        kept = self.sender.spool.append(payload, items)
        self.sender.added()
        return kept

    def append_batch(self, batch: Sequence[Any], encoded: Callable[[Sequence[Any]], bytes]) -> bool:
        """Encode and store records, in halves where one request would be too large."""
        payload = encoded(batch)
        if len(payload) > self.sender.spool.bounds.request_bytes and len(batch) > 1:
            middle = len(batch) // 2
            first = self.append_batch(batch[:middle], encoded)
            return self.append_batch(batch[middle:], encoded) and first
        return self.append(payload, len(batch))

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Nothing: the spool outlives its exporters, and late records are welcome."""
        del timeout_millis

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """True: what was exported is on disk; whether it is taken says the provider."""
        del timeout_millis
        return True


class SpoolSpanExporter(Spooled, SpanExporter):
    """Appends spans to the spool."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and append."""
        kept = self.append_batch(spans, encode.encode_spans)
        return SpanExportResult.SUCCESS if kept else SpanExportResult.FAILURE


class SpoolLogExporter(Spooled, LogRecordExporter):
    """Appends log records to the spool."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Encode and append."""
        kept = self.append_batch(batch, encode_with_uids)
        return LogRecordExportResult.SUCCESS if kept else LogRecordExportResult.FAILURE


class SpoolMetricExporter(Spooled, MetricExporter):
    """Appends metrics to the spool."""

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> MetricExportResult:
        """Encode and append."""
        del timeout_millis
        points = count_points(metrics_data)
        kept = not points or self.append(encode.encode_metrics(metrics_data), points)
        return MetricExportResult.SUCCESS if kept else MetricExportResult.FAILURE


def encode_with_uids(records: Iterable[ReadableLogRecord]) -> bytes:
    """Encode log records with an identity each."""
    return encode.encode_logs(records, Uids().mark)


def is_spooled(exporter: object) -> bool:
    """Whether an exporter ends at the spool."""
    return bool(getattr(exporter, "spooled", False))
