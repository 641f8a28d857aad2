# SPDX-License-Identifier: Apache-2.0
"""Requests in memory, for as long as the disk takes none."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffe_otel.export.spool.segment import Record


class MemoryQueue:
    """A queue bounded in bytes. Not thread-safe: the spool's lock is held."""

    def __init__(self, limit: int) -> None:
        """Keep at most ``limit`` bytes of payloads."""
        self.bytes = 0
        self.items = 0
        self._limit = limit
        self._records: deque[Record] = deque()

    def __len__(self) -> int:
        """How many records wait."""
        return len(self._records)

    def first(self) -> Record:
        """The oldest record."""
        return self._records[0]

    def put(self, record: Record, *, in_use: int) -> list[Record]:
        """Add a record; what had to go for it, itself where there is no room at all.

        Args:
            record: the newest.
            in_use: records at the front that are being sent and stay.
        """
        lost: list[Record] = []
        while self.bytes + len(record.payload) > self._limit and len(self._records) > in_use:
            gone = self._records[in_use]
            del self._records[in_use]
            self._count(gone, -1)
            lost.append(gone)
        if self.bytes + len(record.payload) > self._limit:
            return [*lost, record]
        self._records.append(record)
        self._count(record, 1)
        return lost

    def oldest(self, most_bytes: int, most_records: int) -> tuple[Record, ...]:
        """The first records within these bounds, at least one if there is one."""
        found: list[Record] = []
        size = 0
        for record in islice(self._records, most_records):
            size += len(record.payload)
            if found and size > most_bytes:
                break
            found.append(record)
        return tuple(found)

    def remove(self, count: int) -> int:
        """Remove records from the front; how many items they had."""
        before = self.items
        for _ in range(min(count, len(self._records))):
            self._count(self._records.popleft(), -1)
        return before - self.items

    def _count(self, record: Record, sign: int) -> None:
        self.bytes += sign * len(record.payload)
        self.items += sign * record.items
