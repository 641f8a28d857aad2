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
from ffe_otel.foundation.descriptors import Descriptor, LostError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Files that are taken over have lower numbers than our own: they come first, also for the
# next process that takes over both.
_OWN_FROM: Final = 1_000_000
_ATTEMPTS: Final = 3


class Files:
    """Writes to the newest file and reads from the oldest that is not delivered."""

    def __init__(self, parent: Path, number: int, segment_bytes: int) -> None:
        """Prepare to make a folder in ``parent`` for a signal's segments of about that size."""
        self.segments: list[Segment] = []
        self._parent = parent
        self._number = number
        self._segment_bytes = segment_bytes
        self._folder: Folder | None = None
        self._active: tuple[Segment, Descriptor] | None = None
        self._reader: tuple[Segment, Descriptor] | None = None
        self._made = 0
        self._taken_over = 0
        self.left_behind = False
        """The folder was given up, with what is in it, and is to be taken over."""

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

    # Owning

    def check(self) -> None:
        """See whether the folder and the newest file are still ours, and begin anew if not.

        Whose lock was closed under him is dead to other processes: they take the folder over,
        and so may we, but then as everybody does. It must not be written to, read or sent from
        before that.
        """
        if self._folder is not None and not self._folder.held:
            self._leave_behind()
        elif self._active is not None and not self._active[1].ours:
            self.seal()

    def _leave_behind(self) -> None:
        for holder in (self._active, self._reader):
            if holder is not None:
                holder[1].close()
        for found in self.segments:
            found.left_behind = True
        self.segments, self._active, self._reader, self._folder = [], None, None, None
        self.left_behind = True

    # Writing

    def write(self, record: segment.Record, now: float, ahead: float) -> None:
        """Append a record.

        Args:
            record: its payload, and when by the wall clock.
            now: monotonic time in seconds.
            ahead: seconds that the wall clock is ahead of that.

        Raises:
            OSError: that is not possible; nothing of it stays.
        """
        for _ in range(_ATTEMPTS):
            self.check()
            active, descriptor = self._writable(len(record.payload))
            try:
                end = segment.append(
                    descriptor, active.size, record.payload, record.items, record.unix_nano
                )
            except LostError:
                continue
            except OSError:
                try:
                    os.ftruncate(descriptor.number, active.size)
                except OSError:
                    # The rest is a damaged end then, and nothing may follow it.
                    self.seal()
                raise
            if self._is_ours(descriptor):
                active.size, active.items = end, active.items + record.items
                active.written = active.noted = now
                active.ahead = ahead
                return
            # It may have gone where nobody looks for it. Twice is better than not at all.
        raise LostError

    def _is_ours(self, descriptor: Descriptor) -> bool:
        return descriptor.ours and self._folder is not None and self._folder.held

    def _writable(self, length: int) -> tuple[Segment, Descriptor]:
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
            descriptor.close()
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
            descriptor.close()
        found.gone = True
        self.segments.remove(found)
        with contextlib.suppress(OSError):
            found.path.unlink()

    # Reading

    def read(
        self, wanted: Segment, most_bytes: int, most_records: int
    ) -> tuple[segment.Record, ...]:
        """What is next to deliver of a segment, within these bounds; none where it is damaged.

        Raises:
            OSError: the file is not there any more, or cannot be read now.
        """
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(LostError):
                return segment.read_some(
                    self._open(wanted), wanted.delivered, wanted.size, most_bytes, most_records
                )
        raise LostError

    def _open(self, wanted: Segment) -> Descriptor:
        """A descriptor to read from; stays open until another segment is wanted."""
        if self._reader is not None:
            current, descriptor = self._reader
            if current is wanted and descriptor.ours:
                return descriptor
            self._reader = None
            descriptor.close()
        if self._active is not None and self._active[0] is wanted:
            # Also where somebody deleted the file.
            descriptor = self._active[1].duplicate()
        else:
            descriptor = Descriptor.open(wanted.path, os.O_RDWR)
        self._reader = (wanted, descriptor)
        return descriptor

    def deliver(self, found: Segment, end: int, items: int) -> None:
        """Note that a segment's records before ``end`` are delivered."""
        found.delivered = end
        found.items -= items
        active = self._active is not None and self._active[0] is found
        if end >= found.size and (not active or found.size > self._segment_bytes // 2):
            self.delete(found)
        else:
            with contextlib.suppress(OSError):
                segment.mark_delivered(self._open(found), end)

    @staticmethod
    def deliver_left_behind(found: Segment, end: int) -> None:
        """The same for a file that is nobody's, or not ours any more, while it is where it was."""
        with contextlib.suppress(OSError), Descriptor.open(found.path, os.O_RDWR) as file:
            segment.mark_delivered(file, end)

    # Keeping

    def place(self) -> Path:
        """Where the next file that is taken over goes.

        Raises:
            OSError: there can be no folder.
        """
        self.check()
        self._taken_over += 1
        return self._own_folder() / f"{self._taken_over:012d}{segment.SUFFIX}"

    def insert(self, taken: Sequence[Segment]) -> None:
        """Put segments that were taken over in front of our own."""
        position = sum(int(found.path.stem) < _OWN_FROM for found in self.segments)
        self.segments[position:position] = [f for f in taken if f.path.parent == self.folder]

    def rescue(self) -> tuple[segment.Record, ...]:
        """Begin anew where somebody deleted the newest file; what can still be read of it."""
        self.check()
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
        self.check()
        self.seal()
        for found in list(self.segments):
            if found.delivered >= found.size:
                self.delete(found)
        if self._reader is not None:
            self._reader[1].close()
        if self._folder is not None:
            self._folder.remove()

    def let_go(self) -> None:
        """In a forked child: drop the copies of the parent's descriptors, and nothing else."""
        for holder in (self._active, self._reader):
            if holder is not None:
                holder[1].close()
        if self._folder is not None:
            self._folder.let_go()
