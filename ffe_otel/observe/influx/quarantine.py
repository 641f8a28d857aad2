# SPDX-License-Identifier: Apache-2.0
"""Points that InfluxDB will never take, kept with its reason for somebody to look at."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "quarantine.ndjson"
LIMIT: Final = 16 * 1024**2
"""Bytes after which the file is rolled over once."""
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
    """Appends refused points to a file. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, point: str, reason: str) -> str:
        """Keep a point; returns a sentence about it.

        Raises:
            OSError: it cannot be kept.
        """
        kind, advice = kind_of(reason)
        row = {"time": datetime.now(UTC).isoformat(), "reason": reason, "point": point}
        with self._lock:
            self._append(json.dumps(row, ensure_ascii=False) + "\n")
            self.counts[kind] += 1
        return f"a point was refused and is kept in {self.path}: {reason}; {advice}"

    def _append(self, line: str) -> None:
        if self.path.exists() and self.path.stat().st_size > LIMIT:
            self.path.replace(self.path.with_suffix(".old.ndjson"))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
