# SPDX-License-Identifier: Apache-2.0
"""From increments and last values in time slots to the points of a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WINDOW: Final = 120.0
"""Rates and quantiles look back over this, seconds, or over a step where it is longer.

An agent does something every half minute or so; shorter windows would draw dots."""
MAX_POINTS: Final = 2000
_AUTO_POINTS: Final = 120
_MIN_STEP: Final = 1.0


@dataclass(frozen=True, slots=True)
class Grid:
    """The points of a chart: ``slots`` steps of ``step_ns`` after ``begin_ns``."""

    begin_ns: int
    step_ns: int
    slots: int

    @property
    def end_ns(self) -> int:
        """Time of the last point, ns since the epoch."""
        return self.begin_ns + self.slots * self.step_ns

    @property
    def window(self) -> int:
        """Slots a rate or quantile looks back over, its own included."""
        return max(1, round(WINDOW * 1e9 / self.step_ns))

    def time_ns(self, slot: int) -> int:
        """End of a slot, the time its point is drawn at."""
        return self.begin_ns + (slot + 1) * self.step_ns


def make_grid(now_ns: int, range_seconds: float, step_seconds: float | None) -> Grid:
    """A grid that ends now; ``step_seconds`` None chooses about 120 points.

    Slots lie on multiples of the step, so that a chart asked for again does not jitter.
    """
    step = max(step_seconds or range_seconds / _AUTO_POINTS, _MIN_STEP, range_seconds / MAX_POINTS)
    step_ns = int(step * 1e9)
    end = -(-now_ns // step_ns) * step_ns
    slots = max(1, int(range_seconds * 1e9 // step_ns))
    return Grid(end - slots * step_ns, step_ns, slots)


def sliding(values: Mapping[int, float], slots: int, window: int) -> list[float]:
    """For each of ``slots`` slots the sum over ``window`` slots that end with it.

    Slots before the chart have negative numbers.
    """
    first = min(0, *values) if values else 0
    sums = list(accumulate((values.get(i, 0.0) for i in range(first, slots)), initial=0.0))
    return [sums[i - first + 1] - sums[max(0, i - first + 1 - window)] for i in range(slots)]


def rates(
    increments: Mapping[int, float], spans: Mapping[int, tuple[int, int]], grid: Grid
) -> list[float | None]:
    """Increase a second, over the window that ends with each slot.

    Args:
        increments: what was added in a slot; slots before the chart are negative.
        spans: since and until when those increments were added, ns since the epoch.
        grid: the chart.
    """
    sums = sliding(increments, grid.slots, grid.window)
    found: list[float | None] = []
    for slot, total in enumerate(sums):
        near = [spans[i] for i in range(slot - grid.window + 1, slot + 1) if i in spans]
        length = max(u for _, u in near) - min(s for s, _ in near) if near else 0
        found.append(total / length * 1e9 if length > 0 else None)
    return found


def last_values(values: Mapping[int, float], grid: Grid) -> list[float | None]:
    """The latest value of each slot, held over gaps no longer than the window."""
    held: float | None = None
    age = grid.window
    found: list[float | None] = []
    for slot in range(min(0, *values), grid.slots) if values else range(grid.slots):
        if slot in values:
            held, age = values[slot], 0
        else:
            age += 1
        if slot >= 0:
            found.append(held if age < grid.window else None)
    return found


@dataclass(frozen=True, slots=True)
class Extremes:
    """Between which values the observations of a window lie; infinite where nobody said.

    Attributes:
        low: none is smaller.
        high: none is bigger.
        observed: both were observed in the window itself. A cumulative stream's are over
            its whole life, so that they bound the window and may be far from it.
    """

    low: float = -math.inf
    high: float = math.inf
    observed: bool = False

    def clamp(self, value: float) -> float:
        """The nearest value that lies between both."""
        return max(self.low, min(value, self.high))


def sliding_extremes(
    found: Mapping[int, tuple[float, float]], slots: int, window: int, *, observed: bool
) -> list[Extremes]:
    """For each of ``slots`` slots the extremes over ``window`` slots that end with it."""
    lows, highs = [math.inf] * slots, [-math.inf] * slots
    for slot, (low, high) in found.items():
        for i in range(max(0, slot), min(slot + window, slots)):
            lows[i], highs[i] = min(lows[i], low), max(highs[i], high)
    return [
        Extremes(low, high, observed) if low <= high else Extremes()
        for low, high in zip(lows, highs, strict=True)
    ]


def quantile(
    share: float, bounds: Sequence[float], counts: Sequence[float], within: Extremes | None = None
) -> float | None:
    """The value under which ``share`` of the observations lie, by linear interpolation.

    ``counts`` has one more entry than ``bounds``, for what lies above the last of them.
    """
    total = sum(counts)
    if total <= 0 or not bounds:
        return None
    within = within or Extremes()
    rank, below = share * total, 0.0
    for position, count in enumerate(counts):
        if count > 0 and below + count >= rank:
            lower, upper = _edges(position, bounds, within)
            return within.clamp(lower + (upper - lower) * max(0.0, rank - below) / count)
        below += max(count, 0)
    return within.clamp(bounds[-1])


def _edges(position: int, bounds: Sequence[float], within: Extremes) -> tuple[float, float]:
    """Between which values the observations of a bucket lie.

    The outermost buckets are open. Without an observed extreme they are taken to begin at
    zero and to have no width above the last bound.
    """
    lower = bounds[position - 1] if position else min(0.0, bounds[0])
    upper = bounds[min(position, len(bounds) - 1)]
    if within.observed and position == 0:
        lower = min(lower, within.low) if math.isfinite(within.low) else lower
    if within.observed and position == len(bounds):
        upper = max(upper, within.high) if math.isfinite(within.high) else upper
    return within.clamp(lower), within.clamp(upper)
