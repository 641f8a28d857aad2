# SPDX-License-Identifier: Apache-2.0
"""The thread that takes requests from a spool to an endpoint."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from ffe_otel.export.spool.answers import Fate, Outcome
from ffe_otel.export.spool.gate import Backoff
from ffe_otel.export.spool.poison import Suspicion
from ffe_otel.export.stats import Reason, Signal
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.export.health import Health
    from ffe_otel.export.spool.answers import Transport
    from ffe_otel.export.spool.gate import Gate
    from ffe_otel.export.spool.parts import Batch
    from ffe_otel.export.spool.spool import Spool
    from ffe_otel.export.stats import ExportStats

_logger = logging.getLogger("ffe_otel.export")
_MOST_RECORDS: Final = 1024
_ADOPT_SECONDS: Final = 10.0
_LONGEST_WAIT: Final = 3600.0
_SHORTEST_ATTEMPT: Final = 0.05


@dataclass(frozen=True, slots=True)
class Pace:
    """How a sender goes about it.

    Attributes:
        interval: seconds between two rounds while less than a full request waits.
        timeout: seconds one request may take.
        patience: failures of one request after which others are tried; with the pauses in
            between, a minute.
    """

    interval: float
    timeout: float
    patience: int = 8


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a sender reports to.

    Attributes:
        stats: counts.
        health: tells people.
        redact: removes secrets from what an endpoint answered.
    """

    stats: ExportStats
    health: Health
    redact: Callable[[str], str]


