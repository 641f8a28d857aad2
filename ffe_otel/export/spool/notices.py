# SPDX-License-Identifier: Apache-2.0
"""What the spools of a process tell people, each thing once, never while a lock is held."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from ffe_otel import semconv

if TYPE_CHECKING:
    from pathlib import Path

_DROPPED: Final = semconv.OTEL_DROPPED.prometheus
_SAME_JUMP_SECONDS: Final = 120.0
_logger = logging.getLogger("ffe_otel.export")


class Notices:
    """Collects messages under a spool's lock; ``say`` logs them without it."""

    def __init__(self, place: Path) -> None:
        """Speak about the spools in ``place``."""
        self._place = place
        self._said: set[str] = set()
        self._pending: list[tuple[int, str, tuple[object, ...]]] = []
        self._failing: set[str] = set()
        self._clock_said = -math.inf

    def say(self) -> None:
        """Log what has come up."""
        while self._pending:
            try:
                level, text, values = self._pending.pop(0)
            except IndexError:  # another thread was faster
                return
            _logger.log(level, text, *values)

    def disk_fails(self, signal: str, error: OSError) -> None:
        """Note that nothing can be written."""
        news = not self._failing
        self._failing.add(signal)
        if news:
            self._add(
                logging.WARNING,
                "Telemetry cannot be written to the spool %s (%s); it is kept in memory as far as "
                "spool.memory_bytes goes, the rest is dropped and counted in "
                "%s. Make room there or set spool.directory",
                self._place,
                (error.strerror or type(error).__name__).lower(),
                _DROPPED,
            )

    def disk_works(self, signal: str) -> None:
        """Note that something was written."""
        if signal in self._failing:
            self._failing.discard(signal)
            if not self._failing:
                self._add(logging.INFO, "Telemetry is written to the spool %s again", self._place)

    def full(self, limit: int) -> None:
        """Note that the oldest had to go."""
        self._once(
            "full",
            "The spool %s has reached its %d bytes (spool.max_bytes); the oldest telemetry is "
            "dropped and counted in %s",
            self._place,
            limit,
            _DROPPED,
        )

    def clock(self, seconds: float, now: float) -> None:
        """Note that the wall clock was set.

        Args:
            seconds: by how much; less than 0 is back.
            now: monotonic time in seconds: the spools of a process all notice it.
        """
        if now - self._clock_said < _SAME_JUMP_SECONDS:
            return
        self._clock_said = now
        self._once(
            f"clock {now}",
            "The clock went %s by %.0f s; telemetry in the spool %s keeps its order, and none of "
            "it is dropped for its age within retention.clock_grace",
            "back" if seconds < 0 else "forward",
            abs(seconds),
            self._place,
        )

    def old(self, seconds: float) -> None:
        """Note that what a dead process left is too old, if the clock is right."""
        self._once(
            "old",
            "By the clock, telemetry in the spool %s has waited for %.1f days, longer than "
            "spool.max_age_days; it may be the clock, so it is kept for retention.clock_grace more",
            self._place,
            seconds / 86_400,
        )

    def damaged(self, path: Path) -> None:
        """Note that records could not be read."""
        self._once(
            "damaged",
            "The spool %s had a damaged end, which is cut off and counted in %s",
            path,
            _DROPPED,
        )

    def foreign(self, path: Path, text: str) -> None:
        """Note that a file was set aside."""
        self._once(
            "foreign",
            "A file of the spool cannot be used, %s; it is kept as %s. Start the version of "
            "ffe-otel that wrote it to have it sent, or delete it",
            text,
            path,
        )

    def refused(self, path: Path, reason: str) -> None:
        """Note that the endpoint refused something."""
        self._once(
            f"refused {reason}",
            "Telemetry was refused: %s. It is kept in %s with the reason, and not sent again",
            reason,
            path,
        )

    def _once(self, key: str, text: str, *values: object) -> None:
        if key not in self._said and len(self._said) < 100:
            self._said.add(key)
            self._add(logging.WARNING, text, *values)

    def _add(self, level: int, text: str, *values: object) -> None:
        self._pending.append((level, text, values))
