# SPDX-License-Identifier: Apache-2.0
"""Collected metrics as plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.metrics.export import MetricsData

_BY_PROMETHEUS = {metric.prometheus: metric.name for metric in semconv.METRICS}


@dataclass(frozen=True, slots=True)
class Point:
    """One label set of a metric.

    Attributes:
        labels: Its labels.
        value: A counter's or gauge's value; the sum of a histogram's values.
        count: Number of values in a histogram; None for anything else.
        bounds: Upper bounds of a histogram's buckets, without the last, infinite one.
        buckets: Number of values in each bucket, one more than there are bounds.
        trace_ids: Traces that its exemplars have named, as 32 hexadecimal digits.
        additive: Whether points of different labels may be added up.
    """

    labels: Mapping[str, object]
    value: float
    count: int | None = None
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()
    trace_ids: tuple[str, ...] = ()
    additive: bool = True


class MemoryReader(InMemoryMetricReader):
    """Collects when asked, and only then.

    The SDK forgets exemplars once they were collected; this reader remembers the traces
    they named, so that looking at one metric does not empty another.
    """

    def __init__(self) -> None:
        super().__init__()
        self._named: dict[tuple[str, str], tuple[str, ...]] = {}

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 - the SDK's
        """Do nothing: there is nobody to send to, and collecting would cost exemplars."""
        return True

    def points(self) -> dict[str, list[Point]]:
        """Collect now: OpenTelemetry metric name to its points."""
        found = points(self.get_metrics_data())
        return {name: [self._remember(name, p) for p in each] for name, each in found.items()}

    def _remember(self, name: str, point: Point) -> Point:
        key = name, repr(sorted(point.labels.items()))
        named = tuple(dict.fromkeys(self._named.get(key, ()) + point.trace_ids))
        self._named[key] = named
        return replace(point, trace_ids=named)


def points(data: MetricsData | None) -> dict[str, list[Point]]:
    """Flatten what a reader collected.

    Args:
        data: The SDK's tree of resources, scopes, metrics and points; None when empty.

    Returns:
        OpenTelemetry metric name to its points.
    """
    found: dict[str, list[Point]] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                additive = type(metric.data).__name__ != "Gauge"
                found.setdefault(metric.name, []).extend(
                    _point(point, additive=additive) for point in metric.data.data_points
                )
    return found


def value(
    found: Mapping[str, Sequence[Point]], name: str, labels: Mapping[str, str]
) -> float | None:
    """Look a value up.

    Args:
        found: What `points` returned.
        name: OpenTelemetry name or the name Prometheus shows.
        labels: Labels a point must have; it may have more.

    Returns:
        The sum over the points that match, or None when none does.

    Raises:
        LookupError: Several points of a gauge match, and adding gauges up means nothing.
    """
    candidates = found.get(_BY_PROMETHEUS.get(name, name), ())
    matching = [p for p in candidates if labels.items() <= p.labels.items()]
    if not matching:
        return None
    if len(matching) > 1 and not all(p.additive for p in matching):
        raise LookupError(
            f"{len(matching)} points of {name} match {dict(labels)}; add labels to choose one of "
            + ", ".join(str(dict(p.labels)) for p in matching)
        )
    return sum(p.value for p in matching)


def _point(point: Any, *, additive: bool) -> Point:
    labels = dict(point.attributes or {})
    trace_ids = tuple(
        f"{exemplar.trace_id:032x}" for exemplar in point.exemplars if exemplar.trace_id
    )
    if hasattr(point, "bucket_counts"):
        return Point(
            labels,
            point.sum,
            point.count,
            tuple(point.explicit_bounds),
            tuple(point.bucket_counts),
            trace_ids,
        )
    return Point(labels, point.value, trace_ids=trace_ids, additive=additive)