class Sender:
    """Empties one spool. The thread is a daemon: nothing of ours keeps a process."""

    def __init__(
        self, spool: Spool, transport: Transport, gate: Gate, pace: Pace, desk: Desk
    ) -> None:
        """Prepare; ``start`` begins."""
        self.spool = spool
        self._transport = transport
        self._gate = gate
        self._pace = pace
        self._desk = desk
        self._reset()

    def _reset(self) -> None:
        self._changed = native.Condition()
        self._thread: native.Thread | None = None
        self._sending = native.Lock()  # where there is no thread any more
        self._asked = self._answered = 0
        self._failed = 0  # the newest ticket for which not everything was sent
        self._forced = False
        self._full = False
        self._stuck = False  # the endpoint does not take anything: no hurry
        self._stumbled_over = ""
        self._closing = self._ended = False
        self._deadline = 0.0
        self._next_round = 0.0
        self._next_adoption = 0.0
        self._backoff = Backoff()
        self._leave_alone_until = 0.0
        self._most_records = _MOST_RECORDS
        self._suspicion = Suspicion(self._pace.patience)

    def start(self) -> None:
        """Start the thread unless it runs; where none can start it is tried again later."""
        with self._changed:
            if self._thread is not None or self._closing:
                return
            thread = native.Thread(self._run)
            if thread.start():
                self._thread = thread

    def added(self) -> None:
        """Note that something was appended."""
        if self._thread is None:
            # A forked child that sends nothing needs no thread.
            self.start()
        if self._full or self._stuck:
            return
        if self.spool.bytes_waiting() >= self.spool.bounds.request_bytes:
            with self._changed:
                self._full = True
                self._changed.notify_all()

    @property
    def open(self) -> bool:
        """Whether it is no use to send now: nobody is there, or asked to be left alone."""
        return self._gate.down or time.monotonic() < max(
            self._backoff.until, self._leave_alone_until
        )

    def is_current(self) -> bool:
        """Whether this is the sender's own thread, which cannot wait for itself."""
        return self._thread is not None and self._thread.is_current()

    def silent_since(self) -> float | None:
        """Since when the endpoint owes an answer, a monotonic time; ``None`` if it does not."""
        return self._gate.silent_since()

    def ask(self, deadline: float, *, force: bool = True) -> int:
        """Ask for everything that waits to be sent now.

        Args:
            deadline: monotonic time in seconds until which that may take.
            force: pauses or not.

        Returns:
            A ticket for ``wait_for``.
        """
        self.start()
        with self._changed:
            alone = self._asked == self._answered and not self._closing
            self._deadline = deadline if alone else max(self._deadline, deadline)
            self._forced = self._forced or force
            self._asked += 1
            self._changed.notify_all()
            return self._asked

    def wait_for(self, ticket: int, deadline: float) -> bool:
        """Wait until what was asked for was tried, at most until ``deadline``.

        Returns:
            Whether everything is sent that waited when the sender began with it.
        """
        thread = self._thread
        if self.is_current():
            return False
        if thread is None or not thread.is_alive():
            return self._send_here(ticket, deadline)
        with self._changed:
            self._changed.wait_for(
                lambda: self._answered >= ticket or self._ended,
                max(0.0, deadline - time.monotonic()),
            )
            return self._answered >= ticket > self._failed

    def _send_here(self, ticket: int, deadline: float) -> bool:
        """Send on the thread that waits: there is no other any more."""
        if self._sending.acquire(timeout=max(0.0, deadline - time.monotonic())):
            try:
                if self._answered < ticket:
                    with suppress_instrumentation():
                        self._round()
                    if self._closing:
                        self.spool.close()
            finally:
                self._sending.release()
        return self._answered >= ticket > self._failed

    def begin_close(self, deadline: float) -> None:
        """Send what is possible until ``deadline``, a monotonic time in seconds, and end."""
        with self._changed:
            self._closing = True
            self._deadline = deadline
            self._changed.notify_all()

    def end_close(self) -> None:
        """Wait for the end; the thread may be in a request that takes longer, and is left."""
        thread = self._thread
        if thread is None:
            with suppress_instrumentation():
                self._round()
            self.spool.close()
        else:
            thread.join(self._deadline - time.monotonic())

    def after_fork(self) -> None:
        """Start clean in a forked child."""
        self.spool.after_fork()
        self._reset()

    # On the thread

    def _run(self) -> None:
        with suppress_instrumentation():
            while True:
                closing = self._wait()
                self._round()
                if closing:
                    self.spool.close()
                    with self._changed:
                        self._ended = True
                        self._changed.notify_all()
                    return

    def _wait(self) -> bool:
        with self._changed:
            while not (self._closing or self._full or self._asked > self._answered):
                left = self._next_round - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._full = False
            return self._closing

    def _round(self) -> None:
        with self._changed:
            asked = self._asked
            hurry = self._closing or asked > self._answered
            forced, self._forced = self._closing or self._forced, False
        sent = False
        try:
            self._housekeep()
            sent = self._send_all(hurry=hurry, forced=forced)
        except Exception as error:  # noqa: BLE001 - the thread has to go on
            self._stumbled(error)
        finally:
            with self._changed:
                if not sent and asked > self._answered:
                    self._failed = asked
                self._answered = asked
                self._next_round = time.monotonic() + self._pace.interval
                self._changed.notify_all()

    def _stumbled(self, error: Exception) -> None:
        self._backoff.failed()
        text = f"{type(error).__name__}: {error}"
        if text != self._stumbled_over:
            self._stumbled_over = text
            _logger.warning(
                "The sender of %s failed and tries again: %s",
                self.spool.signal,
                self._desk.redact(text),
            )

    def _housekeep(self) -> None:
        now = time.monotonic()
        if now >= self._next_adoption or self.spool.left_behind:
            self._next_adoption = now + _ADOPT_SECONDS
            self.spool.adopt()
        self.spool.housekeep()

    def _send_all(self, *, hurry: bool, forced: bool) -> bool:
        """Send what waits now; whether all of it is sent.

        Args:
            hurry: somebody waits for it, until the deadline.
            forced: pauses do not count.
        """
        left = self.spool.bytes_waiting()
        while left > 0:
            now = time.monotonic()
            seconds = self._pace.timeout
            if hurry:
                seconds = min(seconds, self._deadline - now)
            if not forced and now < self._backoff.until:
                return False
            if seconds < _SHORTEST_ATTEMPT or now < self._leave_alone_until:
                return False
            batch = self.spool.take(self.spool.bounds.request_bytes, self._most_records)
            if batch is None:
                return True
            settled = self._send(batch, seconds, hurry=hurry, forced=forced)
            if settled is None:
                return False
            left -= settled
        return True

    def _send(self, batch: Batch, seconds: float, *, hurry: bool, forced: bool) -> int | None:
        """Send a batch; bytes that wait no more, ``None`` where it is no time to go on."""
        outcome = self._post(batch, seconds, forced=forced)
        if outcome is None:
            self.spool.give_back()
            return None
        if outcome.fate is Fate.TAKEN:
            self._taken(batch, outcome)
            self._suspicion.taken(batch)
            self._most_records = min(_MOST_RECORDS, self._most_records * 2)
            return batch.stored
        if outcome.fate is Fate.REFUSED:
            return self._refused(batch, outcome)
        self.spool.give_back()
        if outcome.suspicious and batch.source is not None and not hurry:
            if self._suspicion.failed(batch):
                return self._refused(batch, replace(outcome, divisible=True))
            if self._suspicion.wants_proof and self._takes_others(batch, seconds):
                return 0
        self._later(outcome)
        return None

    def _post(self, batch: Batch, seconds: float, *, forced: bool) -> Outcome | None:
        if not self._gate.enter(self, hurry=forced):
            self._stuck = True
            return None
        reached = False
        try:
            outcome = self._transport.post(batch.payload, seconds)
            reached = outcome.fate is not Fate.UNREACHABLE
        finally:
            self._gate.leave(self, reached=reached)
        self._stuck = outcome.fate in (Fate.LATER, Fate.UNREACHABLE)
        return outcome

    def _takes_others(self, batch: Batch, seconds: float) -> bool:
        """Whether the server takes another request than this one, which it failed on."""
        other = self.spool.take_elsewhere(batch)
        outcome = self._post(other, seconds, forced=False) if other is not None else None
        if other is None or outcome is None or outcome.fate is not Fate.TAKEN:
            return False
        self._taken(other, outcome)
        self._suspicion.other_taken()
        return True

    def _taken(self, batch: Batch, outcome: Outcome) -> None:
        signal, stats = self.spool.signal, self._desk.stats
        items = self.spool.done(batch)
        rejected = min(items, outcome.rejected)
        if rejected:
            stats.dropped(signal, Reason.REJECTED, rejected)
            self._desk.health.rejected(self._transport.target, outcome.text)
        stats.exported(signal, items - rejected)
        self._backoff.succeeded()
        self._desk.health.succeeded(self._transport.target)
        self._desk.health.succeeded(f"{self._transport.target} ({signal})")

    def _refused(self, batch: Batch, outcome: Outcome) -> int:
        if outcome.divisible and len(batch.records) > 1:
            # One bad record must not take its neighbours along.
            self._most_records = max(1, len(batch.records) // 2)
            self.spool.give_back()
            return 0
        text = f"{self._transport.target} {outcome.reason} {outcome.text}".strip()
        self._desk.stats.quarantined(self.spool.signal, outcome.code, batch.items)
        self.spool.refuse(batch, self._desk.redact(text))
        self._suspicion.clear()
        self._most_records = _MOST_RECORDS
        return batch.stored

    def _later(self, outcome: Outcome) -> None:
        signal = self.spool.signal
        self._desk.stats.send_failed(signal, outcome.code)
        if outcome.fate is Fate.LATER:
            self._backoff.failed()
            pause = min(outcome.wait_seconds, _LONGEST_WAIT)
            self._leave_alone_until = time.monotonic() + pause
        # A process has metrics of its own even when it did nothing; their end is no news.
        if self._closing and signal is Signal.METRICS:
            return
        endpoint = self._transport.target
        if outcome.fate is Fate.LATER:
            endpoint = f"{endpoint} ({signal})"
        self._desk.health.waits(
            endpoint, outcome.reason, str(self.spool.parent.parent), closing=self._closing
        )
