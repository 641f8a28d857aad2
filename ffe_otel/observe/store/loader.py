# SPDX-License-Identifier: Apache-2.0
"""The thread that moves journal segments into the store and tells who is listening."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb

from ffe_otel.observe.cycles import refresh_cycles
from ffe_otel.observe.decode import Signal
from ffe_otel.observe.errors import ServeError
from ffe_otel.observe.store import asides, damage
from ffe_otel.observe.store.damage import first_line
from ffe_otel.observe.store.load import (
    Loaded,
    arrive,
    forget_segments,
    load_segments,
    recorded_segments,
)
from ffe_otel.observe.store.repair import Repair
from ffe_otel.observe.store.retention import DAY_SECONDS, LOOK, RetentionLimits, crowded, enforce
from ffe_otel.observe.store.salvage import salvage
from ffe_otel.observe.store.scrub import Scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ffe_otel.observe.decode import Known
    from ffe_otel.observe.journal import Journal, Segment
    from ffe_otel.observe.store.clock import StoreClock
    from ffe_otel.observe.store.database import Database

logger = logging.getLogger(__name__)

PERIOD: Final = 0.3
"""Shortest time between two loads, seconds: what a running cycle needs to be seen."""
RETRY: Final = 2.0
"""Pause after a load that failed, seconds."""
READ_BACK: Final = 0.3
"""Longest that a damaged file is read before what has arrived gets its turn, seconds."""
RETENTION_PERIOD: Final = 30.0
MAX_FAILURES: Final = 3
"""Loads that fail in a row before the rows themselves are suspected."""
_PASSING: Final = (
    duckdb.FatalException,
    duckdb.ConnectionException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    MemoryError,
)
LOAD_BYTES: Final = 32 * 1024**2
"""Journal bytes one transaction takes; a backlog is loaded in several."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became visible: traces that got rows, and whether metrics did."""

    trace_ids: tuple[str, ...]
    metrics: bool


