# SPDX-License-Identifier: Apache-2.0
"""A bounded queue and the thread that empties it."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

BATCH: Final = 512
POLL_SECONDS: Final = 0.1


class _Request(NamedTuple):
    """Asks the worker to empty the queue, and perhaps to stop; it answers in ``reply``."""

    reply: queue.SimpleQueue[bool]
    stop: bool


class Worker(Generic[T]):
    """Takes items on any thread and delivers them, in order and in batches, on its own.

    ``put`` takes no lock and wakes nobody until a batch waits: the worker looks by itself
    ten times a second, so that there is something to do together. Where no thread
    can run (switched off, closed, the interpreter is shutting down) items are delivered on
    the thread that brought them.

    Args:
        deliver: Called with a batch, one call at a time; must not raise.
        capacity: Items held before further ones are dropped.
        dropped: Called on the worker with the number of items dropped since the last call.
        name: Of the thread.
        threaded: Whether to use a thread at all.
        step: Called between batches for work that comes in small pieces; tells whether
            there is more.
    """

    _queue: deque[T]
    _requests: queue.SimpleQueue[_Request | None]
    _thread: threading.Thread | None
    _starting: threading.Lock
    _delivering: threading.Lock
    _awake: bool
    _drops: itertools.count[int]
    _draws: int
    _reported: int

    def __init__(
        self,
        deliver: Callable[[Sequence[T]], None],
        *,
        capacity: int,
        dropped: Callable[[int], None],
        name: str,
        threaded: bool = True,
        step: Callable[[], bool] = lambda: False,
    ) -> None:
        self._deliver = deliver
        self._capacity = capacity
        self._wake_at = max(1, min(BATCH, capacity // 2))
        self._press_at = max(1, capacity // 4)
        self._dropped = dropped
        self._name = name
        self._step = step
        self._inline = not threaded
        self._reset()

    def put(self, item: T) -> None:
        """Queue an item, or count it as dropped when the queue is full."""
        waiting = len(self._queue)
        if waiting >= self._capacity:
            next(self._drops)
            return
        self._queue.append(item)
        if self._inline:
            self._deliver_here()
        elif self._thread is None:
            self.start()
        elif waiting >= self._wake_at and not self._awake:
            self._awake = True
            self._requests.put(None)

    def start(self) -> None:
        """Start the thread; without one, from now on whoever brings an item delivers it."""
        if self._inline or not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
        except RuntimeError:
            self._inline = True
        finally:
            self._starting.release()
        if self._inline:
            self._deliver_here()

    def flush(self, timeout: float) -> bool:
        """Wait until everything put so far is delivered.

        Safe in a signal handler: it takes no lock that the interrupted code may hold.

        Args:
            timeout: Longest wait in seconds.

        Returns:
            Whether everything was delivered in time.
        """
        return self._ask(timeout, stop=False)

    def close(self, timeout: float) -> bool:
        """Deliver everything and end the thread; later items are delivered by their bringers.

        Returns:
            Whether everything was delivered in time.
        """
        done = self._ask(timeout, stop=True)
        self._inline = True
        self._deliver_here()
        return done

    def after_fork(self) -> None:
        """Start clean in a forked child: what is queued is the parent's to deliver."""
        self._reset()

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self._queue)

    @property
    def pressed(self) -> bool:
        """Whether there is no time to lose: a quarter of the queue is full, or somebody waits."""
        return self._inline or len(self._queue) >= self._press_at

    def _reset(self) -> None:
        self._queue = deque()
        self._requests = queue.SimpleQueue()
        self._thread = None
        self._starting = threading.Lock()
        self._delivering = threading.Lock()
        self._awake = False
        # Counting is one atomic step this way: the worker learns the number of drops by
        # drawing from the same counter and taking off its own draws.
        self._drops = itertools.count()
        self._draws = 0
        self._reported = 0

    def _ask(self, timeout: float, *, stop: bool) -> bool:
        if self._thread is None or self._inline:
            self._deliver_here()
            return not self._queue
        reply: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._requests.put(_Request(reply, stop))
        try:
            return reply.get(timeout=timeout)
        except queue.Empty:
            return False

    def _run(self) -> None:
        more = False
        while True:
            waits = not more and len(self._queue) < BATCH
            request = self._next_request(POLL_SECONDS if waits else 0.0)
            self._awake = False
            # Asked to empty the queue, or at least to make room.
            remaining = len(self._queue) if request else min(len(self._queue), BATCH)
            with self._delivering:
                more = self._step()
                while remaining > 0:
                    remaining -= self._deliver_batch()
                    more = self._step()
                self._report_drops()
            if request:
                request.reply.put(True)
                if request.stop:
                    return

    def _next_request(self, wait: float) -> _Request | None:
        try:
            return self._requests.get(timeout=wait) if wait else self._requests.get_nowait()
        except queue.Empty:
            return None

    def _deliver_here(self) -> None:
        # Whoever holds the lock looks again after letting go of it, so nothing is left
        # behind by those who found it taken.
        while self._queue and self._delivering.acquire(blocking=False):
            try:
                while self._queue:
                    self._deliver_batch()
                self._report_drops()
                while self._step():
                    continue
            finally:
                self._delivering.release()

    def _deliver_batch(self) -> int:
        batch: list[T] = []
        while self._queue and len(batch) < BATCH:
            batch.append(self._queue.popleft())
        self._deliver(batch)
        return max(1, len(batch))

    def _report_drops(self) -> None:
        drops = next(self._drops) - self._draws
        self._draws += 1
        if drops > self._reported:
            self._dropped(drops - self._reported)
            self._reported = drops
