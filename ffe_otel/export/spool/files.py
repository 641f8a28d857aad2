# SPDX-License-Identifier: Apache-2.0
"""The segment files of one process and signal, oldest first.

Not thread-safe but for ``read``: the spool's lock is held.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from ffe_otel.export.spool import segment
from ffe_otel.export.spool.folder import Folder
from ffe_otel.export.spool.parts import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Files that are taken over have lower numbers than our own: they come first, also for the
# next process that takes over both.
_OWN_FROM: Final = 1_000_000


class Files:
    """Writes to the newest file and reads from the oldest that is not delivered."""

    def __init__(self, parent: Path, number: int, segment_bytes: int) -> None:
        """Prepare to make a folder in ``parent`` for a signal's segments of about that size."""
        self.segments: list[Segment] = []
        self._parent = parent
        self._number = number
        self._segment_bytes = segment_bytes
        self._folder: Folder | None = None
        self._active: tuple[Segment, int] | None = None
        self._reader: tuple[Segment, int] | None = None
        self._made = 0
        self._taken_over = 0

    @property
    def folder(self) -> Path | None:
        """The folder, once there is one."""
        return self._folder.path if self._folder is not None else None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(found.size for found in self.segments)

    def head(self) -> Segment | None:
        """The oldest segment with something to deliver."""
        return next((found for found in self.segments if found.delivered < found.size), None)

    def others(self, than: Segment) -> list[Segment]:
        """Other segments with something to deliver; nothing more is written to this one."""
        if self._active is not None and self._active[0] is than:
            self.seal()
        return [s for s in self.segments if s is not than and s.delivered < s.size]

    # Writing

    def write(self, record: segment.Record, now: float) -> None:
        """Append a record.

        Raises:
            OSError: that is not possible; nothing of it stays.
        """
        active, descriptor = self._writable(len(record.payload))
        try:
            end = segment.append(
                descriptor, active.size, record.payload, record.items, record.unix_nano
            )
        except OSError:
            try:
                os.ftruncate(descriptor, active.size)
            except OSError:
                # The rest is a damaged end then, and nothing may follow it.
                self.seal()
            raise
        active.size, active.items, active.written = end, active.items + record.items, now

    def _writable(self, length: int) -> tuple[Segment, int]:
        if self._active is not None:
            size = self._active[0].size
            full = size + length + segment.OVERHEAD > self._segment_bytes
            if not full or size == segment.HEADER_SIZE:
                return self._active
            self.seal()
        self._made += 1
        path = self._own_folder() / f"{_OWN_FROM + self._made:012d}{segment.SUFFIX}"
        made = Segment(path)
        self._active = (made, segment.create(path, self._number))
        self.segments.append(made)
        return self._active

    def _own_folder(self) -> Path:
        if self._folder is None:
            self._folder = Folder(self._parent)
        return self._folder.path

    def seal(self) -> None:
        """Write nothing more to the newest file."""
        if self._active is not None:
            sealed, descriptor = self._active
            self._active = None
            os.close(descriptor)
            if sealed.delivered >= sealed.size:
                self.delete(sealed)

    def delete(self, found: Segment) -> None:
        """Forget a segment, whatever is in it."""
        holders = [h for h in (self._active, self._reader) if h is not None and h[0] is found]
        # Forgotten before they are closed: a child forked in between must not close what
        # another thread has opened under the same number.
        self._active = None if self._active in holders else self._active
        self._reader = None if self._reader in holders else self._reader
        for _, descriptor in holders:
            os.close(descriptor)
        found.gone = True
        self.segments.remove(found)
        with contextlib.suppress(OSError):
            found.path.unlink()

    # Reading

    def open(self, wanted: Segment) -> int:
        """A descriptor to read from; stays open until another segment is wanted.

        Raises:
            OSError: the file is not there any more.
        """
        if self._reader is not None:
            current, descriptor = self._reader
            if current is wanted:
                return descriptor
            self._reader = None
            os.close(descriptor)
        if self._active is not None and self._active[0] is wanted:
            # Also where somebody deleted the file.
            descriptor = os.dup(self._active[1])
        else:
            descriptor = os.open(wanted.path, os.O_RDWR | os.O_CLOEXEC)
        self._reader = (wanted, descriptor)
        return descriptor

    def deliver(self, found: Segment, end: int, items: int) -> None:
        """Note that a segment's records before ``end`` are delivered."""
        found.delivered = end
        found.items -= items
        active = self._active is not None and self._active[0] is found
        if end >= found.size and (not active or found.size > self._segment_bytes // 2):
            self.delete(found)
        elif self._reader is not None and self._reader[0] is found:
            with contextlib.suppress(OSError):
                segment.mark_delivered(self._reader[1], end)

    # Keeping

    def place(self) -> Path:
        """Where the next file that is taken over goes.

        Raises:
            OSError: there can be no folder.
        """
        self._taken_over += 1
        return self._own_folder() / f"{self._taken_over:012d}{segment.SUFFIX}"

    def insert(self, taken: Sequence[Segment]) -> None:
        """Put segments that were taken over in front of our own."""
        position = sum(int(found.path.stem) < _OWN_FROM for found in self.segments)
        self.segments[position:position] = taken

    def rescue(self) -> tuple[segment.Record, ...]:
        """Begin anew where somebody deleted the newest file; what can still be read of it."""
        if self._active is None or self._active[0].path.exists():
            return ()
        lost, descriptor = self._active
        records = segment.read_some(descriptor, lost.delivered, lost.size, lost.size, lost.size)
        self.delete(lost)
        if self._folder is not None and not self._folder.path.is_dir():
            self._folder.let_go()
            self._folder = None
        return records

    def close(self) -> None:
        """Leave what is not delivered to the next process."""
        self.seal()
        for found in list(self.segments):
            if found.delivered >= found.size:
                self.delete(found)
        if self._reader is not None:
            os.close(self._reader[1])
        if self._folder is not None:
            self._folder.remove()

    def let_go(self) -> None:
        """In a forked child: drop the copies of the parent's descriptors, and nothing else."""
        for holder in (self._active, self._reader):
            if holder is not None:
                os.close(holder[1])
        if self._folder is not None:
            self._folder.let_go()
