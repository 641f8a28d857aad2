# SPDX-License-Identifier: Apache-2.0
"""Charts: rates across resets, quantiles of histograms, values of gauges."""

from __future__ import annotations

import time

import pytest
from sample_records import attributes

from ffe_otel import semconv as s
from ffe_otel.observe import metric_math as mm

SECOND = 10**9


def point(at, start, **fields):
    """A data point at ``at`` seconds of a series that began at ``start``."""
    times = {"timeUnixNano": str(int(at * SECOND)), "startTimeUnixNano": str(int(start * SECOND))}
    labels = attributes(fields.pop("labels", {}))
    return {**times, "attributes": labels, **fields}


def send(server, name, kind, points, temporality=2, instance="one", **fields):
    """Send points of one metric and wait until they are held."""
    before = server.get("status")["store"]["metric_points"]
    data = {"dataPoints": points, "aggregationTemporality": temporality, **fields}
    if kind == "gauge":
        data = {"dataPoints": points}
    resource = {"attributes": attributes({"service.instance.id": instance})}
    scope = {"metrics": [{"name": name, kind: data}]}
    payload = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}
    assert server.post("metrics", payload).status == 200
    server.stored(metric_points=before + len(points))


def values(server, name, **query):
    """Points of a chart that has one line, without gaps at its ends."""
    (line,) = server.get("metrics/series", name=name, **query)["series"]
    return [value for _, value in line["points"] if value is not None]


def test_a_rate_survives_a_restart_of_the_counter(server):
    now, labels = time.time(), {"labels": {"way": "in"}}
    first = [point(now - 600 + 10 * n, now - 600, asInt=str(50 * n), **labels) for n in range(30)]
    second = [
        point(now - 300 + 10 * n, now - 310, asInt=str(50 * n + 50), **labels) for n in range(30)
    ]
    send(server, "things", "sum", first + second, isMonotonic=True)
    rates = values(server, "things", range=550, step=10, stat="rate")
    assert rates == pytest.approx([5.0] * len(rates), rel=0.02)
    assert len(rates) >= 54


def test_deltas_and_totals_give_the_same_rate(server):
    now = time.time()
    totals = [point(now - 300 + 10 * n, now - 300, asInt=str(20 * n)) for n in range(31)]
    deltas = [point(now - 300 + 10 * n, now - 310 + 10 * n, asInt="20") for n in range(1, 31)]
    send(server, "totals", "sum", totals, isMonotonic=True)
    send(server, "deltas", "sum", deltas, temporality=1, isMonotonic=True)
    for name in ("totals", "deltas"):
        rates = values(server, name, range=250, step=10, stat="rate")
        assert rates == pytest.approx([2.0] * len(rates), rel=0.02)


def test_lines_are_told_apart_by_the_asked_labels_and_sum_up_the_others(server):
    now = time.time()
    for instance in ("one", "two"):
        points = [
            point(now - 60 + 10 * n, now - 60, asInt=str(10 * n), labels={"a": a, "b": b})
            for n in range(7) for a in "xy" for b in "12"
        ]  # fmt: skip
        send(server, "things", "sum", points, isMonotonic=True, instance=instance)
    answer = server.get("metrics/series", name="things", by="a", range=60, step=10, stat="rate")
    assert [line["labels"] for line in answer["series"]] == [{"a": "x"}, {"a": "y"}]
    for line in answer["series"]:
        assert [v for _, v in line["points"] if v is not None][-1] == pytest.approx(4.0, rel=0.05)
    assert values(server, "things", range=60, step=10, stat="rate")[-1] == pytest.approx(
        8.0, rel=0.05
    )
    both = server.get("metrics/series", name="things", by="a,b", range=60, stat="value")["series"]
    assert [line["labels"] for line in both] == [{"a": a, "b": b} for a in "xy" for b in "12"]


@pytest.mark.parametrize("temporality", [1, 2])
def test_quantiles_and_averages_of_a_histogram(server, temporality):
    now, bounds = time.time(), [0.1, 0.5, 1.0, 2.0]
    points = []
    for n in range(1, 31):
        times = n if temporality == 2 else 1
        start = now - 300 if temporality == 2 else now - 310 + 10 * n
        counts = [0, 6 * times, 3 * times, times, 0]
        points.append(
            point(now - 300 + 10 * n, start, count=str(10 * times), sum=6.0 * times,
                  explicitBounds=bounds, bucketCounts=list(map(str, counts)))
        )  # fmt: skip
    send(server, "took", "histogram", points, temporality=temporality)
    query = {"range": 200, "step": 20}
    assert values(server, "took", stat="p50", **query) == pytest.approx([0.1 + 0.4 * 5 / 6] * 10)
    assert values(server, "took", stat="p95", **query) == pytest.approx([1.5] * 10)
    assert values(server, "took", stat="avg", **query) == pytest.approx([0.6] * 10)
    assert values(server, "took", stat="rate", **query) == pytest.approx([1.0] * 10, rel=0.05)


def histogram(at, start, counts, **fields):
    """A point of a histogram with the page's bounds for a cycle's duration."""
    return point(at, start, count=str(sum(counts)), explicitBounds=[0.1, 0.5, 1.0, 2.0],
                 bucketCounts=list(map(str, counts)), **fields)  # fmt: skip


@pytest.mark.parametrize("temporality", [1, 2])
def test_quantiles_lie_within_what_was_observed(server, temporality):
    now = time.time()
    points = [histogram(now - 10, now - 60, [100, 0, 0, 0, 0], sum=0.15, min=0.0014, max=0.0016)]
    send(server, "took", "histogram", points, temporality=temporality)
    for stat, expected in (("p50", 0.0015), ("p95", 0.00159), ("p99", 0.001598)):
        assert values(server, "took", range=60, stat=stat)[-1] == pytest.approx(expected)


