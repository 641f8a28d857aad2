# SPDX-License-Identifier: Apache-2.0
"""Bounds, clocks and the like for the tests of the spool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ffe_otel.export.spool.bounds import Bounds

if TYPE_CHECKING:
    from ffe_otel.export.spool.spool import Spool

BOUNDS = Bounds(
    bytes=1 << 20,
    age_seconds=3600.0,
    memory_bytes=1000,
    quarantine_bytes=10_000,
    request_bytes=1 << 20,
    sync_seconds=5.0,
)


class Clock:
    """Two clocks that stand still."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000_000_000_000
        self.monotonic = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)
        self.monotonic += seconds


def drained(spool: Spool, records: int = 1000) -> list[bytes]:
    """Deliver everything; the payloads in their order."""
    found: list[bytes] = []
    while batch := spool.take(1 << 20, records):
        found += [record.payload for record in batch.records]
        spool.done(batch)
    return found


def die(spool: Spool) -> None:
    """Leave a spool as a SIGKILL does: the kernel closes the files and gives locks back."""
    spool._files.let_go()
    spool._begin()


def files(root: Path) -> list[Path]:
    while True:
        try:
            return sorted(path for path in root.rglob("*") if path.is_file())
        except FileNotFoundError:  # a folder was deleted while we looked
            continue


def descriptors() -> set[str]:
    """What this process has open."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}
