# SPDX-License-Identifier: Apache-2.0
"""Metric data points as journal rows.

A series is a metric of one resource, scope and label set. Its description travels in
the first rows that mention it; the points carry its 64-bit identity only.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from ffe_otel.observe.decode.batch import describe, origin
from ffe_otel.observe.decode.values import (
    MAX_TIME,
    any_value,
    attributes,
    digest64,
    dumps,
    finite,
    number,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    from ffe_otel.observe.decode.batch import Batch, Known, Origin

_TEMPORALITY: Final = {0: "", 1: "delta", 2: "cumulative"}
_NO_VALUE: Final = pb.DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_MAX_COUNT: Final = 2**63 - 1
GRID: Final = tuple(m * 10.0**e for e in range(-6, 9) for m in (1, 1.5, 2, 3, 5, 7))
"""Upper bounds that exponential histograms are put on; their own move with every point."""


@dataclass(frozen=True, slots=True)
class Family:
    """What all points of one metric share."""

    metric: pb.Metric
    kind: str
    temporality: str
    scope: str
    source: Origin


def decode_metrics(request: ExportMetricsServiceRequest, batch: Batch, known: Known) -> None:
    """Append a row for each data point of ``request`` to ``batch``."""
    for group in request.resource_metrics:
        source = origin(group.resource, known)
        for scoped in group.scope_metrics:
            for metric in scoped.metrics:
                for family, point, fields in _points(metric, scoped.scope.name, source):
                    if max(point.time_unix_nano, point.start_time_unix_nano) > MAX_TIME:
                        batch.reject("a data point's time is beyond the year 2262")
                    elif not point.flags & _NO_VALUE:
                        batch.add(_row(family, point, fields, batch, known))


def _points(
    metric: pb.Metric, scope: str, source: Origin
) -> Iterator[tuple[Family, Any, dict[str, Any]]]:
    shape = metric.WhichOneof("data")
    if shape is None:
        return
    data = getattr(metric, shape)
    temporality = _TEMPORALITY.get(getattr(data, "aggregation_temporality", 0), "")
    kind: str = shape
    if shape == "sum":
        kind = "counter" if data.is_monotonic else "up_down_counter"
    elif shape == "exponential_histogram":
        kind = "histogram"
    family = Family(metric, kind, temporality, scope, source)
    read = _READERS[shape]
    for point in data.data_points:
        yield family, point, read(point)


def _row(
    family: Family, point: Any, fields: dict[str, Any], batch: Batch, known: Known
) -> dict[str, Any]:
    labels = attributes(point.attributes)
    bounds = fields.pop("bounds", None)
    metric, source = family.metric, family.source
    identity = digest64(
        source.text, family.scope, metric.name, metric.unit, family.kind, family.temporality,
        dumps(dict(sorted(labels.items()))), dumps(bounds),
    )  # fmt: skip
    row: dict[str, Any] = {
        "series_id": identity,
        "time_ns": point.time_unix_nano,
        "start_ns": point.start_time_unix_nano,
        **fields,
    }
    exemplars = _exemplars(getattr(point, "exemplars", ()))
    if exemplars:
        row["exemplars"] = exemplars
    if identity not in known.series and batch.once(identity):
        row["series"] = {
            "name": metric.name,
            "kind": family.kind,
            "unit": metric.unit,
            "description": metric.description,
            "temporality": family.temporality,
            "scope": family.scope,
            "service": source.service,
            "labels": {k: v if isinstance(v, str) else dumps(v) for k, v in labels.items()},
            "bounds": bounds,
            "resource_id": source.resource_id,
        }
    describe(row, source, batch)
    return row


def _number(point: pb.NumberDataPoint) -> dict[str, Any]:
    integer = point.WhichOneof("value") == "as_int"
    return {"value": point.as_int if integer else finite(point.as_double)}


def _histogram(point: pb.HistogramDataPoint) -> dict[str, Any]:
    return {
        "value": finite(point.sum) if point.HasField("sum") else None,
        "count": min(point.count, _MAX_COUNT),
        "min": finite(point.min) if point.HasField("min") else None,
        "max": finite(point.max) if point.HasField("max") else None,
        "buckets": [min(n, _MAX_COUNT) for n in point.bucket_counts],
        "bounds": [number(b) for b in point.explicit_bounds],
    }


def _exponential(point: pb.ExponentialHistogramDataPoint) -> dict[str, Any]:
    """An exponential histogram on a fixed grid, so that its points can be compared."""
    counts = [0] * (len(GRID) + 1)
    counts[0] = point.zero_count + sum(point.negative.bucket_counts)
    for position, count in enumerate(point.positive.bucket_counts):
        counts[_slot(point.positive.offset + position, point.scale)] += count
    return {
        "value": finite(point.sum) if point.HasField("sum") else None,
        "count": min(point.count, _MAX_COUNT),
        "min": finite(point.min) if point.HasField("min") else None,
        "max": finite(point.max) if point.HasField("max") else None,
        "buckets": [min(n, _MAX_COUNT) for n in counts],
        "bounds": list(GRID),
    }


def _slot(index: int, scale: int) -> int:
    """Where the middle of bucket ``index``, of base ``2 ** (2 ** -scale)``, is on the grid."""
    # No sender means a scale of a thousand, and the power of a far bigger one overflows.
    exponent = (index + 0.5) * 2.0 ** -max(-1000, min(scale, 1000))
    # Beyond these exponents of two the grid has ended on either side.
    return bisect_left(GRID, 2.0 ** max(-64.0, min(exponent, 64.0)))


def _summary(point: pb.SummaryDataPoint) -> dict[str, Any]:
    return {"value": finite(point.sum), "count": min(point.count, _MAX_COUNT)}


_READERS: Final[dict[str, Any]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


def _exemplars(exemplars: Iterable[pb.Exemplar]) -> list[dict[str, Any]]:
    return [
        {
            "ns": min(e.time_unix_nano, MAX_TIME),
            "value": e.as_int if e.WhichOneof("value") == "as_int" else number(e.as_double),
            "trace_id": e.trace_id.hex(),
            "span_id": e.span_id.hex(),
            "attributes": {p.key: any_value(p.value) for p in e.filtered_attributes},
        }
        for e in exemplars
    ]
