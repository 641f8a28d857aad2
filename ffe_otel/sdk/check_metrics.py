# SPDX-License-Identifier: Apache-2.0
"""Do measurements that wait come out as those that the SDK takes at once?"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    TraceBasedExemplarFilter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from ffe_otel.sdk.aggregating import BY_SDK, EVERYTHING, Direct, Ways
from ffe_otel.sdk.meters import FfeMeterProvider

CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
DELTA: Final = AggregationTemporality.DELTA
_KINDS: Final = (Counter, UpDownCounter, Histogram)
_VALUES: Final = ("value", "count", "sum", "min", "max", "bucket_counts", "explicit_bounds")


def _within(trace_id: int, *, sampled: bool) -> Context:
    of = SpanContext(trace_id, 1, is_remote=False, trace_flags=TraceFlags(int(sampled)))
    return trace.set_span_in_context(NonRecordingSpan(of), Context())


def _play(kind: type[MeterProvider], temporality: AggregationTemporality, ways: Ways | None) -> Any:
    """A little of all that is measured, collected twice."""
    reader = InMemoryMetricReader(preferred_temporality=dict.fromkeys(_KINDS, temporality))
    provider = kind(
        [reader],
        resource=Resource({"r": "1"}),
        exemplar_filter=TraceBasedExemplarFilter(),
        shutdown_on_exit=False,
        views=[View(instrument_name="few", attribute_keys={"a"})],
    )
    if isinstance(provider, FfeMeterProvider):
        provider.ways = ways
    meter = provider.get_meter("check")
    counters: list[Any] = [meter.create_counter("counter"), meter.create_up_down_counter("few")]
    histogram = meter.create_histogram("histogram", explicit_bucket_boundaries_advisory=[1, 2])
    found = []
    for turn in range(2):
        for number in range(4):
            context = _within(number + 1, sampled=number != 2)
            for counter in counters:
                counter.add(number + turn, {"a": "x", "b": "y"}, context)
            histogram.record(number + turn / 2, {"a": turn % 2}, context)
        found.append(_look(reader.get_metrics_data()))
    provider.shutdown()
    if ways is not None and isinstance(provider, FfeMeterProvider):
        # Deltas never go further than to the matches.
        kept = ways.direct.aggregations and temporality is CUMULATIVE
        wanted = ways.direct._replace(aggregations=kept)
        if any(target.direct != wanted for target in provider.measurements.targets()):
            raise ValueError("what adds measurements up is not where it should be")
    return found


def _look(data: Any) -> list[Any]:
    return sorted(
        (
            metric.name,
            type(metric.data).__name__,
            sorted(map(_point, metric.data.data_points), key=str),
        )
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def _point(point: Any) -> Any:
    values = {name: getattr(point, name) for name in _VALUES if hasattr(point, name)}
    # Of a sum's measurements it is chance which one becomes the exemplar.
    exemplars: Any = len(point.exemplars)
    if isinstance(point, HistogramDataPoint):
        exemplars = sorted((e.value, e.trace_id, e.span_id) for e in point.exemplars)
    return values, sorted((point.attributes or {}).items()), exemplars


class MetricChecks:
    """The checks, with what the SDK alone makes of the same measurements."""

    def __init__(self) -> None:
        self._theirs: dict[AggregationTemporality, Any] = {}
        self._all: bool | None = None

    @property
    def _well(self) -> bool:
        """Whether everything works together; then nothing has to be looked at alone."""
        if self._all is None:
            try:
                self._compare(EVERYTHING, CUMULATIVE, DELTA)
                self._all = True
            except Exception:  # noqa: BLE001 - what it is the single checks say
                self._all = False
        return self._all

    def _compare(self, ways: Ways, *temporalities: AggregationTemporality) -> None:
        for temporality in temporalities:
            if temporality not in self._theirs:
                self._theirs[temporality] = _play(MeterProvider, temporality, None)
            ours = _play(FfeMeterProvider, temporality, ways)
            if ours != self._theirs[temporality]:
                raise ValueError(f"{temporality.name.lower()} measurements come out changed")

    def waiting(self) -> None:
        """Raises where measurements do not reach the collection that comes next."""
        if not self._well:
            self._compare(Ways(waits=True, direct=BY_SDK), CUMULATIVE, DELTA)

    def matches(self) -> None:
        """Raises where matches of views do not count what they are given."""
        if not self._well:
            direct = Direct(matches=True, aggregations=False)
            self._compare(Ways(waits=True, direct=direct), CUMULATIVE, DELTA)

    def aggregations(self) -> None:
        """Raises where what is added to aggregations is not in their sums."""
        if not self._well:
            self._compare(EVERYTHING, CUMULATIVE, DELTA)
