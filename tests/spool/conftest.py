# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from spool_parts import BOUNDS, Clock

from ffe_otel.export.spool.notices import Notices
from ffe_otel.export.spool.spool import Spool
from ffe_otel.export.stats import ExportStats, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def stats() -> ExportStats:
    return ExportStats()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, stats: ExportStats, clock: Clock) -> Iterator[Callable[..., Spool]]:
    """Makes spools that share a folder, as processes do."""
    made: list[Spool] = []

    def build(**bounds: float) -> Spool:
        made.append(
            Spool(
                tmp_path / "spool/traces-0",
                Signal.TRACES,
                replace(BOUNDS, **bounds),
                stats,
                Notices(tmp_path / "spool"),
                wall=lambda: clock.wall,
                monotonic=lambda: clock.monotonic,
            )
        )
        return made[-1]

    yield build
    for spool in made:
        spool.close()
