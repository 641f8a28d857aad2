# SPDX-License-Identifier: Apache-2.0
"""What was added between the points of series, by the slots of a chart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ffe_otel.observe.metric_math import Grid
    from ffe_otel.observe.store.database import Connection

_BASE_NS: Final = 600 * 10**9
"""How far before the chart a counter's value is looked for to count from, ns."""


@dataclass(frozen=True, slots=True)
class Group:
    """The series that one line of a chart sums up; all have the same ``bounds``."""

    labels: tuple[tuple[str, str], ...]
    bounds: tuple[float, ...]
    ids: list[int] = field(default_factory=list)


# Increments between the points of each series. A counter that began anew, by its start
# time or by a smaller value, counts from zero; the first point seen of a series counts
# only if the series itself began within what is looked at.
_INCREMENTS: Final = """
WITH wanted AS (SELECT unnest(?::UBIGINT[]) AS series_id, unnest(?::INTEGER[]) AS grp),
near AS (
  SELECT grp, series_id, time_ns, start_ns, value, count, buckets, "min" AS low, "max" AS high,
    lag(time_ns) OVER w AS before_ns, lag(start_ns) OVER w AS before_start,
    lag(value) OVER w AS value0, lag(count) OVER w AS count0, lag(buckets) OVER w AS buckets0
  FROM points JOIN wanted USING (series_id)
  WHERE time_ns > $low AND time_ns <= $high
  WINDOW w AS (PARTITION BY series_id ORDER BY time_ns)
),
stepped AS (
  SELECT *, CAST(floor((time_ns - 1 - $begin) / $step) AS INTEGER) AS slot,
    $delta OR (before_ns IS NULL AND start_ns > $low) OR start_ns > before_start
      OR ($monotonic AND coalesce(count < count0, value < value0, false)) AS anew,
    coalesce(before_ns, start_ns) AS since_ns
  FROM near WHERE $delta OR before_ns IS NOT NULL OR start_ns > $low
)
"""
_SUMS: Final = """
SELECT grp, slot, sum(CASE WHEN anew THEN value ELSE value - value0 END),
  sum(CASE WHEN anew THEN count ELSE count - count0 END),
  min(greatest(since_ns, $low)), max(time_ns)
FROM stepped GROUP BY grp, slot
"""
_BUCKETS: Final = """
SELECT grp, slot, place, sum(amount) FROM (
  SELECT grp, slot, generate_subscripts(buckets, 1) AS place,
    unnest(CASE WHEN anew OR len(buckets) <> len(buckets0) THEN buckets
      ELSE list_transform(list_zip(buckets, buckets0), lambda x: x[1] - x[2]) END) AS amount
  FROM stepped
) GROUP BY grp, slot, place
"""
# One series that does not say its extremes leaves the slot without.
_EXTREMES: Final = """
SELECT grp, slot, min(coalesce(low, '-infinity'::DOUBLE)), max(coalesce(high, 'infinity'::DOUBLE))
FROM stepped WHERE CASE WHEN anew THEN count ELSE count - count0 END > 0 GROUP BY grp, slot
"""


def sums_by_slot(
    connection: Connection, grid: Grid, groups: Sequence[Group], *, delta: bool, monotonic: bool
) -> list[tuple[Any, ...]]:
    """Number of the group, slot, what was added to value and count, since and until when."""
    return _rows(connection, _SUMS, grid, groups, delta=delta, monotonic=monotonic)


def buckets_by_slot(
    connection: Connection, grid: Grid, groups: Sequence[Group], *, delta: bool
) -> list[tuple[Any, ...]]:
    """Number of the group, slot, place of a bucket from 1 on, and what was added to it."""
    return _rows(connection, _BUCKETS, grid, groups, delta=delta)


def extremes_by_slot(
    connection: Connection, grid: Grid, groups: Sequence[Group], *, delta: bool
) -> list[tuple[Any, ...]]:
    """Number of the group, slot, and between what the values lie that were added."""
    return _rows(connection, _EXTREMES, grid, groups, delta=delta)


def members(groups: Sequence[Group]) -> list[list[int]]:
    """All series of the groups, and beside each the number of its group."""
    pairs = [(i, number) for number, group in enumerate(groups) for i in group.ids]
    return [[i for i, _ in pairs], [number for _, number in pairs]]


def _rows(
    connection: Connection, select: str, grid: Grid, groups: Sequence[Group], *,
    delta: bool, monotonic: bool = True,
) -> list[tuple[Any, ...]]:  # fmt: skip
    numbers = {
        "$begin": grid.begin_ns,
        "$step": grid.step_ns,
        "$low": grid.begin_ns - grid.window * grid.step_ns - _BASE_NS,
        "$high": grid.end_ns,
        "$delta": delta,
        "$monotonic": monotonic,
    }
    text = re.sub(r"\$\w+", lambda m: str(numbers[m[0]]), _INCREMENTS + select)
    return list(connection.execute(text, members(groups)).fetchall())
