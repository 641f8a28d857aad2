# SPDX-License-Identifier: Apache-2.0
"""How long a flush waits, and for whom it gives up.

OpenTelemetry's providers hand a flush down to processors, readers and exporters with what is left
of its time in milliseconds. What else they have to know stands on the thread that flushes.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.export.worker import never
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ffe_otel.export.budget import ShutdownBudget
    from ffe_otel.export.spool.sender import Sender
    from ffe_otel.export.stats import ExportStats
    from ffe_otel.export.worker import Worker

_SLICE: Final = 0.05
# What the SDK's providers pass on of their default of 30 s.
_NO_OPINION: Final = 29.0


class Flush:
    """One flush: until when it waits, and until when for an endpoint that says nothing.

    Attributes:
        end: monotonic time in seconds.
        patience: seconds that one answer may take.
        forced: pauses of senders do not count.
        sends: whether it goes on behind the spool.
    """

    def __init__(
        self, end: float, patience: float = math.inf, *, forced: bool = False, sends: bool = True
    ) -> None:
        """See the attributes."""
        self.end = end
        self.patience = patience
        self.forced = forced
        self.sends = sends

    @property
    def left(self) -> float:
        """Seconds until its end."""
        return max(0.0, self.end - time.monotonic())

    def open(self, senders: Sequence[Sender]) -> bool:
        """Whether one of ``senders`` cannot send now, so that it is no use to wait."""
        return not self.forced and any(sender.open for sender in senders)

    def wait(self, done: Callable[[float], bool], senders: Sequence[Sender] = ()) -> bool:
        """Wait for something that ``senders`` are to send afterwards, or do.

        Args:
            done: waits at most so many seconds; whether it is done.
            senders: they may turn out to have no endpoint.
        """
        if self.forced or not senders or done is never:
            return done(self.left)
        while True:
            end = self.end
            for sender in senders:
                since = sender.silent_since()
                if since is not None:
                    end = min(end, since + self.patience)
            left = end - time.monotonic()
            if done(max(0.0, min(left, _SLICE))):
                return True
            if left <= 0 or self.open(senders):
                return False

    def through(self, worker: Worker[Any], senders: Sequence[Sender]) -> bool:
        """Take what waits in front of the spool to it, and then to its endpoint."""
        if self.sends and self.open(senders):
            return False
        if not self.wait(worker.ask(), senders if self.sends else ()):
            return False
        return not self.sends or self.send(senders)

    def send(self, senders: Sequence[Sender]) -> bool:
        """Wait until everything is taken that is in the spools of ``senders`` now."""
        if self.open(senders) or any(sender.is_current() for sender in senders):
            return False
        # All of them at once, and then one after the other.
        tickets = [sender.ask(self.end, force=self.forced) for sender in senders]
        sent = [self._sent(*each) for each in zip(senders, tickets, strict=True)]
        return all(sent)

    def _sent(self, sender: Sender, ticket: int) -> bool:
        return self.wait(
            lambda seconds: sender.wait_for(ticket, time.monotonic() + seconds), [sender]
        )


class Flushes:
    """Begins flushes, within the configured times and those of an exit.

    Attributes:
        budget: what an exit may take.
        closing: the process ends, by what we were told.
    """

    def __init__(self, budget: ShutdownBudget, seconds: float, stats: ExportStats) -> None:
        """Begin flushes.

        Args:
            budget: what an exit may take.
            seconds: what the longest may take (``limits.flush_seconds``).
            stats: knows what was lost.
        """
        self.budget = budget
        self.closing = False
        self._seconds = seconds
        self._stats = stats
        self._told: dict[str, int] = {}
        self._here = threading.local()

    def after_fork(self) -> None:
        """In a forked child: a thread of the parent's may hold the lock, and is not here."""
        self.budget.after_fork()
        self.closing = False

    def begin(self, timeout: float | None) -> Flush:
        """A flush that somebody asked a provider for, or the one that it is a part of.

        Args:
            timeout: seconds it may take; ``None`` for no opinion. Then it waits for a silent
                endpoint only as long as an exit would: it may be one.
        """
        outer: Flush | None = getattr(self._here, "flush", None)
        if outer is not None:
            return outer
        asked = math.inf if timeout is None else timeout
        now, left = time.monotonic(), self.budget.left()
        longest = min(asked, self._seconds)
        if self._exits():
            return Flush(now + min(longest, left / 2), left / 2)
        if asked < _NO_OPINION:
            return Flush(now + longest)
        # One after the other in vain, they take no longer together than an exit may.
        return Flush(now + (longest if left >= longest / 4 else min(longest, left)), left / 2)

    def begin_forced(self, timeout: float) -> Flush:
        """A flush that tries the endpoint although it is thought to be away."""
        seconds = min(timeout, self.budget.left() / 2) if self._exits() else timeout
        return Flush(time.monotonic() + seconds, forced=True)

    def settle(self, flush: Flush, signals: Iterable[str], work: Callable[[], bool]) -> bool:
        """Do what a flush does; whether all of its signals is taken.

        That is more than that nothing waits: what was dropped, refused or rejected since the last
        flush of the same signals is not taken either.
        """
        if self.within_another:
            return work()
        began = time.monotonic()
        before = {each: min(self._told.get(each, 0), self._stats.lost(each)) for each in signals}
        with self.within(flush):
            done = work()
        lost = {each: self._stats.lost(each) for each in before}
        self._told.update(lost)
        if done:
            self.budget.well_spent()
        else:
            self.budget.wasted(time.monotonic() - began)
        return done and lost == before

    @property
    def within_another(self) -> bool:
        """Whether a flush is under way on this thread."""
        return getattr(self._here, "flush", None) is not None

    @contextlib.contextmanager
    def within(self, flush: Flush) -> Iterator[None]:
        """Make what is flushed on this thread a part of ``flush``."""
        outer: Flush | None = getattr(self._here, "flush", None)
        self._here.flush = flush
        try:
            yield
        finally:
            self._here.flush = outer

    def _exits(self) -> bool:
        # The interpreter waits for threads and runs exit callbacks when this one has ended.
        return self.closing or not threading.main_thread().is_alive()


class Helper:
    """A thread that does what may take longer than its caller waits.

    It is started in time: when the interpreter exits, none can be any more.
    """

    def __init__(self) -> None:
        """Prepare."""
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the parent's thread."""
        self._tasks: native.SimpleQueue[tuple[Callable[[], object], native.SimpleQueue[object]]]
        self._tasks = native.SimpleQueue()
        self._thread: native.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it runs or none can start."""
        if self._thread is None:
            thread = native.Thread(self._run)
            if thread.start():
                self._thread = thread

    def run(self, task: Callable[[], object], seconds: float) -> object:
        """Do something; what it returned, False where it failed or took longer."""
        self.start()
        if self._thread is None or self._thread.is_current():
            return _result(task)
        reply: native.SimpleQueue[object] = native.SimpleQueue()
        self._tasks.put((task, reply))
        try:
            return reply.get(timeout=seconds)
        except queue.Empty:
            return False

    def _run(self) -> None:
        while True:
            task, reply = self._tasks.get()
            reply.put(_result(task))


def _result(task: Callable[[], object]) -> object:
    try:
        return task()
    except Exception:  # noqa: BLE001 - the SDK's meter provider raises where a reader fails
        return False
