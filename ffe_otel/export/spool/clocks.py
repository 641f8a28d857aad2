# SPDX-License-Identifier: Apache-2.0
"""What time it is, and whether that can be believed.

The wall clock of a machine is set: from 1970 to today, or by a server that is wrong. How long
something has been waiting is told by a clock that only runs, and across a restart by what its
owner wrote down while he lived. The wall clock alone deletes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

JUMP_SECONDS: Final = 60.0
"""A clock that is corrected bit by bit needs more than a day for that."""

_STANDSTILL_SECONDS: Final = 600.0


def running_seconds() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Clocks:
    """Both clocks, and when they last went apart. Not thread-safe: the spool's lock is held."""

    def __init__(self, wall: Callable[[], int], running: Callable[[], float], grace: float) -> None:
        """Begin to look.

        Args:
            wall: Unix time in nanoseconds.
            running: seconds.
            grace: seconds after a jump in which nothing is too old.
        """
        self._wall = wall
        self._running = running
        self._grace = grace
        self._looked = running()
        self._spared_until = self._looked
        self.ahead = wall() / 1e9 - self._looked
        """Seconds that Unix time is ahead of the other clock."""

    def look(self) -> float:
        """Seconds by which the wall clock was set since the last look; 0 where it was not.

        A process that stood still had no chance to deliver what became old meanwhile.
        """
        now = self._running()
        ahead = self._wall() / 1e9 - now
        jump = ahead - self.ahead if abs(ahead - self.ahead) >= JUMP_SECONDS else 0.0
        if jump:
            self.ahead = ahead
        if jump or now - self._looked > _STANDSTILL_SECONDS:
            self._spared_until = now + self._grace
        self._looked = now
        return jump

    @property
    def spares(self) -> bool:
        """Whether nothing is too old just now."""
        return self._running() < self._spared_until
