# SPDX-License-Identifier: Apache-2.0
"""The spool of one signal in one process: requests that wait on disk until they are taken.

Whoever exports appends on any thread; one sender takes what is oldest, and says when it is
delivered. While the disk takes nothing, requests wait in a bounded memory queue.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from ffe_otel.export.spool import adoption, folder, quarantine, segment
from ffe_otel.export.spool.memory import MemoryQueue
from ffe_otel.export.spool.notices import Notices
from ffe_otel.export.spool.parts import Batch, Segment, Waiting
from ffe_otel.export.stats import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ffe_otel.export.spool.bounds import Bounds
    from ffe_otel.export.stats import ExportStats, Signal

SIGNAL_NUMBERS: Final = {"traces": 1, "metrics": 2, "logs": 3}
_OWN_NUMBERS_FROM: Final = 1_000_000
_TRY_DISK_SECONDS: Final = 5.0
_BACKWARDS_NANO: Final = 1_000_000_000


class Spool:
    """See the module. Nothing but the constructor's arguments is shared with other processes."""

    def __init__(
        self,
        parent: Path,
        signal: Signal,
        bounds: Bounds,
        stats: ExportStats,
        *,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the spool in ``parent``; nothing is touched before there is something.

        Args:
            parent: the folder of this signal and endpoint.
            signal: what is stored.
            bounds: how much of it.
            stats: counts what is lost.
            wall: Unix time in nanoseconds.
            monotonic: seconds.
        """
        self.parent = parent
        self.signal = signal
        self.number = SIGNAL_NUMBERS[signal]
        self.bounds = bounds
        self._stats = stats
        self._wall = wall
        self._monotonic = monotonic
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._notices = Notices(self.parent)
        self._folder: folder.Folder | None = None
        self._segments: list[Segment] = []
        self._memory = MemoryQueue(self.bounds.memory_bytes)
        self._active: tuple[Segment, int] | None = None
        self._reader: tuple[Segment, int] | None = None
        self._made = 0
        self._taken_over = 0
        self._last_wall = 0
        self._last_sync = self._monotonic()
        self._try_disk_at = 0.0
        self._reading_memory = 0

    # Writing

    def append(self, payload: bytes, items: int) -> bool:
        """Store a request; ``False`` when it was dropped, which is counted."""
        now = self._wall()
        with self._lock:
            if now < self._last_wall - _BACKWARDS_NANO:
                self._notices.clock((self._last_wall - now) / 1e9)
            self._last_wall = now
            record = segment.Record(payload, items, now, 0)
            kept = self._append(record)
        self._notices.say()
        return kept

    def _append(self, record: segment.Record) -> bool:
        if len(record.payload) + segment.OVERHEAD + segment.HEADER_SIZE > self.bounds.bytes:
            self._drop(Reason.SPOOL_FULL, record.items)
            return False
        if self._monotonic() >= self._try_disk_at:
            try:
                self._drain_memory()
                self._write(record)
            except OSError as error:
                self._try_disk_at = self._monotonic() + _TRY_DISK_SECONDS
                self._notices.disk_fails(error)
                self._forget_lost_folder()
            else:
                self._notices.disk_works()
                return True
        for lost in self._memory.put(record, in_use=self._reading_memory):
            self._drop(Reason.MEMORY_FULL, lost.items)
            if lost is record:
                return False
        return True

    def _drain_memory(self) -> None:
        while self._memory and not self._reading_memory:
            self._write(self._memory.first())
            self._memory.remove(1)

    def _write(self, record: segment.Record) -> None:
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
                self._seal()
            raise
        active.size, active.items = end, active.items + record.items
        active.written = self._monotonic()
        self._make_room()

    def _writable(self, length: int) -> tuple[Segment, int]:
        if self._active is not None:
            size = self._active[0].size
            full = size + length + segment.OVERHEAD > self.bounds.segment_bytes
            if not full or size == segment.HEADER_SIZE:
                return self._active
            self._seal()
        self._made += 1
        number = _OWN_NUMBERS_FROM + self._made
        path = self._own_folder() / f"{number:012d}{segment.SUFFIX}"
        made = Segment(path)
        self._active = (made, segment.create(path, self.number))
        self._segments.append(made)
        return self._active

    def _own_folder(self) -> Path:
        if self._folder is None:
            self._folder = folder.Folder(self.parent)
        return self._folder.path

    def _forget_lost_folder(self) -> None:
        """Begin anew where somebody deleted the folder under us."""
        if self._folder is not None and not self._folder.path.is_dir():
            self._seal()
            self._folder.let_go()
            self._folder = None

    def _seal(self) -> None:
        if self._active is not None:
            sealed, descriptor = self._active
            self._active = None
            os.close(descriptor)
            # Its fsync is due.
            self._last_sync = float("-inf")
            if sealed.delivered >= sealed.size:
                self._delete(sealed)

    def _make_room(self) -> None:
        total = sum(found.size for found in self._segments)
        while total > self.bounds.bytes and len(self._segments) > 1:
            oldest = self._segments[0]
            self._drop(Reason.SPOOL_FULL, oldest.items)
            self._notices.full(self.bounds.bytes)
            total -= oldest.size
            self._delete(oldest)

    def _drop(self, reason: Reason, items: int) -> None:
        if items:
            self._stats.dropped(self.signal, reason, items)

    def _delete(self, found: Segment) -> None:
        if self._active is not None and self._active[0] is found:
            os.close(self._active[1])
            self._active = None
        found.gone = True
        self._segments.remove(found)
        with contextlib.suppress(OSError):
            found.path.unlink()

    # Reading

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        with self._lock:
            return not self._memory and all(f.delivered >= f.size for f in self._segments)

    def bytes_waiting(self) -> int:
        """Bytes that are not delivered, on disk and in memory."""
        with self._lock:
            return self._bytes_waiting()

    def _bytes_waiting(self) -> int:
        return self._memory.bytes + sum(f.size - f.delivered for f in self._segments)

    def waiting(self) -> Waiting:
        """What waits now."""
        with self._lock:
            items = self._memory.items + sum(found.items for found in self._segments)
            size = self._bytes_waiting()
            first = self._first_time()
        age = max(0.0, (self._wall() - first) / 1e9) if items and first else 0.0
        return Waiting(size, items, age)

    def _head(self) -> Segment | None:
        return next((found for found in self._segments if found.delivered < found.size), None)

    def _first_time(self) -> int:
        """Unix time of the oldest record, 0 where it cannot be told."""
        head = self._head()
        if head is None:
            return self._memory.first().unix_nano if self._memory else 0
        try:
            descriptor = os.open(head.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            record = segment.read(descriptor, head.delivered, head.size)
        finally:
            os.close(descriptor)
        return record.unix_nano if record else 0

    def take(self, most_bytes: int, most_records: int) -> Batch | None:
        """The oldest records, for the one sender; they stay until ``done``.

        Args:
            most_bytes: of all payloads together; one record is taken however large it is.
            most_records: how many.
        """
        while True:
            with self._lock:
                head = self._head()
                if head is None:
                    records = self._memory.oldest(most_bytes, most_records)
                    self._reading_memory = len(records)
                    return Batch(records, None) if records else None
                start, end = head.delivered, head.size
            try:
                records = segment.read_some(self._open(head), start, end, most_bytes, most_records)
            except OSError:
                records = ()
            if records:
                return Batch(records, head)
            self._damaged(head)

    def _open(self, wanted: Segment) -> int:
        if self._reader is not None:
            current, descriptor = self._reader
            if current is wanted:
                return descriptor
            self._close_reader()
        descriptor = os.open(wanted.path, os.O_RDWR | os.O_CLOEXEC)
        self._reader = (wanted, descriptor)
        return descriptor

    def _close_reader(self) -> None:
        if self._reader is not None:
            os.close(self._reader[1])
            self._reader = None

    def _damaged(self, found: Segment) -> None:
        """Give up a segment whose next record cannot be read."""
        with self._lock:
            if not found.gone:
                self._drop(Reason.CORRUPT, max(1, found.items))
                self._notices.damaged(found.path)
                self._delete(found)
        self._notices.say()

    def done(self, batch: Batch) -> int:
        """Forget delivered records; how many items they had that were not dropped meanwhile."""
        source = batch.source
        with self._lock:
            if source is None:
                self._reading_memory = 0
                return self._memory.remove(len(batch.records))
            if source.gone:
                return 0
            source.delivered = batch.records[-1].end
            source.items -= batch.items
            active = self._active is not None and self._active[0] is source
            finished = source.delivered >= source.size
            if finished and (not active or source.size > self.bounds.segment_bytes // 2):
                self._close_reader()
                self._delete(source)
            elif self._reader is not None:
                with contextlib.suppress(OSError):
                    segment.mark_delivered(self._reader[1], source.delivered)
        return batch.items

    # Keeping order

    def housekeep(self) -> None:
        """Sync what is due, drop what is too old. For the sender, every second or so."""
        now = self._monotonic()
        with self._lock:
            for found in list(self._segments):
                if now - found.written > self.bounds.age_seconds:
                    self._drop(Reason.EXPIRED, found.items)
                    self._delete(found)
            due = now - self._last_sync >= self.bounds.sync_seconds
            waiting = [
                (found, found.size)
                for found in self._segments
                if due and max(found.synced, found.delivered) < found.size
            ]
            if due:
                self._last_sync = now
        for found, size in waiting:
            with contextlib.suppress(OSError):
                segment.sync(found.path)
                found.synced = size
        if waiting and self._folder is not None:
            with contextlib.suppress(OSError):
                segment.sync(self._folder.path)

    def adopt(self) -> None:
        """Take over what dead processes left, in front of what is our own."""
        own = self._folder.path if self._folder is not None else None
        taken = adoption.take_over(self.parent, own, self.number, self._place)
        with self._lock:
            now, wall = self._monotonic(), self._wall()
            position = sum(int(f.path.stem) < _OWN_NUMBERS_FROM for f in self._segments)
            for path, contents in taken.segments:
                ahead = contents.newest - wall
                if ahead > _BACKWARDS_NANO:
                    self._notices.clock(ahead / 1e9)
                self._segments.insert(
                    position,
                    Segment(
                        path, contents.end, contents.delivered, contents.items,
                        written=now - max(0.0, -ahead / 1e9),
                    ),
                )  # fmt: skip
                position += 1
            if taken.lost:
                self._drop(Reason.CORRUPT, taken.lost)
                self._notices.damaged(self.parent)
            self._make_room()
        for path, text in taken.foreign:
            self._set_aside(path, text)
        self._notices.say()

    def _place(self) -> Path:
        """Where the next file that is taken over goes."""
        with self._lock:
            self._taken_over += 1
            return self._own_folder() / f"{self._taken_over:012d}{segment.SUFFIX}"

    def _set_aside(self, path: Path, text: str) -> None:
        try:
            target = quarantine.set_aside(
                self.parent / folder.ASIDE, self.bounds.quarantine_bytes, path
            )
        except OSError:
            return
        self._notices.foreign(target, text)

    def refuse(self, batch: Batch, reason: str) -> None:
        """Keep for somebody to look at what the endpoint is never going to take."""
        try:
            path = quarantine.keep(
                self.parent / folder.QUARANTINE,
                self.bounds.quarantine_bytes,
                self.number,
                batch.records,
                reason,
            )
        except OSError as error:
            self._drop(Reason.REFUSED, batch.items)
            self._notices.disk_fails(error)
        else:
            self._notices.refused(path.parent, reason)
        self.done(batch)
        self._notices.say()

    # The end

    def close(self) -> None:
        """Leave what waits to the next process; a later ``append`` begins a new folder."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._drain_memory()
            self._drop(Reason.SHUTDOWN, self._memory.items)
            self._seal()
            self._close_reader()
            for found in list(self._segments):
                if found.delivered >= found.size:
                    self._delete(found)
            if self._folder is not None:
                self._folder.remove()
            self._forget()

    def after_fork(self) -> None:
        """In a forked child: let go of everything that is the parent's, without using it."""
        for holder in (self._active, self._reader):
            if holder is not None:
                os.close(holder[1])
        if self._folder is not None:
            self._folder.let_go()
        self._reset()