class Loader:
    """Owns the writing connection: loads, derives cycles, retires old rows."""

    def __init__(
        self, database: Database, journal: Journal, known: Known, *, limits: RetentionLimits,
        publish: Callable[[Change], None], clock: StoreClock | None = None,
    ) -> None:  # fmt: skip
        """Load from ``journal`` into ``database``; rows arrive by ``clock``, else the machine's."""
        self.problem = ""
        self.last_retention = ""
        self._database = database
        self._journal = journal
        self._known = known
        self._limits = limits
        self._publish = publish
        self._clock = clock
        self.repair = Repair(database, known)
        self._scrub = Scrub(database)
        self._suspect: Exception | None = None
        self._reopened = self._reading_back = False
        self._failures = 0
        self._arrived = 0
        self._burst = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._retention_at = time.monotonic() + RETENTION_PERIOD
        self._thread = threading.Thread(target=self._run, name="ffe-otel-loader", daemon=True)

    def start(self) -> None:
        """Finish what an earlier run left behind, then load in the background."""
        try:
            self._drop_recorded()
            done = self._load_all()
        except (duckdb.Error, OSError) as error:
            self._failed_apart_from_rows(error)
            done = False
        if not done:
            self._wake.set()
        self._thread.start()

    def suspect(self, error: Exception) -> None:
        """Have the store looked at after a query failed; callable from any thread."""
        if damage.suspicious(error):
            self._suspect = error
            self._wake.set()

    def wake(self) -> None:
        """Say that the journal has data."""
        self._wake.set()

    def close(self) -> None:
        """Load what the journal still holds and stop."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._load_all()
        self.repair.close()

    def _now_ns(self) -> int:
        return self._clock.now_ns() if self._clock else time.time_ns()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(timeout=0.0 if self._reading_back else 1.0)
            try:
                self._turn()
            except Exception as error:
                # Without this thread everything would be acknowledged and nothing shown.
                logger.exception("ffe-otel serve: the loader met what it should not")
                self.problem = f"the loader failed and tries again: {error!r}"
                self._wake_later()
            self._stopping.wait(PERIOD)

    def _turn(self) -> None:
        if self._database.is_gone():
            self._database.bring_back()
            self._known.clear()
            self.repair.look()
            self._wake.set()
        suspect, self._suspect = self._suspect, None
        if suspect is not None:
            self._failed_apart_from_rows(suspect)
        if self._wake.is_set():
            self._wake.clear()
            if not self._load_all():
                self._wake_later()
            elif self._reopened:
                # With nothing to load nobody would see that it works again.
                self.problem, self._reopened = "", False
        self._read_back()
        if self._crowded() or time.monotonic() >= self._retention_at:
            self._retention_at = time.monotonic() + RETENTION_PERIOD
            self._retire()

    def _read_back(self) -> None:
        """Read on in a file that was set aside, or in our own, for a moment.

        What arrives comes first.
        """
        until, self._reading_back = time.monotonic() + READ_BACK, False
        try:
            while time.monotonic() < until and not self._stopping.is_set():
                if self.repair.step():
                    self._reading_back = True
                    self._publish(Change((), metrics=True))
                elif not self._scrub.step():
                    break
        except (duckdb.Error, OSError) as error:
            self._failed_apart_from_rows(error)
            self._stopping.wait(RETRY)

    def _crowded(self) -> bool:
        """Whether so much has arrived that rows have to go before their turn."""
        if self._arrived < LOOK * self._limits.size:
            return False
        self._burst, self._arrived = min(self._arrived, LOAD_BYTES), 0
        return crowded(self._database, self._spoken_for(), self._limits)

    def _spoken_for(self) -> int:
        """Bytes of the limit that rows may not fill: what waits, and a burst like the last.

        Until a checkpoint the burst is there twice, as blocks and in the write-ahead log.
        """
        return self._journal.size + 2 * self._burst

    def _wake_later(self) -> None:
        self._stopping.wait(RETRY)
        self._wake.set()

    def _drop_recorded(self) -> None:
        """Delete segments whose rows are in the store, after a kill between the two."""
        done = recorded_segments(self._database.writer)
        self._journal.discard(s for s in self._journal.seal() if s.path.name in done)
        forget_segments(self._database.writer)

    def _load_all(self) -> bool:
        """Load every sealed segment; whether the store took them."""
        waiting = self._journal.seal()
        while waiting:
            chunk = _chunk(waiting)
            if not self._load(chunk):
                return False
            waiting = waiting[len(chunk) :]
        return True

    def _load(self, segments: Sequence[Segment]) -> bool:
        error = self._take(segments)
        if error is not None:
            return self._failed(segments, error)
        self._failures = 0
        self._journal.discard(segments)
        return True

    def _take(self, segments: Sequence[Segment]) -> Exception | None:
        """Put rows into the store, tell who listens, and say why it did not work."""
        try:
            loaded = self._transact(segments)
        except Exception as error:  # noqa: BLE001 - a row may meet any bug on its way
            return error
        if self.problem:
            logger.warning("ffe-otel serve: the store takes data again")
            self.problem = ""
        self._journal.relieved = False
        self._arrived += sum(s.size for s in segments)
        self._known.add(loaded.series, loaded.resources)
        if loaded.traces or loaded.rows[Signal.METRICS]:
            self._publish(Change(tuple(loaded.traces), loaded.rows[Signal.METRICS] > 0))
        return None

    def _transact(self, segments: Sequence[Segment]) -> Loaded:
        connection = self._database.writer
        connection.execute("BEGIN")
        try:
            # The segments recorded by the transaction before this one are deleted by now.
            forget_segments(connection)
            arrive(connection, self._now_ns())
            loaded = load_segments(connection, segments)
            refresh_cycles(connection, loaded.cycles)
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        return loaded

    def _failed(self, segments: Sequence[Segment], error: Exception) -> bool:
        there = [s for s in segments if s.path.exists()]
        if len(there) < len(segments):
            # Somebody deleted them; their rows are nowhere any more.
            logger.error(
                "ffe-otel serve: files of the journal %s are gone", self._journal.directory
            )
            self._journal.discard(s for s in segments if s not in there)
            return self._load(there) if there else True
        if self._mended(error):
            return False
        if isinstance(error, duckdb.IOException):
            return self._no_room(error)
        if isinstance(error, _PASSING):
            self._failures += 1
            if self._failures < MAX_FAILURES:
                return False
        if len(segments) > 1:
            taken = [self._load([segment]) for segment in segments]
            return all(taken)
        return self._salvage(segments[0], error)

    def _mended(self, error: Exception) -> bool:
        """Look after the store, and tell whether it and not the rows was at fault."""
        try:
            said, replaced = self.repair.after(error)
        except (duckdb.Error, OSError) as problem:
            # Taken on, for as long as it fits: the store's trouble is not the sender's.
            self._journal.relieved = True
            self._no_room(problem)
            return True
        if damage.suspicious(error):
            self._journal.relieved = self._reopened = True
        if said:
            self._note(said)
        if replaced:
            self._failures = 0
            self._scrub.again()
        return replaced

    def _failed_apart_from_rows(self, error: Exception) -> None:
        if isinstance(error, duckdb.InterruptException):
            return
        if not self._mended(error) and not damage.suspicious(error):
            self._no_room(error)
        self._wake.set()

    def _salvage(self, segment: Segment, error: Exception) -> bool:
        """Load what can be loaded of a segment and set the lines at fault aside."""
        try:
            extents = salvage(segment, self._take_piece)
            if extents:
                target = self._journal.set_aside(segment, extents)
                logger.error(
                    "ffe-otel serve: %d rows cannot be loaded and are kept in %s: %s",
                    sum(lines for _, _, lines in extents), target, first_line(error),
                )  # fmt: skip
            else:
                self._journal.discard([segment])
        except _StoppingError:
            return False
        except (duckdb.IOException, OSError) as problem:
            return self._no_room(problem)
        self._failures = 0
        return True

    def _take_piece(self, piece: Segment, alone: bool) -> bool:
        # A line on its own is set aside when it fails, so that a store which only fails for
        # a while must not be mistaken for a bad line.
        for attempt in range(1, (MAX_FAILURES if alone else 1) + 1):
            if self._stopping.is_set():
                raise _StoppingError
            error = self._take([piece])
            if error is None:
                return True
            if self._mended(error):
                raise _StoppingError
            if isinstance(error, duckdb.IOException):
                raise error
            if not isinstance(error, _PASSING):
                break
            if attempt < MAX_FAILURES and alone:
                self._stopping.wait(RETRY)
        return False

    def _no_room(self, error: Exception) -> bool:
        text = first_line(error)
        if damage.no_room(error) or isinstance(error, ServeError):
            asides.make_room(self._database.path)
            text += "; free space on its file system"
        self._note(f"the store cannot take data now: {text}")
        return False

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            logger.warning("ffe-otel serve: %s", problem)
        self.problem = problem

    def _retire(self) -> None:
        # Descriptions of series that are gone must travel again; rows that counted on the
        # old ones are loaded before any is deleted.
        self._known.clear()
        self._load_all()
        if self._clock:
            self._clock.look()
        now = self._now_ns()
        self._journal.quarantine.retire(self._limits.age * DAY_SECONDS, now / 1e9)
        try:
            retired = enforce(self._database, self._spoken_for(), self._limits, now)
        except duckdb.Error as error:
            self._failed_apart_from_rows(error)
            return
        self.last_retention = retired or self.last_retention


class _StoppingError(Exception):
    """The loader is to stop; what it was at stays in the journal for the next run."""


def _chunk(segments: Sequence[Segment]) -> list[Segment]:
    """The first segments that fit one transaction, at least one."""
    chunk = [segments[0]]
    size = segments[0].size
    for segment in segments[1:]:
        size += segment.size
        if size > LOAD_BYTES:
            break
        chunk.append(segment)
    return chunk


def _roll_back(connection: object) -> None:
    try:
        connection.execute("ROLLBACK")  # type: ignore[attr-defined]
    except duckdb.Error:
        # A failed COMMIT has rolled back already; a given-up database says so again later.
        logger.debug("ffe-otel serve: nothing to roll back", exc_info=True)
