# SPDX-License-Identifier: Apache-2.0
"""How long our part of an exit may take."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ShutdownBudget:
    """Seconds that all shutdowns of one exit share.

    Providers are shut down one after another, and nobody knows how many will follow. So
    each may use half of what is left: all of them together stay within the budget, and
    one dead endpoint does not eat up the time of the others.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``seconds`` for one exit."""
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._deadline: float | None = None

    def share(self) -> float:
        """Seconds the next shutdown may take.

        A call long after the last budget ran out opens a new one: somebody shut a single
        provider down, and the process lived on.
        """
        with self._lock:
            now = self._clock()
            if self._deadline is None or now > self._deadline + self._seconds:
                self._deadline = now + self._seconds
            return max(0.0, self._deadline - now) / 2
