# SPDX-License-Identifier: Apache-2.0
"""How much a spool may hold and how its sender behaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LARGEST_SEGMENT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of the spool of one signal.

    Attributes:
        bytes: on disk, in all files of this process and those it took over.
        age_seconds: what is older is dropped.
        memory_bytes: kept in memory while the disk takes nothing.
        quarantine_bytes: refused requests that are kept, and as much of foreign files.
        request_bytes: of one joined request, before compression.
        sync_seconds: longest time between a write and its ``fsync``.
        grace_seconds: for which nothing is dropped for its age after a clock jumped, or was
            away; 0 believes the wall clock.
    """

    bytes: int
    age_seconds: float
    memory_bytes: int
    quarantine_bytes: int
    request_bytes: int
    sync_seconds: float
    grace_seconds: float = 0.0

    @property
    def segment_bytes(self) -> int:
        """Size at which the next file is begun: what has to go goes a file at a time."""
        return min(LARGEST_SEGMENT, max(4096, self.bytes // 8))
