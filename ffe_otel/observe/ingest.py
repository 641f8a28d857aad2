# SPDX-License-Identifier: Apache-2.0
"""From request bodies to synced journal lines.

Bodies are decoded by a few threads, so that a huge request does not hold up small ones,
and written by one, that syncs all rows which came in meanwhile at once.
"""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from ffe_otel.observe.decode import Batch, Decoder, MalformedError, Signal, parse
from ffe_otel.observe.errors import FullError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ffe_otel.observe.decode import Known
    from ffe_otel.observe.decode.batch import Event
    from ffe_otel.observe.journal import Journal

logger = logging.getLogger(__name__)

DECODERS: Final = 3
GROUP_BYTES: Final = 8 * 1024**2
"""Requests of this many bytes are synced without waiting for more."""


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Rows that wait to be written, and the length of the body they came in."""

    batch: Batch
    events: Sequence[str]
    future: Future[Batch]
    length: int


@dataclass(slots=True)
class IngestCounts:
    """Records taken since the start, by signal, and records refused."""

    taken: dict[Signal, int] = field(default_factory=lambda: dict.fromkeys(Signal, 0))
    rejected: int = 0


class EventSink(Protocol):
    """Where event records go besides the journal."""

    def lines(self, events: Sequence[Event]) -> list[str]:
        """Encode events; called by several threads."""

    def append(self, lines: Sequence[str]) -> None:
        """Keep encoded events durably; FullError when that cannot be done now."""


class Ingest:
    """Decodes, journals and acknowledges requests."""

    def __init__(self, journal: Journal, known: Known, *, max_pending: int,
                 on_data: Callable[[], None], events: EventSink | None = None) -> None:  # fmt: skip
        """Write to ``journal``, and events to ``events`` as well.

        At most ``max_pending`` bytes of bodies are held at once.
        """
        self.counts = IngestCounts()
        self.problem = ""
        self._journal = journal
        self._decoder = Decoder(known)
        self._max_pending = max_pending
        self._on_data = on_data
        self._events = events
        self._pending = 0
        self._lock = threading.Lock()
        self._closed = False
        self._pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="ffe-otel-decode")
        self._decoded: queue.SimpleQueue[_Decoded | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ffe-otel-ingest", daemon=True)
        self._thread.start()

    def submit(self, signal: Signal, body: bytes, *, is_json: bool = False) -> Future[Batch]:
        """Queue one request; the future ends when its rows are durable.

        The future raises MalformedError for a body that is no such request and FullError
        when nothing can be taken now.
        """
        future: Future[Batch] = Future()
        with self._lock:
            if self._closed:
                future.set_exception(FullError("the backend is shutting down"))
                return future
            # A request that comes alone is taken whatever its size.
            if self._pending and self._pending + len(body) > self._max_pending:
                future.set_exception(FullError("too many requests wait to be written"))
                return future
            self._pending += len(body)
            self._pool.submit(self._decode, signal, body, future, is_json=is_json)
        return future

    def close(self) -> None:
        """Finish what was submitted and stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._pool.shutdown()
        self._decoded.put(None)
        self._thread.join()

    def _decode(self, signal: Signal, body: bytes, future: Future[Batch], *, is_json: bool) -> None:
        # A client that hung up while it waited is not served any more.
        if not future.set_running_or_notify_cancel():
            self._release(len(body))
            return
        try:
            message = parse(signal, body, is_json=is_json)
            batch = self._decoder.decode(signal, message)
            events = self._events.lines(batch.events) if self._events and batch.events else []
        except Exception as error:
            self._release(len(body))
            if not isinstance(error, MalformedError):
                # One odd request must not go unanswered.
                logger.exception("ffe-otel serve: cannot decode a %s request", signal)
                error = MalformedError(f"the request cannot be decoded: {error}")
            future.set_exception(error)
            return
        self._decoded.put(_Decoded(batch, events, future, len(body)))

    def _release(self, length: int) -> None:
        with self._lock:
            self._pending -= length

    def _run(self) -> None:
        running = True
        while running:
            group: list[_Decoded] = []
            size = 0
            one = self._decoded.get()
            while one is not None:
                group.append(one)
                size += one.length
                if size > GROUP_BYTES:
                    break
                try:
                    one = self._decoded.get_nowait()
                except queue.Empty:
                    break
            running = one is not None
            self._write(group)
            self._release(size)

    def _write(self, group: list[_Decoded]) -> None:
        lines: dict[Signal, list[bytes]] = {}
        for one in group:
            if one.batch.lines:
                lines.setdefault(one.batch.signal, []).extend(one.batch.lines)
        events = [line for one in group for line in one.events]
        try:
            # Events first: sent again because the journal failed, they are the same points.
            if events and self._events:
                self._events.append(events)
            if lines:
                self._journal.append(lines)
                self._on_data()
        except FullError as error:
            if not self.problem:
                logger.warning("ffe-otel serve: %s", error)
            self.problem = str(error)
            for one in group:
                one.future.set_exception(error)
            return
        if lines and self.problem:
            logger.warning("ffe-otel serve: the journal takes data again")
            self.problem = ""
        for one in group:
            self.counts.taken[one.batch.signal] += len(one.batch.lines)
            self.counts.rejected += one.batch.rejected
            one.future.set_result(one.batch)
