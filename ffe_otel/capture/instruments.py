# SPDX-License-Identifier: Apache-2.0
"""The instruments of ``semconv.METRICS``, with bounded label sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Observation

from ffe_otel import semconv
from ffe_otel.semconv import Kind, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter

MAX_LABEL_LENGTH = 96
NO_VALUE = "unknown"


class Instruments:
    """Records values on the synchronous instruments.

    An instrument takes at most ``label_sets`` different label sets; what comes after
    them is recorded under ``other`` and counted in ``folded``, so that a label flood
    costs neither memory nor the sum.
    """

    def __init__(self, meter: Meter, label_sets: int) -> None:
        self._limit = label_sets
        self._seen: dict[str, dict[tuple[str | None, ...], dict[str, str]]] = {}
        self.folded: dict[str, int] = {}
        self._record: dict[str, Any] = {}
        makers: dict[Kind, Callable[[Metric], Any]] = {
            Kind.COUNTER: lambda m: meter.create_counter(m.name, m.unit, m.description).add,
            Kind.UP_DOWN_COUNTER: lambda m: (
                meter.create_up_down_counter(m.name, m.unit, m.description).add
            ),
            Kind.GAUGE: lambda m: self._gauge(meter, m),
            Kind.HISTOGRAM: lambda m: (
                meter.create_histogram(
                    m.name, m.unit, m.description, explicit_bucket_boundaries_advisory=m.buckets
                ).record
            ),
        }
        for metric in semconv.METRICS:
            if metric.kind in makers:
                self._record[metric.name] = makers[metric.kind](metric)
                self._seen[metric.name] = {}

    def _gauge(self, meter: Meter, metric: Metric) -> Callable[..., None]:
        """A gauge that is read when it is collected.

        SDK 1.44 forgets a synchronous gauge once it was collected, so that it would
        vanish from the metrics page after the first scrape.
        """
        last: dict[tuple[str, ...], Observation] = {}

        def read(_options: CallbackOptions) -> list[Observation]:
            return list(last.values())

        def keep(value: float, attributes: Mapping[str, str], _context: Context | None) -> None:
            last[tuple(attributes.values())] = Observation(value, attributes)

        meter.create_observable_gauge(metric.name, [read], metric.unit, metric.description)
        return keep

    def record(
        self, metric: Metric, value: float, *labels: str | None, context: Context | None = None
    ) -> None:
        """Record ``value`` with label values in the order of ``metric.labels``.

        Args:
            metric: one of ``semconv.METRICS`` that is not observable.
            value: in ``metric.unit``.
            labels: label values; one that is ``None`` is left out.
            context: where an exemplar's trace id comes from; the current one by default.
        """
        self._record[metric.name](value, self._attributes(metric, labels), context)

    def _attributes(self, metric: Metric, labels: tuple[str | None, ...]) -> Mapping[str, str]:
        seen = self._seen[metric.name]
        found = seen.get(labels)
        if found is not None:
            return found
        if len(seen) >= self._limit:
            self.folded[metric.name] = self.folded.get(metric.name, 0) + 1
            return dict.fromkeys(metric.labels, semconv.OVERFLOW_LABEL)
        attributes = {
            name: str(label)[:MAX_LABEL_LENGTH]
            for name, label in zip(metric.labels, labels, strict=True)
            if label is not None
        }
        seen[labels] = attributes
        return attributes