def test_a_maximum_of_long_ago_is_a_bound_and_no_observation(server):
    now = time.time()
    points = [
        histogram(now - 300, now - 900, [0, 0, 0, 0, 1], min=900.0, max=900.0),
        histogram(now - 20, now - 900, [10, 0, 0, 0, 2], min=0.09, max=900.0),
        histogram(now - 10, now - 900, [20, 0, 0, 0, 2], min=0.09, max=900.0),
    ]
    send(server, "took", "histogram", points)
    assert values(server, "took", range=60, stat="p50")[-1] == pytest.approx(0.09, rel=0.2)
    assert values(server, "took", range=60, stat="p99")[-1] == 2.0


def test_one_series_without_a_maximum_leaves_the_line_without(server):
    now = time.time()
    for name, fields in (("one", {"max": 0.2, "min": 0.2}), ("two", {})):
        points = [histogram(now - 10, now - 60, [0, 10, 0, 0, 0], **fields)]
        send(server, "took", "histogram", points, instance=name)
    assert values(server, "took", range=60, stat="p50")[-1] == pytest.approx(0.3)


def test_a_gauge_is_held_over_short_gaps_and_ends_after_long_ones(server):
    now = time.time()
    send(
        server, "level", "gauge", [point(now - 400, 0, asDouble=1.5), point(now - 10, 0, asInt="2")]
    )
    (line,) = server.get("metrics/series", name="level", range=600, step=10)["series"]
    known = [value for _, value in line["points"]]
    assert known.count(1.5) == 12
    assert known[-1] == 2
    assert known[0] is None
    assert known[40] is None


def test_a_metric_answers_to_its_prometheus_name(server):
    now = time.time()
    points = [
        point(now - 20 + 10 * n, now - 60, asDouble=n, labels={"provider": "x"}) for n in range(3)
    ]
    send(server, s.LLM_COST_TOTAL.name, "sum", points, isMonotonic=True)
    by_name = server.get("metrics/series", name=s.LLM_COST_TOTAL.name, stat="value")
    assert server.get("metrics/series", name=s.LLM_COST_TOTAL.prometheus, stat="value") == by_name
    (entry,) = server.get("metrics")["metrics"]
    assert entry["prometheus"] == s.LLM_COST_TOTAL.prometheus
    assert entry["labels"] == {"provider": ["x"]}


def test_an_unknown_metric_is_a_clear_404(server):
    answer = server.ask("metrics/series", name="nothing")
    assert answer.status == 404
    assert "nothing" in answer.json()["error"]


def test_exponential_histograms_summaries_and_points_without_value_are_taken(server):
    now = time.time()
    exponential = point(now, now - 60, count="6", sum=30.0, scale=0, zeroCount="1",
                        positive={"offset": 1, "bucketCounts": ["2", "3"]})  # fmt: skip
    send(server, "exponential", "exponentialHistogram", [exponential])
    send(server, "summary", "summary", [point(now, now - 60, count="4", sum=2.0)])
    assert 2 < values(server, "exponential", stat="p95", range=60)[-1] < 8
    assert values(server, "summary", range=60, stat="avg")[-1] == 0.5
    nothing = point(now, now - 60, flags=1)
    broken = point(now + 1, now - 60, asDouble="NaN")
    send(server, "level", "gauge", [broken])
    assert server.get("metrics/series", name="level", range=60)["series"] == []
    payload = {
        "scopeMetrics": [{"metrics": [{"name": "level", "gauge": {"dataPoints": [nothing]}}]}]
    }
    assert server.post("metrics", {"resourceMetrics": [payload]}).status == 200


def test_the_grid_has_about_120_points_and_never_too_many():
    now = int(time.time() * SECOND)
    assert mm.make_grid(now, 3600, None).slots == 120
    assert mm.make_grid(now, 3600, 0.001).slots <= mm.MAX_POINTS
    grid = mm.make_grid(now, 3600, 30)
    assert grid.end_ns % grid.step_ns == 0
    assert 0 <= grid.end_ns - now < grid.step_ns


@pytest.mark.parametrize(
    ("share", "counts", "expected"),
    [
        (0.5, [0, 0, 0], None),
        (0.5, [10, 0, 0], 0.5),
        (1.0, [10, 0, 0], 1.0),
        (0.5, [0, 10, 0], 1.5),
        (0.99, [0, 0, 10], 2.0),
        (0.25, [10, 10, 0], 0.5),
    ],
)
def test_quantiles_interpolate_within_a_bucket(share, counts, expected):
    assert mm.quantile(share, [1.0, 2.0], counts) == expected


@pytest.mark.parametrize(
    ("share", "counts", "within", "expected"),
    [
        (0.5, [10, 0, 0], mm.Extremes(0.6, 0.8), 0.7),
        (0.5, [10, 0, 0], mm.Extremes(-4.0, 0.0, observed=True), -2.0),
        (0.5, [10, 0, 0], mm.Extremes(-4.0, 0.5), 0.25),
        (0.5, [0, 0, 10], mm.Extremes(2.5, 4.5, observed=True), 3.5),
        (0.5, [0, 0, 10], mm.Extremes(2.5, 4.5), 2.5),
        (0.95, [0, 10, 0], mm.Extremes(1.3, 1.3), 1.3),
        (0.5, [0, 10, 0], mm.Extremes(5.0, 0.1), 5.0),
        (0.5, [0, 10, 0], mm.Extremes(), 1.5),
    ],
)
def test_extremes_narrow_the_buckets_at_the_edges(share, counts, within, expected):
    assert mm.quantile(share, [1.0, 2.0], counts, within) == pytest.approx(expected)
