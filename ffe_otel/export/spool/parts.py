# SPDX-License-Identifier: Apache-2.0
"""The values that a spool and its sender speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffe_otel.export.spool import segment

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True, eq=False)
class Segment:
    """One file of the spool, as this process knows it.

    Attributes:
        path: the file.
        size: offset behind the last whole record.
        delivered: offset up to which records are delivered.
        items: in the records between the two.
        written: monotonic time of the last write in seconds.
        ahead: seconds that the wall clock, by which its records are dated, was ahead of the
            monotonic one.
        noted: monotonic time at which its age was written down last.
        synced: offset up to which an ``fsync`` was done.
        gone: it was dropped and deleted.
        left_behind: it is in a folder that is not ours any more.
    """

    path: Path
    size: int = segment.HEADER_SIZE
    delivered: int = segment.HEADER_SIZE
    items: int = 0
    written: float = 0.0
    ahead: float = 0.0
    noted: float = 0.0
    synced: int = 0
    gone: bool = False
    left_behind: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in their order that can be joined to one request.

    Attributes:
        records: what to send.
        source: the segment they are in; ``None`` for memory.
        start: the offset there of the first.
    """

    records: tuple[segment.Record, ...]
    source: Segment | None
    start: int = 0

    @property
    def items(self) -> int:
        """Spans, log records or points in all records."""
        return sum(record.items for record in self.records)

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return sum(len(record.payload) for record in self.records)

    @property
    def stored(self) -> int:
        """Bytes that the records take where they wait."""
        return self.size if self.source is None else self.records[-1].end - self.start

    @property
    def payload(self) -> bytes:
        """One request: repeated fields of concatenated protobuf messages are concatenated."""
        return b"".join(record.payload for record in self.records)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a spool: bytes on disk and in memory, items, age of the oldest in seconds."""

    bytes: int
    items: int
    oldest_seconds: float

    def __add__(self, other: Waiting) -> Waiting:
        """What waits in both."""
        return Waiting(
            self.bytes + other.bytes,
            self.items + other.items,
            max(self.oldest_seconds, other.oldest_seconds),
        )
