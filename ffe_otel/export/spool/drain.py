# SPDX-License-Identifier: Apache-2.0
"""Sending what dead processes left, from a process that exports nothing itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ffe_otel.export.spool.answers import Fate, Outcome
from ffe_otel.export.spool.outbox import bounds
from ffe_otel.export.spool.spool import Spool
from ffe_otel.export.stats import Signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ffe_otel.config.model import Config
    from ffe_otel.export.spool.answers import Transport
    from ffe_otel.export.spool.notices import Notices
    from ffe_otel.export.spool.parts import Batch
    from ffe_otel.export.stats import ExportStats

_MOST_RECORDS: Final = 1024
_MOST_BYTES: Final = 1 << 62
_TRIES: Final = 3
_LONGEST_PAUSE: Final = 5.0


@dataclass(slots=True)
class Drained:
    """What became of it.

    Attributes:
        requests: that the endpoint took.
        items: spans, log records or points in them.
        bytes: of them.
        refused: items that it is never going to take; they are in the quarantine.
        left_bytes: that wait as before.
        problem: why something is left; empty when nothing is.
    """

    requests: int = 0
    items: int = 0
    bytes: int = 0
    refused: int = 0
    left_bytes: int = 0
    problem: str = ""


class Drain:
    """Empties the folder of one signal and endpoint of what the dead left there.

    It takes their folders over as any process does, so two never send the same, and what it
    cannot send it leaves as they did.
    """

    def __init__(
        self, config: Config, folder: Path, transport: Transport, stats: ExportStats,
        notices: Notices, redact: Callable[[str], str],
    ) -> None:  # fmt: skip
        """Prepare to send what is in ``folder`` by ``transport``."""
        # Whoever comes to send drops nothing.
        unbounded = replace(bounds(config), bytes=_MOST_BYTES)
        signal = Signal(folder.name.partition("-")[0])
        self.done = Drained()
        self._spool = Spool(folder, signal, unbounded, stats, notices)
        self._transport = transport
        self._redact = redact
        self._most_records = _MOST_RECORDS

    def run(self, progress: Callable[[Drained], None], deadline: float) -> Drained:
        """Send until nothing is left, the endpoint does not take it, or time is up.

        Args:
            progress: called after each request.
            deadline: monotonic time in seconds.
        """
        try:
            self._spool.adopt()
            while (batch := self._take()) is not None:
                if time.monotonic() >= deadline:
                    self.done.problem = "there was no time for all of it"
                    break
                if not self._send(batch):
                    break
                progress(self.done)
        finally:
            self.done.left_bytes = self._spool.bytes_waiting()
            self._spool.close()
        return self.done

    def _take(self) -> Batch | None:
        try:
            return self._spool.take(self._spool.bounds.request_bytes, self._most_records)
        except OSError as error:
            self.done.problem = f"the spool cannot be read: {error.strerror}"
            return None

    def _send(self, batch: Batch) -> bool:
        outcome = self._post(batch.payload)
        if outcome.fate is Fate.TAKEN:
            self.done.requests += 1
            self.done.items += self._spool.done(batch) - outcome.rejected
            self.done.refused += outcome.rejected
            self.done.bytes += batch.size
            self._most_records = min(_MOST_RECORDS, self._most_records * 2)
            return True
        self._spool.give_back()
        text = f"{self._transport.target} {outcome.reason} {outcome.text}".strip()
        if outcome.fate is Fate.REFUSED and outcome.divisible:
            if len(batch.records) > 1:
                self._most_records = max(1, len(batch.records) // 2)
            else:
                self.done.refused += batch.items
                self._spool.refuse(batch, self._redact(text))
            return True
        # Refused as a whole it is about us, a token or a path, and not about what is sent.
        self.done.problem = self._redact(text)
        return False

    def _post(self, payload: bytes) -> Outcome:
        for attempt in range(_TRIES):
            outcome = self._transport.post(payload, self._transport.timeout)
            if outcome.fate is not Fate.LATER or attempt == _TRIES - 1:
                break
            time.sleep(min(max(0.5, outcome.wait_seconds), _LONGEST_PAUSE))
        return outcome
