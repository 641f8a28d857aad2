# SPDX-License-Identifier: Apache-2.0
"""The catalogue of metrics and their series over time."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.observe import metric_math as mm
from ffe_otel.observe.queries.increments import (
    Group,
    buckets_by_slot,
    extremes_by_slot,
    members,
    sums_by_slot,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ffe_otel.observe.store.database import Connection

STATS: Final = ("value", "rate", "p50", "p95", "p99", "avg")
_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_DEFAULT_STAT: Final = {"counter": "rate", "histogram": "p95", "summary": "avg"}
MAX_GROUPS: Final = 100
MAX_LABEL_VALUES: Final = 100
_BY_NAME: Final = {m.name: m for m in semconv.METRICS}
_UNITS: Final = {"s": "seconds", "ms": "milliseconds", "By": "bytes"}


class UnknownMetricError(LookupError):
    """No metric of that name has arrived."""


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """One chart: the metric by either of its names, the grid, what to compute, by which labels."""

    name: str
    grid: mm.Grid
    stat: str = ""
    by: tuple[str, ...] = ()


def prometheus_name(name: str, kind: str, unit: str) -> str:
    """The name a Prometheus server shows for a metric."""
    if name in _BY_NAME:
        return _BY_NAME[name].prometheus
    text = re.sub(r"[^a-zA-Z0-9_:]+", "_", name)
    suffix = "ratio" if unit == "1" and kind == "gauge" else _UNITS.get(unit, "")
    if suffix and not text.endswith(suffix):
        text += f"_{suffix}"
    return text if kind != "counter" or text.endswith("_total") else f"{text}_total"


def list_metrics(connection: Connection) -> list[dict[str, Any]]:
    """Every metric with the values its labels take."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind, unit, description, labels in connection.execute(
        "SELECT name, kind, unit, description, labels FROM series ORDER BY name"
    ).fetchall():
        entry = found.setdefault(
            name,
            {
                "name": name,
                "prometheus": prometheus_name(name, kind, unit),
                "kind": kind,
                "unit": unit,
                "description": description,
                "labels": {},
            },
        )
        for key, value in json.loads(labels).items():
            values = entry["labels"].setdefault(key, [])
            if value not in values and len(values) < MAX_LABEL_VALUES:
                values.append(value)
    for entry in found.values():
        entry["labels"] = {key: sorted(values) for key, values in sorted(entry["labels"].items())}
    return list(found.values())


def series(connection: Connection, query: SeriesQuery) -> dict[str, Any]:
    """The lines of a chart.

    Raises:
        UnknownMetricError: no such metric.
    """
    kind, unit, delta, groups = _select(connection, query)
    stat = query.stat or _DEFAULT_STAT.get(kind, "value")
    if stat in _QUANTILES:
        lines = _quantile_lines(connection, query.grid, groups, delta, _QUANTILES[stat])
    elif stat == "rate" or kind in {"histogram", "summary"}:
        lines = _rate_lines(connection, query.grid, groups, kind, delta, stat)
    else:
        lines = _value_lines(connection, query.grid, groups, stat)
    if stat == "rate":
        unit = f"{unit}/s" if kind not in {"histogram", "summary"} else "1/s"
    times = [query.grid.time_ns(slot) // 1_000_000 for slot in range(query.grid.slots)]
    return {
        "series": [
            {"labels": dict(labels), "points": list(zip(times, points, strict=True))}
            for labels, points in sorted(lines.items())
            if any(p is not None for p in points)
        ],
        "unit": unit,
        "stat": stat,
        "kind": kind,
    }


Lines = dict[tuple[tuple[str, str], ...], list[float | None]]


def _select(connection: Connection, query: SeriesQuery) -> tuple[str, str, bool, list[Group]]:
    """Kind, unit, whether points are deltas, and the groups of a metric's series."""
    names = {query.name} | {m.name for m in semconv.METRICS if m.prometheus == query.name}
    rows = connection.execute(
        "SELECT series_id, name, kind, unit, temporality, labels, bounds FROM series "
        "WHERE list_contains(?::VARCHAR[], name)",
        [sorted(names)],
    ).fetchall()
    if not rows:
        rows = _by_prometheus_name(connection, query.name)
    if not rows:
        raise UnknownMetricError(query.name)
    kind = rows[0][2]
    groups: dict[tuple[Any, Any], Group] = {}
    for series_id, _, other_kind, _, _, labels, bounds in rows:
        if other_kind != kind:
            continue
        own = json.loads(labels)
        key = tuple((label, str(own.get(label, ""))) for label in query.by)
        edges = tuple(float(b) for b in json.loads(bounds) or ()) if bounds else ()
        if (key, edges) in groups or len(groups) < MAX_GROUPS:
            groups.setdefault((key, edges), Group(key, edges)).ids.append(series_id)
    return kind, rows[0][3], rows[0][4] == "delta", list(groups.values())


def _by_prometheus_name(connection: Connection, name: str) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        "SELECT series_id, name, kind, unit, temporality, labels, bounds FROM series"
    ).fetchall()
    return [row for row in rows if prometheus_name(row[1], row[2], row[3]) == name]


