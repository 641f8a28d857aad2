# SPDX-License-Identifier: Apache-2.0
"""From request bodies to synced journal lines, on one thread, many requests a sync."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.decode import Batch, Decoder, MalformedError, Signal, parse
from ffe_otel.observe.errors import FullError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.observe.decode import Known
    from ffe_otel.observe.journal import Journal

logger = logging.getLogger(__name__)

GROUP_BYTES: Final = 8 * 1024**2
"""A group of requests is synced when it has grown to this, bytes of request bodies."""


@dataclass(frozen=True, slots=True)
class _Job:
    signal: Signal
    body: bytes
    is_json: bool
    future: Future[Batch]


@dataclass(slots=True)
class IngestCounts:
    """Records taken since the start, by signal, and records refused."""

    taken: dict[Signal, int] = field(default_factory=lambda: dict.fromkeys(Signal, 0))
    rejected: int = 0


class Ingest:
    """Decodes, journals and acknowledges requests in the order they came."""

    def __init__(self, journal: Journal, known: Known, *, max_pending: int,
                 on_data: Callable[[], None]) -> None:  # fmt: skip
        """Write to ``journal``; hold at most ``max_pending`` bytes of undecoded bodies."""
        self.counts = IngestCounts()
        self.problem = ""
        self._journal = journal
        self._decoder = Decoder(known)
        self._max_pending = max_pending
        self._on_data = on_data
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pending = 0
        self._lock = threading.Lock()
        self._closed = False
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
            self._jobs.put(_Job(signal, body, is_json, future))
        return future

    def close(self) -> None:
        """Finish what was submitted and stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            group: list[_Job] = []
            size = 0
            job = self._jobs.get()
            while job is not None:
                group.append(job)
                size += len(job.body)
                if size > GROUP_BYTES:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            running = job is not None
            # A client that hung up while it waited is not served any more.
            self._commit([j for j in group if j.future.set_running_or_notify_cancel()])
            with self._lock:
                self._pending -= size

    def _commit(self, group: list[_Job]) -> None:
        lines: dict[Signal, list[bytes]] = {}
        decoded: list[tuple[_Job, Batch]] = []
        for job in group:
            try:
                message = parse(job.signal, job.body, is_json=job.is_json)
                batch = self._decoder.decode(job.signal, message)
            except MalformedError as error:
                job.future.set_exception(error)
            except Exception as error:
                # One odd request must not end ingestion for all others.
                logger.exception("ffe-otel serve: cannot decode a %s request", job.signal)
                job.future.set_exception(MalformedError(f"the request cannot be decoded: {error}"))
            else:
                decoded.append((job, batch))
                if batch.lines:
                    lines.setdefault(job.signal, []).extend(batch.lines)
        self._write(lines, decoded)

    def _write(self, lines: dict[Signal, list[bytes]], decoded: list[tuple[_Job, Batch]]) -> None:
        try:
            if lines:
                self._journal.append(lines)
                self._on_data()
        except FullError as error:
            if not self.problem:
                logger.warning("ffe-otel serve: %s", error)
            self.problem = str(error)
            for job, _ in decoded:
                job.future.set_exception(error)
            return
        if lines and self.problem:
            logger.warning("ffe-otel serve: the journal takes data again")
            self.problem = ""
        for job, batch in decoded:
            self.counts.taken[job.signal] += len(batch.lines)
            self.counts.rejected += batch.rejected
            job.future.set_result(batch)
