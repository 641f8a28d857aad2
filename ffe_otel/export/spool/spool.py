# SPDX-License-Identifier: Apache-2.0
"""The spool of one signal in one process: requests that wait on disk until they are taken.

Whoever exports appends on any thread; one sender takes what is oldest, and says when it is
delivered. While the disk takes nothing, requests wait in a bounded memory queue.
"""

from __future__ import annotations

import contextlib
import time
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from ffe_otel.export.spool import adoption, folder, quarantine, segment
from ffe_otel.export.spool.ages import Ages
from ffe_otel.export.spool.clocks import Clocks, running_seconds
from ffe_otel.export.spool.files import Files
from ffe_otel.export.spool.memory import MemoryQueue
from ffe_otel.export.spool.parts import Batch, Segment, Waiting
from ffe_otel.export.stats import Reason
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ffe_otel.export.spool.bounds import Bounds
    from ffe_otel.export.spool.notices import Notices
    from ffe_otel.export.stats import ExportStats, Signal

_NUMBERS: Final = {"traces": 1, "metrics": 2, "logs": 3}
_TRY_DISK_SECONDS: Final = 5.0
_NOTE_SECONDS: Final = 600.0
_RANDOM: Final = SystemRandom()  # an engine's random.seed is nothing to us


class Spool:
    """See the module. What it shares with other processes is the parent folder only."""

    def __init__(
        self,
        parent: Path,
        signal: Signal,
        bounds: Bounds,
        stats: ExportStats,
        notices: Notices,
        *,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = running_seconds,
    ) -> None:
        """Prepare the spool in ``parent``; nothing is touched before there is something.

        Args:
            parent: the folder of this signal and endpoint.
            signal: what is stored.
            bounds: how much of it.
            stats: counts what is lost.
            notices: tells people.
            wall: Unix time in nanoseconds.
            monotonic: seconds of a clock that nobody sets.
        """
        self.parent = parent
        self.signal = signal
        self.bounds = bounds
        self._stats = stats
        self._notices = notices
        self._wall = wall
        self._monotonic = monotonic
        self._lock = native.Lock()
        self._quarantine = (0, 0)  # when the folder changed last, and how many are in it
        self._begin()

    def _begin(self) -> None:
        self._files = Files(self.parent, _NUMBERS[self.signal], self.bounds.segment_bytes)
        self._memory = MemoryQueue(self.bounds.memory_bytes)
        self._in_use = 0  # records at the front of the memory queue that are being sent
        self._clocks = Clocks(self._wall, self._monotonic, self.bounds.grace_seconds)
        self._last_sync = self._monotonic()
        self._try_disk_at = 0.0

    # Writing

    def append(self, payload: bytes, items: int) -> bool:
        """Store a request; ``False`` when it was dropped, which is counted."""
        with self._lock:
            self._look_at_clocks()
            kept = self._append(segment.Record(payload, items, self._wall(), 0))
        self._notices.say()
        return kept

    def _look_at_clocks(self) -> None:
        if jump := self._clocks.look():
            # The records of a file are dated by one clock.
            self._files.seal()
            self._notices.clock(jump, self._monotonic())

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
                self._notices.disk_fails(self.signal, error)
            else:
                self._notices.disk_works(self.signal)
                return True
        return self._remember(record)

    def _drain_memory(self) -> None:
        while self._memory and not self._in_use:
            self._write(self._memory.first())
            self._memory.remove(1)

    def _write(self, record: segment.Record) -> None:
        self._files.write(record, self._monotonic(), self._clocks.ahead)
        self._make_room()

    def _remember(self, record: segment.Record) -> bool:
        lost = self._memory.put(record, in_use=self._in_use)
        for each in lost:
            self._drop(Reason.MEMORY_FULL, each.items)
        return record not in lost

    def _make_room(self) -> None:
        while self._files.size > self.bounds.bytes and len(self._files.segments) > 1:
            oldest = self._files.segments[0]
            self._drop(Reason.SPOOL_FULL, oldest.items)
            self._notices.full(self.bounds.bytes)
            self._files.delete(oldest)

    def _drop(self, reason: Reason, items: int) -> None:
        if items:
            self._stats.dropped(self.signal, reason, items)

    # Reading

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        with self._lock:
            self._files.check()
            left = self._memory or self._files.left_behind or self._files.head() is not None
            return not left

    @property
    def left_behind(self) -> bool:
        """Whether something of ours is to be taken over as if it were a dead process's."""
        with self._lock:
            self._files.check()
            return self._files.left_behind

    def bytes_waiting(self) -> int:
        """Bytes that are not delivered, on disk and in memory."""
        with self._lock:
            return self._bytes_waiting()

    def _bytes_waiting(self) -> int:
        return self._memory.bytes + sum(f.size - f.delivered for f in self._files.segments)

    def waiting(self) -> Waiting:
        """What waits now."""
        with self._lock:
            items = self._memory.items + sum(found.items for found in self._files.segments)
            oldest = self._oldest_seconds()
            size = self._bytes_waiting()
        return Waiting(size, items, oldest)

    def _oldest_seconds(self) -> float:
        """Age of the oldest record, 0 where it cannot be told."""
        head, unix_nano, ahead = self._files.head(), 0, self._clocks.ahead
        if head is not None:
            ahead = head.ahead
            with contextlib.suppress(OSError):
                unix_nano = segment.time_at(head.path, head.delivered)
        elif self._memory:
            unix_nano = self._memory.first().unix_nano
        if not unix_nano:
            return 0.0
        return max(0.0, round(self._monotonic() - (unix_nano / 1e9 - ahead), 3))

    def take(self, most_bytes: int, most_records: int) -> Batch | None:
        """The oldest records, for the one sender; they stay until ``done``.

        Args:
            most_bytes: of all payloads together; one record is taken however large it is.
            most_records: how many.

        Raises:
            OSError: the oldest file is there and cannot be read now.
        """
        while True:
            with self._lock:
                self._files.check()
                head = self._files.head()
                if head is None:
                    records = self._memory.oldest(most_bytes, most_records)
                    self._in_use = len(records)
                    return Batch(records, None) if records else None
                try:
                    records = self._files.read(head, most_bytes, most_records)
                except FileNotFoundError:
                    records = ()
                if records:
                    return Batch(records, head, head.delivered)
                self._drop(Reason.CORRUPT, max(1, head.items))
                self._notices.damaged(head.path)
                self._files.delete(head)
            self._notices.say()

    def take_elsewhere(self, batch: Batch) -> Batch | None:
        """A record of another file than ``batch``'s, for the one sender; ``None`` without one.

        From now on nothing is added to the file of ``batch``.

        Raises:
            OSError: that file cannot be read now.
        """
        with self._lock:
            others = self._files.others(batch.source) if batch.source is not None else ()
            if not others:
                return None
            chosen = _RANDOM.choice(others)
            records, start = self._files.read(chosen, 1, 1), chosen.delivered
        return Batch(records, chosen, start) if records else None

    def done(self, batch: Batch) -> int:
        """Forget delivered records; how many items they had that were not dropped meanwhile."""
        with self._lock:
            if batch.source is None:
                self._in_use = 0
                return self._memory.remove(len(batch.records))
            if batch.source.gone:
                return 0
            if batch.source.left_behind:
                self._files.deliver_left_behind(batch.source, batch.records[-1].end)
                return batch.items
            self._files.deliver(batch.source, batch.records[-1].end, batch.items)
        return batch.items

    def give_back(self) -> None:
        """Note that what was taken was not delivered."""
        with self._lock:
            self._in_use = 0

    def refuse(self, batch: Batch, reason: str) -> None:
        """Keep for somebody to look at what the endpoint is never going to take."""
        try:
            path = quarantine.keep(
                self.parent / folder.QUARANTINE,
                self.bounds.quarantine_bytes,
                _NUMBERS[self.signal],
                batch.records,
                reason,
            )
        except OSError as error:
            self._drop(Reason.REFUSED, batch.items)
            self._notices.disk_fails(self.signal, error)
        else:
            self._quarantine = (0, 0)  # the folder's time may be coarser than this
            self._notices.refused(path.parent, reason)
        self.done(batch)
        self._notices.say()

    def refused(self) -> int:
        """Requests in quarantine, of this process and of others."""
        place = self.parent / folder.QUARANTINE
        try:
            changed = place.stat().st_mtime_ns
        except OSError:
            return 0
        if changed != self._quarantine[0]:
            # Thousands of files may be in there, which are not counted at every collection.
            self._quarantine = (changed, quarantine.held(place))
        return self._quarantine[1]

    # Keeping order

    def housekeep(self) -> None:
        """Sync what is due and drop what is too old. For the sender, every second or so."""
        now = self._monotonic()
        with self._lock:
            for record in self._files.rescue():
                self._remember(record)
            self._look_at_clocks()
            if not self._clocks.spares:
                self._expire(now)
            unnoted = [f for f in self._files.segments if now - f.noted >= _NOTE_SECONDS]
            unsynced = self._unsynced() if now - self._last_sync >= self.bounds.sync_seconds else ()
            place = self._files.folder
        for found in unnoted:
            self._note_age(found, now)
        for found, size in unsynced:
            with contextlib.suppress(OSError):
                segment.sync(found.path)
                found.synced = size
        if unsynced and place is not None:
            self._last_sync = now
            with contextlib.suppress(OSError):
                segment.sync(place)
        self._notices.say()

    def _expire(self, now: float) -> None:
        for found in list(self._files.segments):
            if now - found.written > self.bounds.age_seconds:
                self._drop(Reason.EXPIRED, found.items)
                self._files.delete(found)

    @staticmethod
    def _note_age(found: Segment, now: float) -> None:
        """For the next process: it cannot know how long this one has been waiting."""
        found.noted = now
        with contextlib.suppress(OSError):
            segment.mark_age(found.path, now - found.written)

    def _unsynced(self) -> list[tuple[Segment, int]]:
        """What is not on the disk for good; a file that is delivered needs not be."""
        return [
            (found, found.size)
            for found in self._files.segments
            if max(found.synced, found.delivered) < found.size
        ]

    def adopt(self) -> None:
        """Take over what dead processes left, in front of what is our own."""
        with self._lock:
            self._files.check()
            self._files.left_behind = False
            own = self._files.folder
        taken = adoption.take_over(self.parent, own, _NUMBERS[self.signal], self._place)
        with self._lock:
            ages = Ages(self.bounds, self._notices, self._monotonic(), self._wall() / 1e9)
            self._files.insert(ages.segments(taken.segments))
            if taken.lost:
                self._stats.dropped(self.signal, Reason.CORRUPT, taken.lost, inherited=True)
                self._notices.damaged(self.parent)
            self._make_room()
        for path, text in taken.foreign:
            self._set_aside(path, text)
        self._notices.say()

    def _place(self) -> Path:
        with self._lock:
            return self._files.place()

    def _set_aside(self, path: Path, text: str) -> None:
        # Somebody else may have done it already.
        with contextlib.suppress(OSError):
            target = quarantine.set_aside(
                self.parent / folder.ASIDE, self.bounds.quarantine_bytes, path
            )
            self._notices.foreign(target, text)

    # The end

    def close(self) -> None:
        """Leave what waits to the next process; a later ``append`` begins a new folder."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._drain_memory()
            self._drop(Reason.SHUTDOWN, self._memory.items)
            self._files.close()
            self._begin()

    def after_fork(self) -> None:
        """In a forked child: let go of everything that is the parent's, without using it."""
        self._lock = native.Lock()
        self._files.let_go()
        self._begin()
