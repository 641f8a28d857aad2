# SPDX-License-Identifier: Apache-2.0
"""Measurements that wait come out as those that do not."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    Counter,
    Histogram,
    MeterProvider,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    View,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client import CollectorRegistry, generate_latest

from ffe_otel import semconv
from ffe_otel.export.exemplars import Exemplars
from ffe_otel.export.prometheus import ScopeReader, is_ours
from ffe_otel.sdk import aggregating
from ffe_otel.sdk.aggregating import Direct, Ways
from ffe_otel.sdk.measuring import CAPACITY
from ffe_otel.sdk.meters import FfeMeterProvider

if TYPE_CHECKING:
    from ffe_otel._testing.telemetry import Telemetry

DELTA = dict.fromkeys((Counter, UpDownCounter, Histogram), AggregationTemporality.DELTA)
VIEWS = {
    "none": [],
    "few keys": [View(instrument_name="*", attribute_keys={"a"})],
    "exponential": [View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())],
    "dropped": [View(instrument_name="c", aggregation=DropAggregation())],
    "last value": [View(instrument_name="u", aggregation=LastValueAggregation())],
    "two": [View(instrument_name="h", name="one"), View(instrument_name="h", name="other")],
}
WAYS = {
    "direct": aggregating.EVERYTHING,
    "by view": Ways(waits=True, direct=Direct(matches=True, aggregations=False)),
    "by the SDK": Ways(waits=True, direct=aggregating.BY_SDK),
    "at once": Ways(waits=False, direct=aggregating.BY_SDK),
}
FILTERS = (AlwaysOnExemplarFilter(), AlwaysOffExemplarFilter(), None)


def within(trace_id: int, *, sampled: bool = True) -> Context:
    context = SpanContext(trace_id, 1, is_remote=False, trace_flags=TraceFlags(int(sampled)))
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


class Readings:
    """One provider, its instruments, and what each collection finds."""

    def __init__(self, kind: type[MeterProvider], views: Any, exemplars: Any, delta: Any) -> None:
        self.readers = [InMemoryMetricReader(preferred_temporality=delta) for _ in range(2)]
        self.provider = kind(
            self.readers, views=views, exemplar_filter=exemplars, shutdown_on_exit=False
        )
        meter = self.provider.get_meter("scope", "1", "https://schema")
        self.counter = meter.create_counter("c", "1", "counts")
        self.up_down = meter.create_up_down_counter("u")
        self.histogram = meter.create_histogram("h")
        self.gauge = meter.create_gauge("g")

    def collect(self) -> list[Any]:
        return [seen(reader.get_metrics_data()) for reader in self.readers]


def seen(data: Any) -> list[Any]:
    """Metrics without times, and of sums without exemplars: which one is kept is chance."""
    if data is None:
        return []
    found = [
        (
            metric.name,
            repr(scope.scope),
            metric.unit,
            metric.description,
            type(metric.data),
            sorted([point_seen(point) for point in metric.data.data_points], key=str),
        )
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    # A gauge is there at once, so it comes first.
    return sorted(found, key=str)


def point_seen(point: Any) -> Any:
    values = {
        name: getattr(point, name)
        for name in ("value", "count", "sum", "min", "max", "bucket_counts", "explicit_bounds",
                     "scale", "zero_count", "positive", "negative")
        if hasattr(point, name)
    }  # fmt: skip
    exemplars = [
        replace(each, time_unix_nano=0)
        for each in point.exemplars
        if isinstance(point, HistogramDataPoint)
    ]
    labels = sorted((key, repr(value)) for key, value in point.attributes.items())
    return values, labels, exemplars


def work(found: Readings, turn: int) -> None:
    labels = {"a": "x", "b": "y"}
    for number in range(20):
        context = within(number + 1, sampled=number % 3 != 0)
        found.counter.add(number + turn, labels, context)
        found.counter.add(0.5, {"a": "x"})
        found.up_down.add(-number, {"a": number % 2})
        found.up_down.add(1, {"a": bool(number % 2)}, context)
        found.up_down.add(1, {"a": float(number % 2)})
        found.histogram.record(number * 40.25, labels, context=context)
        found.histogram.record(number)
        found.histogram.record(amount=number, attributes={"b": "y", "a": "x"})
        found.gauge.set(number, labels)
    labels["a"] = "changed since"
    found.counter.add(1, {"none": None})
    found.counter.add(1, {})


@pytest.mark.parametrize("exemplars", FILTERS)
@pytest.mark.parametrize("delta", [None, DELTA])
@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("ways", WAYS)
def test_they_add_up_as_with_the_sdk(views: str, delta: Any, exemplars: Any, ways: str) -> None:
    class Provider(FfeMeterProvider):
        pass

    Provider.ways = WAYS[ways]
    theirs = Readings(MeterProvider, VIEWS[views], exemplars, delta)
    mine = Readings(Provider, VIEWS[views], exemplars, delta)

    for turn in range(3):
        for found in (theirs, mine):
            work(found, turn)
        expected = theirs.collect()
        assert expected[0]
        assert mine.collect() == expected
        assert mine.collect() == theirs.collect()


def test_canary_private_parts_of_the_sdk_are_where_they_should_be() -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    instrument: Any = found.counter

    assert aggregating._matches(instrument, aggregating.EVERYTHING.direct) is not None
    found.counter.add(1, {"a": "x"})
    found.histogram.record(1, {"a": "x"})
    found.collect()
    takers: list[Any] = [instrument.add, found.histogram.record]
    for taker, kind in zip(takers, [aggregating._SUM, aggregating._HISTOGRAM], strict=True):
        deferred = next(
            cell.cell_contents
            for cell in taker.__closure__
            if hasattr(cell.cell_contents, "series")
        )
        [series] = deferred.series.values()
        assert [place.kind for place in series.target._places] == [kind] * 2
        assert not series.target._unknown


def test_a_sum_keeps_an_exemplar_of_a_sampled_trace() -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    for turn in range(2):
        for number in range(1, 10):
            found.counter.add(number, {"a": "x"}, within(number, sampled=number < 8))
        data: Any = found.readers[0].get_metrics_data()
        [point] = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
        [exemplar] = point.exemplars
        assert exemplar.trace_id == exemplar.value
        assert 1 <= exemplar.value < 8
        assert point.value == 45 * (turn + 1)


def test_instruments_stay_what_they_are() -> None:
    provider = FfeMeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    meter = provider.get_meter("scope")

    assert isinstance(provider, MeterProvider)
    assert meter.create_counter("c") is meter.create_counter("c")
    assert isinstance(meter.create_counter("c"), Counter)
    assert isinstance(meter.create_histogram("h"), Histogram)


def test_what_the_sdk_refuses_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    with caplog.at_level(logging.WARNING):
        found.counter.add(-1)
        found.histogram.record(-1)
        for bad in (math.nan, math.inf):
            found.counter.add(bad)
            found.histogram.record(bad)
            found.up_down.add(bad)
            found.up_down.add(-bad)
        with pytest.raises(TypeError):
            found.counter.add("1")  # type: ignore[arg-type]

    assert "non-negative" in caplog.text


def test_labels_that_can_change_are_taken_at_once() -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    names = ["a"]
    try:
        found.counter.add(1, {"names": names})
    except TypeError:
        pytest.skip("this SDK takes no lists")
    names.append("b")

    [scope] = found.collect()[0][:1]
    assert scope[-1][0][1] in ([("names", "('a',)")], [("names", "['a']")])


def test_a_reader_that_is_added_later_sees_what_comes_later() -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    found.counter.add(1, {"a": "x"})
    found.collect()
    late = InMemoryMetricReader()
    found.provider.add_metric_reader(late)

    found.counter.add(2, {"a": "x"})

    data: Any = late.get_metrics_data()
    values = [
        p.value for p in data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    ]
    assert values == [2]
    assert found.collect()[0][0][-1][0][0] == {"value": 3}


def test_nothing_is_lost_with_many_threads_and_no_collection() -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    provider: Any = found.provider

    def count() -> None:
        for _ in range(10_000):
            found.counter.add(1, {"a": "x"})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert provider.measurements.waiting <= 20_100
    assert found.collect()[0][0][-1][0][0] == {"value": 40_000}


def test_a_forked_child_counts_none_of_the_parents() -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    found.counter.add(1, {"a": "x"})
    child = os.fork()
    if child == 0:
        found.counter.add(5, {"a": "x"})
        value = found.collect()[0][0][-1][0][0]["value"]
        os._exit(value)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    assert found.collect()[0][0][-1][0][0] == {"value": 1}


def test_pages_show_the_scopes_that_are_theirs() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    provider = FfeMeterProvider(
        [
            ScopeReader(ours, is_ours, Exemplars(), scope_labels=False),
            ScopeReader(theirs, lambda scope: not is_ours(scope), Exemplars(), scope_labels=True),
        ],
        shutdown_on_exit=False,
    )
    provider.get_meter(semconv.SCOPE).create_counter("ours").add(1)
    provider.get_meter("engine").create_counter("theirs").add(2)

    assert b"ours_total 1.0" in generate_latest(ours)
    assert b"theirs_total{" in generate_latest(theirs)
    assert b"theirs" not in generate_latest(ours)
    assert b"ours" not in generate_latest(theirs)


def test_a_measurement_is_in_the_collection_that_follows_it() -> None:
    found = Readings(FfeMeterProvider, [], None, None)
    for number in range(1, 50):
        found.counter.add(1, {"a": "x"})
        assert found.collect()[0][0][-1][0][0] == {"value": number}


def test_measurements_do_not_wait_for_a_collection(ffe_telemetry: Telemetry) -> None:
    """They hold a span each, and a collection may be far off."""
    provider: Any = ffe_telemetry.handle.meter_provider
    provider.get_meter("engine").create_counter("c").add(1)
    end = time.monotonic() + 10
    while provider.measurements.waiting and time.monotonic() < end:
        time.sleep(0.01)

    assert not provider.measurements.waiting


class Interrupting(AlwaysOnExemplarFilter):
    """Has somebody measure in the middle of a collection, as logging or a finalizer may."""

    def __init__(self) -> None:
        self.interrupt: Any = None

    def should_sample(self, *args: Any, **kwargs: Any) -> bool:
        interrupt, self.interrupt = self.interrupt, None
        if interrupt is not None:
            interrupt()
        return super().should_sample(*args, **kwargs)


def test_who_measures_waits_for_nobody_who_empties_the_queue() -> None:
    exemplars = Interrupting()
    reader = InMemoryMetricReader()
    provider = FfeMeterProvider([reader], exemplar_filter=exemplars, shutdown_on_exit=False)
    counter = provider.get_meter("scope").create_counter("c")

    def fill() -> None:
        for _ in range(CAPACITY + 1):
            counter.add(1)

    counter.add(1)
    exemplars.interrupt = fill
    # The lock is this thread's when it measures again.
    collecting = threading.Thread(target=provider.measurements.drain, daemon=True)
    collecting.start()
    collecting.join(20)

    assert not collecting.is_alive()
    data: Any = reader.get_metrics_data()
    [metric] = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.data.data_points[0].value == CAPACITY + 2


def test_who_measures_too_much_takes_only_his_own_along() -> None:
    reader = InMemoryMetricReader()
    provider = FfeMeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("scope").create_counter("c")
    for _ in range(5):
        counter.add(1, {"a": "seldom"})
    for _ in range(CAPACITY + 1):
        counter.add(1, {"a": "often"})

    assert provider.measurements.waiting == 5
    data: Any = reader.get_metrics_data()
    [metric] = data.resource_metrics[0].scope_metrics[0].metrics
    found = {point.attributes["a"]: point.value for point in metric.data.data_points}
    assert found == {"seldom": 5, "often": CAPACITY + 1}


def test_labels_beyond_bounds_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffe_otel.sdk.measuring._MOST_SERIES", 3)
    theirs = Readings(MeterProvider, [], None, None)
    mine = Readings(FfeMeterProvider, [], None, None)
    for found in (theirs, mine):
        for number in range(20):
            found.counter.add(number, {"a": str(number % 7)})

    assert mine.collect() == theirs.collect()