def _rate_lines(
    connection: Connection, grid: mm.Grid, groups: Sequence[Group], kind: str, delta: bool,
    stat: str,
) -> Lines:  # fmt: skip
    observed = kind in {"histogram", "summary"}
    rows = sums_by_slot(connection, grid, groups, delta=delta, monotonic=kind != "up_down_counter")
    lines: Lines = {}
    for labels, numbers in _lines_of(groups).items():
        mine = [r for r in rows if r[0] in numbers]
        if not mine:
            continue
        sums = _add((r[1], r[2] or 0.0) for r in mine)
        counts = _add((r[1], r[3] or 0) for r in mine)
        if stat == "rate" or not observed:
            lines[labels] = mm.rates(counts if observed else sums, _spans(mine), grid)
        elif stat == "avg":
            lines[labels] = _averages(sums, counts, grid)
        else:
            lines[labels] = list(mm.sliding(counts, grid.slots, grid.window))
    return lines


def _spans(rows: Iterable[tuple[Any, ...]]) -> dict[int, tuple[int, int]]:
    """Since and until when the increments of each slot were added."""
    spans: dict[int, tuple[int, int]] = {}
    for _, slot, _, _, since, until in rows:
        known = spans.get(slot, (since, until))
        spans[slot] = (min(known[0], since), max(known[1], until))
    return spans


def _averages(
    sums: dict[int, float], counts: dict[int, float], grid: mm.Grid
) -> list[float | None]:
    totals = mm.sliding(sums, grid.slots, grid.window)
    numbers = mm.sliding(counts, grid.slots, grid.window)
    return [t / n if n > 0 else None for t, n in zip(totals, numbers, strict=True)]


def _quantile_lines(
    connection: Connection, grid: mm.Grid, groups: Sequence[Group], delta: bool, share: float
) -> Lines:
    cells: dict[tuple[int, int], dict[int, float]] = {}
    for grp, slot, place, amount in buckets_by_slot(connection, grid, groups, delta=delta):
        cells.setdefault((grp, place), {})[slot] = float(amount)
    extremes: dict[int, dict[int, tuple[float, float]]] = {}
    for grp, slot, low, high in extremes_by_slot(connection, grid, groups, delta=delta):
        extremes.setdefault(grp, {})[slot] = (low, high)
    lines: Lines = {}
    for number, group in enumerate(groups):
        places = range(1, len(group.bounds) + 2)
        columns = [mm.sliding(cells.get((number, p), {}), grid.slots, grid.window) for p in places]
        within = mm.sliding_extremes(
            extremes.get(number, {}), grid.slots, grid.window, observed=delta
        )
        points = [
            mm.quantile(share, group.bounds, counts, near)
            for counts, near in zip(zip(*columns, strict=True), within, strict=True)
        ]
        # Buckets that changed in between are another line with the same labels.
        old = lines.get(group.labels, [None] * grid.slots)
        lines[group.labels] = [n if n is not None else o for n, o in zip(points, old, strict=True)]
    return lines


def _value_lines(
    connection: Connection, grid: mm.Grid, groups: Sequence[Group], stat: str
) -> Lines:
    rows = connection.execute(
        "SELECT grp, series_id, CAST(floor((time_ns - 1 - ?) / ?) AS INTEGER) AS slot, "
        "arg_max(value, time_ns) FROM points JOIN (SELECT unnest(?::UBIGINT[]) AS series_id, "
        "unnest(?::INTEGER[]) AS grp) USING (series_id) "
        "WHERE time_ns > ? AND time_ns <= ? AND value IS NOT NULL GROUP BY grp, series_id, slot",
        [grid.begin_ns, grid.step_ns, *members(groups),
         grid.begin_ns - grid.window * grid.step_ns, grid.end_ns],
    ).fetchall()  # fmt: skip
    values: dict[tuple[int, int], dict[int, float]] = {}
    for grp, series_id, slot, value in rows:
        values.setdefault((grp, series_id), {})[slot] = value
    lines: Lines = {}
    for labels, numbers in _lines_of(groups).items():
        held = [mm.last_values(v, grid) for (grp, _), v in values.items() if grp in numbers]
        if held:
            lines[labels] = [_fold(column, stat) for column in zip(*held, strict=True)]
    return lines


def _fold(column: Sequence[float | None], stat: str) -> float | None:
    known = [v for v in column if v is not None]
    if not known:
        return None
    return sum(known) / len(known) if stat == "avg" else sum(known)


def _lines_of(groups: Sequence[Group]) -> dict[tuple[tuple[str, str], ...], set[int]]:
    """Numbers of the groups that make up each line: bounds do not tell lines apart."""
    lines: dict[tuple[tuple[str, str], ...], set[int]] = {}
    for number, group in enumerate(groups):
        lines.setdefault(group.labels, set()).add(number)
    return lines


def _add(pairs: Iterable[tuple[int, float]]) -> dict[int, float]:
    total: dict[int, float] = {}
    for key, value in pairs:
        # One increment beyond a float would blank the line from there on.
        if math.isfinite(value):
            total[key] = total.get(key, 0.0) + float(value)
    return total
