# SPDX-License-Identifier: Apache-2.0
"""The time by which stored rows age: it goes on evenly, whatever the machine's clock says.

Within one boot of the machine a clock that only counts vouches for how much time has passed,
also while this program was not running. After a boot nothing does but the clock itself; what
it claims to have passed in between counts only after it has claimed so for a while.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

FILE_NAME: Final = "clock.json"
BELIEVED: Final = 3600 * 10**9
"""Nanoseconds between two runs that a clock is believed at once."""
JUMP: Final = 600 * 10**9
"""Nanoseconds the clock has to go astray before a word is said."""
SLEW: Final = 10**9
"""Nanoseconds that are made up for at each look, so that both clocks do not drift apart."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What tells the time.

    Attributes:
        wall: nanoseconds since 1970, as far as the machine knows.
        ticks: nanoseconds of a clock that is never set.
        boot: what tells two boots of the machine apart.
    """

    wall: Callable[[], int]
    ticks: Callable[[], int]
    boot: str


def machine() -> Sources:
    """This machine's clocks."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    number = getattr(time, "CLOCK_BOOTTIME", None)
    if number is None:
        # Where it counts from is anybody's guess: it vouches for this run alone.
        return Sources(_wall, time.monotonic_ns, "")
    return Sources(_wall, lambda: time.clock_gettime_ns(number), boot)


class StoreClock:
    """Tells when rows arrived and how old they are. One thread looks, others may ask.

    Attributes:
        problem: what is wrong with the machine's clock, empty while nothing is.
    """

    def __init__(
        self,
        directory: Path,
        *,
        grace: float,
        newest_ns: int | None,
        sources: Sources | None = None,
    ) -> None:
        """Go on where an earlier run of this directory's store stopped.

        Args:
            directory: where it is noted.
            grace: seconds a clock has to stand by what it says of the time between two boots.
            newest_ns: arrival of the newest row, for a store whose time was never noted.
            sources: what tells the time.
        """
        self.problem = ""
        self._path = directory / FILE_NAME
        self._grace = int(grace * 1e9)
        self._sources = sources or machine()
        self._began = self._sources.ticks()
        self._gap = self._gap_since = self._told = 0
        known = self._read()
        wall = self._sources.wall()
        if known is None and newest_ns is not None:
            known = {"boot": "", "ticks": 0, "wall": newest_ns, "kept": newest_ns}
        if known is None:
            self._base = self._left = wall
            return
        self._left = known["wall"]
        self._base = known["kept"]
        if known["boot"] and known["boot"] == self._sources.boot and known["ticks"] <= self._began:
            self._base += self._began - known["ticks"]
        elif 0 <= wall - self._left <= BELIEVED:
            self._base += wall - self._left
        else:
            self._gap = max(0, wall - self._left)
            self._gap_since = self._began

    def now_ns(self) -> int:
        """Nanoseconds since 1970, but for jumps of the machine's clock."""
        return self._base + self._sources.ticks() - self._began

    def ahead_ns(self) -> int:
        """How far the machine's clock is ahead of this one."""
        return self._sources.wall() - self.now_ns()

    def look(self) -> None:
        """Compare with the machine's clock, and note the time for the next run."""
        self._settle_gap()
        ahead = self.ahead_ns()
        if abs(ahead) <= 60 * SLEW:
            self._base += max(-SLEW, min(ahead, SLEW))
        self._tell(ahead)
        self._write()

    def _settle_gap(self) -> None:
        if not self._gap:
            return
        ticks = self._sources.ticks()
        claimed = self._sources.wall() - (ticks - self._began) - self._left
        if abs(claimed - self._gap) > BELIEVED:
            self._gap, self._gap_since = max(0, claimed), ticks
        elif ticks - self._gap_since >= self._grace:
            self._base += self._gap
            self._gap = 0

    def _tell(self, ahead: int) -> None:
        if abs(ahead) < JUMP:
            if self.problem:
                logger.warning("ffe-otel serve: the clock of this machine is right again")
            self.problem, self._told = "", 0
            return
        way = "ahead of" if ahead > 0 else "behind"
        self.problem = (
            f"the clock of this machine is {_span(abs(ahead))} {way} the time that has passed; "
            "stored rows age by the latter"
        )
        if abs(ahead - self._told) >= JUMP:
            logger.warning("ffe-otel serve: %s", self.problem)
            self._told = ahead

    def _read(self) -> dict[str, Any] | None:
        try:
            known = json.loads(self._path.read_bytes())
            numbers = {key: int(known[key]) for key in ("ticks", "wall", "kept")}
            return {"boot": str(known["boot"]), **numbers}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _write(self) -> None:
        state = {
            "boot": self._sources.boot,
            "ticks": self._sources.ticks(),
            # An open gap is noted as it was: it counts from the last run that saw no such.
            "wall": self._left if self._gap else self._sources.wall(),
            "kept": self.now_ns(),
        }
        half = self._path.with_name(f".{FILE_NAME}")
        # A full disk costs the memory of it, and rows stay longer.
        with contextlib.suppress(OSError):
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(state, file)
            half.replace(self._path)


def _wall() -> int:
    return time.time_ns()


def _span(nanoseconds: int) -> str:
    hours = nanoseconds / 3.6e12
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
