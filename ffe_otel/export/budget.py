# SPDX-License-Identifier: Apache-2.0
"""How long flushes, and our part of an exit, may take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMORY_SECONDS: Final = 10.0


class ShutdownBudget:
    """Seconds that all shutdowns of one exit share, and the flushes in front of them.

    Providers are shut down one after another, and nobody knows how many will follow. So
    each may use half of what is left: all of them together stay within the budget, and
    one dead endpoint does not eat up the time of the others.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``seconds`` for one exit."""
        self._seconds = seconds
        self._clock = clock
        self._lock = native.RLock()  # a signal handler may come in between
        self._deadline: float | None = None
        self._wasted = 0.0
        self._wasted_at = float("-inf")

    def after_fork(self) -> None:
        """In a forked child: a thread of the parent's may hold the lock, and is not here."""
        self._lock = native.RLock()
        self._deadline = None

    def share(self) -> float:
        """Seconds the next shutdown may take.

        A call long after the last budget ran out opens a new one: somebody shut a single
        provider down, and the process lived on.
        """
        with self._lock:
            now = self._clock()
            if self._deadline is None or now > self._deadline + self._seconds:
                self._deadline = now + self._fresh(now)
            return max(0.0, self._deadline - now) / 2

    def left(self) -> float:
        """Seconds until the end of the exit that is under way, or that one would have now."""
        with self._lock:
            now = self._clock()
            if self._deadline is None or now > self._deadline + self._seconds:
                return self._fresh(now)
            return max(0.0, self._deadline - now)

    def wasted(self, seconds: float) -> None:
        """Note that somebody waited so long in vain; an exit that follows has that much less."""
        with self._lock:
            now = self._clock()
            self._wasted = self._seconds - self._fresh(now) + seconds
            self._wasted_at = now

    def well_spent(self) -> None:
        """Note that whoever waited got what he waited for."""
        self._wasted_at = float("-inf")

    def _fresh(self, now: float) -> float:
        recently = now - self._wasted_at <= _MEMORY_SECONDS
        return max(0.0, self._seconds - self._wasted) if recently else self._seconds
