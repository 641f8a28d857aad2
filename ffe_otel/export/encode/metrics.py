# SPDX-License-Identifier: Apache-2.0
"""Metrics as an ``ExportMetricsServiceRequest``."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    Sum,
)

from ffe_otel.export.encode import shared
from ffe_otel.export.encode.wire import (
    attributes,
    double,
    field,
    fixed64,
    number,
    signed64,
    text,
    varint,
    zigzag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import (
        Buckets,
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        NumberDataPoint,
    )


def encode_metrics(data: MetricsData) -> bytes:
    """Encode collected metrics.

    Raises:
        TypeError: a metric is of a kind that OTLP does not know.
    """
    groups: shared.Groups = {}
    for of in data.resource_metrics:
        scopes = groups.setdefault(shared.resource(of.resource), {})
        for within in of.scope_metrics:
            scopes.setdefault(shared.scope(within.scope), []).extend(
                _metric(metric) for metric in within.metrics
            )
    return shared.request(groups)


def _metric(metric: Metric) -> bytes:
    return (
        text(b"\x0a", metric.name)
        + text(b"\x12", metric.description)
        + text(b"\x1a", metric.unit)
        + _data(metric.data)
    )


def _data(data: Any) -> bytes:
    if not data.data_points:
        return b""
    if isinstance(data, Sum):
        points = b"".join(field(b"\x0a", _number_point(point)) for point in data.data_points)
        monotonic = b"\x18\x01" if data.is_monotonic else b""
        return field(b"\x3a", points + _temporality(data) + monotonic)
    if isinstance(data, Gauge):
        points = b"".join(
            field(b"\x0a", _number_point(point, started=False)) for point in data.data_points
        )
        return field(b"\x2a", points)
    if isinstance(data, Histogram):
        points = b"".join(field(b"\x0a", _histogram_point(point)) for point in data.data_points)
        return field(b"\x4a", points + _temporality(data))
    if isinstance(data, ExponentialHistogram):
        points = b"".join(field(b"\x0a", _exponential_point(point)) for point in data.data_points)
        return field(b"\x52", points + _temporality(data))
    raise TypeError(f"OTLP has no metric of type {type(data).__name__}")


def _temporality(data: Any) -> bytes:
    return number(b"\x10", int(data.aggregation_temporality))


def _times(point: Any, *, started: bool = True) -> bytes:
    start, end = point.start_time_unix_nano if started else 0, point.time_unix_nano
    return (fixed64(0x11, start) if start else b"") + (fixed64(0x19, end) if end else b"")


def _number_point(point: NumberDataPoint, *, started: bool = True) -> bytes:
    value = point.value
    parts = [
        _times(point, started=started),
        b"" if isinstance(value, int) else double(0x21, value),
        _exemplars(b"\x2a", point.exemplars),
        signed64(0x31, value) if isinstance(value, int) else b"",
    ]
    attributes(b"\x3a", point.attributes, parts)
    return b"".join(parts)


def _histogram_point(point: HistogramDataPoint) -> bytes:
    parts = [
        _times(point),
        fixed64(0x21, point.count) if point.count else b"",
        _optional(0x29, point.sum),
        _packed(b"\x32", "Q", point.bucket_counts),
        _packed(b"\x3a", "d", point.explicit_bounds),
        _exemplars(b"\x42", point.exemplars),
    ]
    attributes(b"\x4a", point.attributes, parts)
    parts += (_optional(0x59, point.min), _optional(0x61, point.max))
    return b"".join(parts)


def _exponential_point(point: ExponentialHistogramDataPoint) -> bytes:
    parts: list[bytes] = []
    attributes(b"\x0a", point.attributes, parts)
    parts += (
        _times(point),
        fixed64(0x21, point.count) if point.count else b"",
        _optional(0x29, point.sum),
        zigzag(b"\x30", point.scale),
        fixed64(0x39, point.zero_count) if point.zero_count else b"",
        _buckets(b"\x42", point.positive),
        _buckets(b"\x4a", point.negative),
        number(b"\x50", point.flags),
        _exemplars(b"\x5a", point.exemplars),
        _optional(0x61, point.min),
        _optional(0x69, point.max),
    )
    return b"".join(parts)


def _buckets(tag: bytes, buckets: Buckets) -> bytes:
    if not buckets.bucket_counts:
        return b""
    counts = b"".join(varint(count) for count in buckets.bucket_counts)
    return field(tag, zigzag(b"\x08", buckets.offset) + field(b"\x12", counts))


def _optional(tag: int, value: float | None) -> bytes:
    return b"" if value is None else double(tag, value)


def _packed(tag: bytes, kind: str, values: Sequence[float]) -> bytes:
    return field(tag, struct.pack(f"<{len(values)}{kind}", *values)) if values else b""


def _exemplars(tag: bytes, exemplars: Sequence[Exemplar] | None) -> bytes:
    return b"".join(field(tag, _exemplar(each)) for each in exemplars) if exemplars else b""


def _exemplar(exemplar: Exemplar) -> bytes:
    value, trace_id, span_id = exemplar.value, exemplar.trace_id, exemplar.span_id
    integral = isinstance(value, int)
    parts = [
        fixed64(0x11, exemplar.time_unix_nano) if exemplar.time_unix_nano else b"",
        b"" if integral else double(0x19, value),
    ]
    if trace_id is not None and span_id is not None:
        parts += (
            field(b"\x22", span_id.to_bytes(8, "big")),
            field(b"\x2a", trace_id.to_bytes(16, "big")),
        )
    parts.append(signed64(0x31, int(value)) if integral else b"")
    attributes(b"\x3a", exemplar.filtered_attributes, parts)
    return b"".join(parts)
