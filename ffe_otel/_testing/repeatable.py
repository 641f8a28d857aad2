# SPDX-License-Identifier: Apache-2.0
"""Time and ids that are the same in every run of a test."""

from __future__ import annotations

import itertools
import random
import threading
from typing import Final

from ffe_otel.correlation import FfeIdGenerator

# 2026-01-05 09:30 UTC, a Monday: round, recognisable, and no weekend to markets.
START_NS: Final = 1_767_605_400_000_000_000
_SECOND_NS: Final = 1_000_000_000


class FakeClock:
    """A clock that moves only when told to.

    Wall time and monotonic time move together.

    Attributes:
        tick: Seconds the clock moves by itself each time it is read; 0 at first.

    Args:
        start_ns: Wall time at the beginning, Unix nanoseconds.
    """

    def __init__(self, start_ns: int = START_NS) -> None:
        self.tick = 0.0
        self._start_ns = start_ns
        self._elapsed_ns = 0
        self._lock = threading.Lock()

    def advance(self, seconds: float) -> None:
        """Move the clock.

        Args:
            seconds: By how much; not negative.

        Raises:
            ValueError: `seconds` is negative: time that runs back is no monotonic time.
        """
        if seconds < 0:
            raise ValueError(f"cannot advance the clock by {seconds} s: time does not run back")
        with self._lock:
            self._elapsed_ns += round(seconds * _SECOND_NS)

    def time_ns(self) -> int:
        """Wall time, Unix nanoseconds."""
        return self._start_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds since the clock was made."""
        with self._lock:
            now = self._elapsed_ns
            self._elapsed_ns += round(self.tick * _SECOND_NS)
            return now


class RepeatableIds(FfeIdGenerator):
    """Trace ids from a fixed seed; span ids that count, so that they tell the order.

    Args:
        seed: Of the trace ids.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(random.Random(seed))  # noqa: S311 - repeatable is the point
        self._count = itertools.count(1)

    def generate_span_id(self) -> int:
        """Return 1, 2, 3, ... in the order in which spans start."""
        return next(self._count)
