# SPDX-License-Identifier: Apache-2.0
"""Points that InfluxDB will never take, kept with its reason for somebody to look at."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE_NAME: Final = "quarantine.ndjson"
LIMIT: Final = 16 * 1024**2
"""Bytes after which the file is rolled over once."""
TELL_SECONDS: Final = 3600.0
"""How often a kind of refusal is worth a line in the log."""
# What the server says, and what to do about it. Order matters: the first that is found.
_KINDS: Final = (
    ("field type conflict", "type_conflict",
     "another program writes this measurement with other types; give it a database of its own"),
    ("beyond retention policy", "too_old",
     "older than the retention policy keeps; raise its duration before such a backlog is sent"),
    ("max-values-per-tag", "limit", "set max-values-per-tag = 0 in influxdb.conf"),
    ("max-series-per-database", "limit", "set max-series-per-database = 0 in influxdb.conf"),
)  # fmt: skip


def kind_of(reason: str) -> tuple[str, str]:
    """A bounded name for a refusal, and what to do about it."""
    for words, kind, advice in _KINDS:
        if words in reason:
            return kind, advice
    return "bad_point", "the point is kept in the quarantine file; please report it"


class Quarantine:
    """Appends refused points to a file. Thread-safe.

    Attributes:
        counts: points refused, by kind.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep the file in ``directory``; ``clock`` tells seconds."""
        self.path = directory / FILE_NAME
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def add(self, point: str, reason: str, who: str) -> str:
        """Keep a point that ``who`` refused.

        Returns:
            A sentence about it, or nothing where one of its kind was told within the hour.

        Raises:
            OSError: it cannot be kept.
        """
        kind, advice = kind_of(reason)
        row = {"time": datetime.now(UTC).isoformat(), "reason": reason, "point": point}
        with self._lock:
            self._append(json.dumps(row, ensure_ascii=False) + "\n")
            self.counts[kind] += 1
            points = self._due(kind)
        if not points:
            return ""
        return (
            f"{who} refused {points}: {reason}; kept in {self.path}, others of the kind are "
            f"counted; {advice}"
        )

    def _due(self, kind: str) -> str:
        """How many points to tell of, in words, when it is time to tell."""
        now, (last, told) = self._clock(), self._told.get(kind, (-math.inf, 0))
        if now - last < TELL_SECONDS:
            return ""
        self._told[kind] = (now, self.counts[kind])
        return f"{self.counts[kind] - told} more points" if told else "a point"

    def _append(self, line: str) -> None:
        if self.path.exists() and self.path.stat().st_size > LIMIT:
            self.path.replace(self.path.with_suffix(".old.ndjson"))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
