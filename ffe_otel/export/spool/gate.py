# SPDX-License-Identifier: Apache-2.0
"""One attempt at a time on an endpoint that cannot be reached."""

from __future__ import annotations

import time
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
_RANDOM: Final = SystemRandom()  # an engine's random.seed is nothing to us


class Backoff:
    """Pauses that double, each between half and one and a half of its length in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a pause."""
        self._clock = clock
        self._pause = 0.0
        self.until = 0.0

    def failed(self) -> None:
        """Wait longer than the last time."""
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self.until = self._clock() + self._pause * _RANDOM.uniform(0.5, 1.5)

    def succeeded(self) -> None:
        """Wait no more."""
        self._pause = self.until = 0.0


class Gate:
    """Shared by the senders of one host and port.

    While nobody is there, one of them tries after ever longer pauses, and the others wait
    for what comes of it.

    Attributes:
        down: nobody answered the last request. May be read without the lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with an endpoint that is thought to be there."""
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget everything: in a forked child nobody of the parent's threads is trying."""
        self._lock = native.Lock()
        self._backoff = Backoff(self._clock)
        self.down = False
        self._tried_by: object = None
        self._asked: dict[int, float] = {}

    def enter(self, who: object, *, hurry: bool = False) -> bool:
        """Ask to try; whoever may has to say afterwards what came of it.

        Args:
            who: the sender.
            hurry: the process ends or somebody waits; pauses do not count.
        """
        with self._lock:
            if self.down and not hurry:
                if self._tried_by is not None or self._clock() < self._backoff.until:
                    return False
                self._tried_by = who
            self._asked[id(who)] = self._clock()
            return True

    def silent_since(self) -> float | None:
        """Since when a request waits for its answer, a monotonic time; ``None`` without one."""
        return min(self._asked.copy().values(), default=None)

    def leave(self, who: object, *, reached: bool) -> None:
        """Say whether somebody answered."""
        with self._lock:
            if self._tried_by is who:
                self._tried_by = None
            self._asked.pop(id(who), None)
            self.down = not reached
            if reached:
                self._backoff.succeeded()
            elif self._clock() >= self._backoff.until:
                self._backoff.failed()
