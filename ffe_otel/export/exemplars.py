# SPDX-License-Identifier: Apache-2.0
"""Exemplars for the metrics page: which trace stands behind a bucket.

opentelemetry-exporter-prometheus drops them (open-telemetry/opentelemetry-python#4178),
so they are remembered beside its reader and put on the families it makes. They are shown
in the OpenMetrics format only, where the format has a place for them.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import Histogram, HistogramDataPoint, MetricsData
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from ffe_otel import semconv
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client.metrics_core import Metric

    Key = tuple[str, tuple[tuple[str, str], ...], str]

_PROMETHEUS = {metric.name: metric.prometheus for metric in semconv.METRICS}
_MAX_REMEMBERED = 10_000


def _label_name(key: str) -> str:
    return key.replace(".", "_")


class Exemplars:
    """The last exemplar of each bucket; the SDK gives each away only once."""

    def __init__(self) -> None:
        self._lock = native.Lock()
        self._last: dict[Key, Exemplar] = {}

    def remember(self, data: MetricsData) -> None:
        """Take the exemplars out of collected metrics."""
        with self._lock:
            for resource in data.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if isinstance(metric.data, Histogram) and metric.name in _PROMETHEUS:
                            for point in metric.data.data_points:
                                self._remember(_PROMETHEUS[metric.name], point)

    def _remember(self, family: str, point: HistogramDataPoint) -> None:
        if len(self._last) > _MAX_REMEMBERED:
            self._last.clear()
        labels = tuple(
            sorted((_label_name(k), str(v)) for k, v in (point.attributes or {}).items())
        )
        bounds = point.explicit_bounds
        for found in point.exemplars:
            if not found.trace_id:
                continue
            index = bisect_left(bounds, found.value)
            bound = _bound(bounds[index]) if index < len(bounds) else "+Inf"
            self._last[family, labels, bound] = Exemplar(
                {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id or 0:016x}"},
                float(found.value),
                found.time_unix_nano / 1e9,
            )

    def attach(self, family: Metric) -> Metric:
        """Put the exemplars on the bucket samples of a family."""
        if family.type == "histogram":
            with self._lock:
                family.samples = [self._with_exemplar(family.name, s) for s in family.samples]
        return family

    def _with_exemplar(self, family: str, sample: Sample) -> Sample:
        if not sample.name.endswith("_bucket"):
            return sample
        bound, labels = _split(sample.labels)
        found = self._last.get((family, labels, bound))
        return sample if found is None else sample._replace(exemplar=found)


def _split(labels: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
    return _bound(float(labels["le"])), rest


def _bound(value: float) -> str:
    """A bucket's bound in one spelling, whatever the exporter wrote."""
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text
