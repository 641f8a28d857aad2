# SPDX-License-Identifier: Apache-2.0
"""The one place that turns records into the bytes of OTLP requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.common import _log_encoder as logs
from opentelemetry.exporter.otlp.proto.common import metrics_encoder as metrics
from opentelemetry.exporter.otlp.proto.common import trace_encoder as traces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan


def encode_spans(spans: Sequence[ReadableSpan]) -> bytes:
    """An ``ExportTraceServiceRequest``."""
    return traces.encode_spans(spans).SerializeToString()


def encode_logs(batch: Sequence[ReadableLogRecord]) -> bytes:
    """An ``ExportLogsServiceRequest``."""
    return logs.encode_logs(batch).SerializeToString()


def encode_metrics(data: MetricsData) -> bytes:
    """An ``ExportMetricsServiceRequest``."""
    return metrics.encode_metrics(data).SerializeToString()
