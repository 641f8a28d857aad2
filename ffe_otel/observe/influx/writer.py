# SPDX-License-Identifier: Apache-2.0
"""From the event journal to InfluxDB: a point leaves it once it is written or refused for good.

A batch is sent again until the server has taken it. Writing a point twice changes nothing,
because its time and tags are the event's own, so a crash between a write and the deletion
of its segment does no harm.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.observe.decode import Signal
from ffe_otel.observe.influx.advice import MEND, explain, is_full
from ffe_otel.observe.influx.client import InfluxClient, Verdict
from ffe_otel.observe.influx.points import BadPointError, to_point
from ffe_otel.observe.influx.quarantine import Quarantine
from ffe_otel.observe.journal import Journal
from ffe_otel.semconv import EVENT_RECORDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ffe_otel.config.model import InfluxDB
    from ffe_otel.observe.decode.batch import Event
    from ffe_otel.observe.influx.client import Answer
    from ffe_otel.observe.journal import Segment

logger = logging.getLogger(__name__)

UNKNOWN_LIMIT: Final = 16 * 1024**2
"""Bytes kept for a server that has never answered: it may not exist at all."""
KEEP_SECONDS: Final = 300.0
"""How long written points stay, to be written again should the server get into trouble.

On a full disk InfluxDB 1 answers 204 for points that its index could not keep; they are gone
after its restart. The errors that tell of it come with a later batch.
"""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
CLOSE_SECONDS: Final = 3.0
_MET: Final = "met"


class InfluxWriter:
    """Owns the event journal and the thread that empties it into InfluxDB.

    Attributes:
        problem: why points wait, empty while they do not.
        written: points the server took.
        dropped: points given up for a server that never answered.
        failures: writes that failed, by verdict.
    """

    def __init__(self, directory: Path, config: InfluxDB) -> None:
        """Keep the journal in ``directory``; nothing is sent before ``start``."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.problem = ""
        self.written = self.dropped = 0
        self.failures: Counter[str] = Counter()
        self.quarantine = Quarantine(directory)
        self._directory = directory
        self._config = config
        self._journal = Journal(directory / "journal", config.queue_bytes)
        self._client = InfluxClient(config)
        self._met = (directory / _MET).exists()
        self._written: dict[Path, tuple[float, int]] = {}
        self._told = ""
        self._was_full = False
        self._most_kept = min(UNKNOWN_LIMIT, config.queue_bytes // 4)
        self._waiting = 0
        self._oldest = 0.0
        self._pause = 0.0
        self._last_moment = float("inf")
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ffe-otel-influx", daemon=True)

    @property
    def queued_bytes(self) -> int:
        """Bytes of points that InfluxDB has not taken yet."""
        written = sum(size for _, size in self._written.copy().values())
        return max(0, self._journal.size - written)

    @property
    def met(self) -> bool:
        """Whether this server has ever answered."""
        return self._met

    def start(self) -> None:
        """Begin to send, first what an earlier run left."""
        if self._journal.size:
            self._wake.set()
        self._thread.start()

    def health(self) -> dict[str, Any]:
        """Whether points get through, and what is to be known about them."""
        refused = sum(self.quarantine.counts.values())
        notes = [f"{self.written} points written"]
        if refused:
            notes.append(f"{refused} refused, kept in {self.quarantine.path}")
        if self.queued_bytes:
            notes.append(f"{self.queued_bytes} bytes wait")
        if self.problem and not self._met:
            return {"ok": True, "detail": f"not in use: nothing answers at {self._client.url}"}
        if self.problem:
            notes.insert(0, self.problem)
        return {"ok": not self.problem, "detail": "; ".join(notes)}

    def lines(self, events: Sequence[Event]) -> list[str]:
        """Encode events as points; what is none goes to the quarantine."""
        lines = []
        for event in events:
            try:
                record = EVENT_RECORDS[event.name]
                lines.append(to_point(record, event.attributes, event.time_ns).line())
            except BadPointError as error:
                # The store has the event all the same, so a full disk costs nothing but this copy.
                with contextlib.suppress(OSError):
                    self._warn(self.quarantine.add(str(event), str(error), "ffe-otel serve"))
        return lines

    @staticmethod
    def _warn(said: str) -> None:
        if said:
            logger.warning("ffe-otel serve: %s", said)

    def append(self, lines: Sequence[str]) -> None:
        """Keep points durably; they are on the disk when this returns.

        Raises:
            FullError: the disk is full, or InfluxDB has fallen behind by the queue's limit.
        """
        self._journal.append({Signal.LOGS: [json.dumps({"line": line}).encode() for line in lines]})
        if not self._waiting:
            self._oldest = time.monotonic()
        self._waiting += len(lines)
        if self._waiting >= self._config.batch_size:
            self._wake.set()

    def close(self) -> None:
        """Send what waits while there is time, then stop; the rest is sent by the next run."""
        self._last_moment = time.monotonic() + CLOSE_SECONDS
        self._stopping.set()
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)
        self._journal.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._pause:
                self._stopping.wait(self._pause)
            else:
                self._wake.wait(self._next_flush())
                self._wake.clear()
            self._drain()
        self._drain()
        self._client.close()

    def _drain(self) -> None:
        try:
            self._send_all()
        except OSError as error:
            # The thread must outlive a full disk; the points are still in the journal.
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            self._trouble(
                "directory",
                f"{self._directory} cannot be used: {error.strerror}; "
                "free space on its file system",
            )

    def _next_flush(self) -> float:
        interval = self._config.flush_interval_seconds
        if not self._waiting:
            return interval
        return max(0.0, self._oldest + interval - time.monotonic())

    def _send_all(self) -> None:
        self._waiting = 0
        sealed = self._journal.seal()
        pending = [segment for segment in sealed if segment.path not in self._written]
        for segment in pending:
            if not self._send(segment):
                self._give_up_excess()
                return
            self._written[segment.path] = (time.monotonic(), segment.size)
        if pending:
            # Not before: a full disk takes some batches and refuses others.
            self._recovered()
        self._forget(sealed)

    def _forget(self, sealed: Sequence[Segment]) -> None:
        """Delete what was written long ago, and the oldest where that is much."""
        long_ago = time.monotonic() - KEEP_SECONDS
        kept = sum(size for _, size in self._written.values())
        gone = []
        for segment in sealed:
            when, size = self._written[segment.path]
            if when < long_ago or kept > self._most_kept:
                kept -= size
                gone.append(segment)
        self._journal.discard(gone)
        for segment in gone:
            del self._written[segment.path]

    def _send(self, segment: Segment) -> bool:
        batch: list[str] = []
        with segment.path.open("rb") as file:
            for row in file:
                batch.append(json.loads(row)["line"])
                if len(batch) >= self._config.batch_size:
                    if not self._write(batch):
                        return False
                    batch = []
        return not batch or self._write(batch)

    def _write(self, lines: Sequence[str]) -> bool:
        """Get rid of lines; false when the server takes nothing now."""
        if time.monotonic() > self._last_moment:
            return False
        answer = self._client.write(lines)
        if answer.known and not self._met:
            (self._directory / _MET).touch(mode=0o600)
            self._met = True
        if answer.verdict is Verdict.WRITTEN:
            self.written += len(lines)
            return True
        if answer.verdict not in {Verdict.POINTS, Verdict.TOO_LARGE}:
            self._hold(answer)
            return False
        if len(lines) == 1:
            self._warn(
                self.quarantine.add(lines[0], answer.text, f"InfluxDB at {self._client.url}")
            )
            return True
        # The neighbours of a bad point are written with it; sending them again is harmless.
        middle = len(lines) // 2
        return self._write(lines[:middle]) and self._write(lines[middle:])

    def _recovered(self) -> None:
        self._pause = 0.0
        if self.problem:
            mend = MEND.format(database=self._config.database) if self._was_full else ""
            logger.warning(
                "ffe-otel serve: InfluxDB at %s takes points again%s", self._client.url, mend
            )
            self.problem = self._told = ""
            self._was_full = False

    def _hold(self, answer: Answer) -> None:
        self.failures[answer.verdict.value] += 1
        pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._pause = max(pause, min(answer.retry_after, 10 * LONGEST_PAUSE))
        # Writing a point again changes nothing, see KEEP_SECONDS.
        self._written.clear()
        self._was_full = self._was_full or is_full(answer)
        kind = f"{answer.verdict.value} {is_full(answer)}"
        self._trouble(kind, explain(answer, self._config, self._client.url))

    def _trouble(self, kind: str, problem: str) -> None:
        # The server's words name another file each time its disk is full. A server that was
        # never there is nothing to warn about: it may not be wanted.
        if kind != self._told and self._met:
            logger.warning("ffe-otel serve: %s", problem)
            self._told = kind
        self.problem = problem

    def _give_up_excess(self) -> None:
        """Bound what waits for a server that has never answered, oldest first."""
        while not self._met and self._journal.size > UNKNOWN_LIMIT:
            oldest = self._journal.seal()[0]
            with oldest.path.open("rb") as file:
                self.dropped += sum(1 for _ in file)
            self._journal.discard([oldest])
