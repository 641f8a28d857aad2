# SPDX-License-Identifier: Apache-2.0
"""A bounded queue and the thread that empties it."""

from __future__ import annotations

import itertools
import math
import queue
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from ffe_otel.foundation import native
from ffe_otel.foundation.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

BATCH: Final = 512
BATCH_BYTES: Final = 1 << 21
POLL_SECONDS: Final = 0.1
_HURRY_AT: Final = 2048
_LOOK_SECONDS: Final = 0.002
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class _Request(NamedTuple):
    """Asks the worker to empty the queue, and perhaps to stop; it answers in ``reply``."""

    reply: native.SimpleQueue[bool]
    stop: bool


class Worker(Generic[T]):
    """Takes items on any thread and delivers them, in order and in batches, on its own.

    ``put`` takes no lock and wakes nobody until a batch waits: the worker looks by itself
    ten times a second, so that there is something to do together. Where no thread is to run
    (switched off, closed) items are delivered on the thread that brought them. Where one
    could not be started they wait, and it is tried again with the items to come.

    Args:
        deliver: Called with a batch, one call at a time; must not raise.
        room: What the items may take in memory, together with those of other workers.
        capacity: Items held before further ones are dropped; 0 for as many as have room.
        hurry_at: Items that wait from which on there is no time for rests; 0 for a quarter of
            ``capacity``, or a number that goes with any.
        dropped: Called on the worker with the number of items dropped since the last call.
        threaded: Whether to use a thread at all.
        step: Called between batches for work that comes in small pieces; tells whether
            there is more.
    """

    _queue: deque[Any]
    _requests: native.SimpleQueue[_Request | None]
    _thread: native.Thread | None
    _starting: Any
    _delivering: Any
    _start_again: float
    _pause: float
    _deliverer: int
    _taken: int
    _delivered: int
    _awake: bool
    _drops: itertools.count[int]
    _draws: int
    _reported: int

    def __init__(
        self,
        deliver: Callable[[Sequence[T]], None],
        *,
        dropped: Callable[[int], None],
        room: Room | None = None,
        capacity: int = 0,
        hurry_at: int = 0,
        threaded: bool = True,
        step: Callable[[], bool] = lambda: False,
    ) -> None:
        self._deliver = deliver
        self._room = Room() if room is None else room
        # The queue holds each item and its size one behind the other: a pair for each would be
        # one more thing for the garbage collector.
        most = capacity or math.inf
        self._longest = 2 * most
        self._wake_at = 2 * max(1, min(BATCH, most // 2))
        self._press_at = 2 * max(1, hurry_at or (capacity // 4 if capacity else _HURRY_AT))
        self._dropped = dropped
        self._step = step
        self._inline = not threaded
        self._reset()

    def put(self, item: T, size: int = 0) -> None:
        """Queue an item, or count it as dropped when there is no room.

        Args:
            item: What to deliver.
            size: Bytes it takes, by estimate.
        """
        room = self._room
        waiting = len(self._queue)
        if room.used + size > room.limit or waiting >= self._longest:
            next(self._drops)
            return
        room.used += size
        self._queue.extend((item, size))
        if self._inline:
            self._deliver_here()
        elif self._thread is None:
            self.start()
        elif waiting >= self._wake_at and not self._awake:
            self._awake = True
            self._requests.put(None)

    def start(self) -> None:
        """Start the thread, unless that failed a moment ago."""
        if self._inline or time.monotonic() < self._start_again:
            return
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = native.Thread(self._run)
                if thread.start():
                    self._thread = thread
                else:
                    self._start_again = time.monotonic() + self._pause
                    self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        finally:
            self._starting.release()

    def flush(self, timeout: float) -> bool:
        """Wait until everything put so far is delivered; what is put meanwhile is not waited for.

        Safe in a signal handler: it takes no lock that the interrupted code may hold.

        Args:
            timeout: Longest wait in seconds.

        Returns:
            Whether everything was delivered in time. Never from within a delivery, which
            cannot wait for its own end.
        """
        return self.ask()(timeout)

    def ask(self) -> Callable[[float], bool]:
        """Ask for everything put so far to be delivered.

        Returns:
            Waits for that at most so many seconds; may be called until it says True.
            :func:`never` from within a delivery.
        """
        return self._ask(stop=False)

    def close(self, timeout: float) -> bool:
        """Deliver everything and end the thread; later items are delivered by their bringers.

        Returns:
            Whether everything was delivered in time.
        """
        done = self._ask(stop=True)(timeout)
        self._inline = True
        self._deliver_here()
        return done

    def after_fork(self) -> None:
        """Start clean in a forked child: what is queued is the parent's to deliver."""
        self._reset()
        self._room.used = 0  # the other queues are emptied as well

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self._queue) // 2

    @property
    def pressed(self) -> bool:
        """Whether there is no time to lose: too much waits, or somebody does."""
        return self._inline or len(self._queue) >= self._press_at

    def _reset(self) -> None:
        self._queue = deque()
        self._requests = native.SimpleQueue()
        self._thread = None
        self._starting = native.Lock()
        self._delivering = native.Lock()
        self._start_again = 0.0
        self._pause = _FIRST_PAUSE
        self._deliverer = 0
        self._taken = 0  # items out of the queue, and how many of these are delivered
        self._delivered = 0
        self._awake = False
        # Counting is one atomic step this way: the worker learns the number of drops by
        # drawing from the same counter and taking off its own draws.
        self._drops = itertools.count()
        self._draws = 0
        self._reported = 0

    def _ask(self, *, stop: bool) -> Callable[[float], bool]:
        if native.get_ident() == self._deliverer:
            return never
        if self._thread is None and self._queue:
            self._start_again = 0.0
            self.start()
        if self._thread is not None and not self._inline:
            reply: native.SimpleQueue[bool] = native.SimpleQueue()
            self._requests.put(_Request(reply, stop))
            # If the thread has ended meanwhile, it may not have seen the request any more.
            if not self._inline:
                return lambda timeout: _answer(reply, timeout)
        # In this order, or what goes from one to the other in between would be in neither.
        put = len(self._queue) // 2
        put += self._taken
        return lambda timeout: self._wait_here(put, timeout)

    def _wait_here(self, put: int, timeout: float) -> bool:
        """Deliver the first ``put`` items here, or wait for whoever else does."""
        deadline = time.monotonic() + timeout
        while True:
            self._deliver_here(put)
            # The number may be too high by what was just taken out when it was counted.
            if self._delivered >= put or (not self._queue and self._delivered == self._taken):
                return True
            if time.monotonic() >= deadline:
                return False
            native.sleep(_LOOK_SECONDS)

    def _run(self) -> None:
        more = False
        while True:
            waits = not more and len(self._queue) < 2 * BATCH
            request = self._next_request(POLL_SECONDS if waits else 0.0)
            self._awake = False
            native.start_pending()
            # Asked to empty the queue, or at least to make room.
            remaining = len(self._queue) // 2
            remaining = remaining if request else min(remaining, BATCH)
            with self._delivering:
                self._deliverer = native.get_ident()
                more = self._step()
                while remaining > 0:
                    remaining -= self._deliver_batch()
                    more = self._step()
                self._report_drops()
                self._deliverer = 0
            if request:
                request.reply.put(True)
                if request.stop:
                    self._end()
                    return

    def _end(self) -> None:
        """Leave what comes from now on to those who bring it."""
        self._inline = True
        self._deliver_here()
        while not self._requests.empty():
            if request := self._next_request(0.0):
                request.reply.put(not self._queue)

    def _next_request(self, wait: float) -> _Request | None:
        try:
            return self._requests.get(timeout=wait) if wait else self._requests.get_nowait()
        except queue.Empty:
            return None

    def _deliver_here(self, most: float = math.inf) -> None:
        # Whoever holds the lock looks again after letting go of it, so nothing is left
        # behind by those who found it taken.
        while self._queue and self._taken < most and self._delivering.acquire(blocking=False):
            self._deliverer = native.get_ident()
            try:
                while self._queue and self._taken < most:
                    self._deliver_batch()
                self._report_drops()
                while self._step():
                    continue
            finally:
                self._deliverer = 0
                self._delivering.release()

    def _deliver_batch(self) -> int:
        waiting, size = self._queue, 0
        batch: list[T] = []
        while waiting and len(batch) < BATCH and size < BATCH_BYTES:
            self._taken += 1
            batch.append(waiting.popleft())
            size += waiting.popleft()
        self._deliver(batch)
        self._delivered = self._taken
        self._room.used -= size
        return max(1, len(batch))

    def _report_drops(self) -> None:
        drops = next(self._drops) - self._draws
        self._draws += 1
        if drops > self._reported:
            self._dropped(drops - self._reported)
            self._reported = drops


def never(_: float) -> bool:
    """Wait for nothing: it cannot come."""
    return False


def _answer(reply: native.SimpleQueue[bool], timeout: float) -> bool:
    try:
        return reply.get(timeout=max(0.0, timeout))
    except queue.Empty:
        return False
