# SPDX-License-Identifier: Apache-2.0
"""The clocks."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from ffe_otel.cli.doctor.check import Check

if TYPE_CHECKING:
    from collections.abc import Callable

_SAMPLE_SECONDS = 0.05
_TOLERANCE_SECONDS = 0.02


def clock(
    wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
) -> Check:
    """Whether the wall clock is plausible and runs as fast as the monotonic one."""
    steady, began = monotonic(), wall()
    while monotonic() - steady < _SAMPLE_SECONDS:
        time.sleep(_SAMPLE_SECONDS / 5)
    drift = (wall() - began) - (monotonic() - steady)
    now = dt.datetime.fromtimestamp(began, tz=dt.UTC).astimezone()
    detail = f"{now.isoformat(timespec='seconds')}, drift {drift * 1e3:+.1f} ms"
    if now.year < 2024:
        return Check(
            "clock", "fail", f"{detail}: it is not set", "set the clock, run an NTP client"
        )
    if abs(drift) > _TOLERANCE_SECONDS:
        remedy = "run an NTP client that slews instead of stepping"
        return Check("clock", "warn", f"{detail}: it is being stepped", remedy)
    return Check("clock", "ok", detail)
