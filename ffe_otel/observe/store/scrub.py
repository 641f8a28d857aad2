# SPDX-License-Identifier: Apache-2.0
"""Reading the whole store now and then, a little at a time, to notice what the disk damaged.

Otherwise it would be found when somebody needs it, or never: loading reads what is new, and
counts come from statistics.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.store import schema
from ffe_otel.observe.store.database import ROW_GROUP, check

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Database

RANGE: Final = 2 * ROW_GROUP
"""Row numbers read at once."""
PERIOD: Final = 3600.0
"""Seconds between the end of one reading and the next."""


class Scrub:
    """Where the reading is. Used by the loader's thread only."""

    def __init__(self, database: Database) -> None:
        """Begin at once: nobody knows what happened to the file since it was closed."""
        self._database = database
        self._waiting: list[tuple[str, int]] = []
        self._due = time.monotonic()

    def again(self) -> None:
        """Begin anew, with another file."""
        self._waiting, self._due = [], time.monotonic()

    def step(self) -> bool:
        """Read one range; whether there was one to read.

        Raises:
            duckdb.Error: it cannot be read.
        """
        connection = self._database.writer
        if not self._waiting:
            if time.monotonic() < self._due:
                return False
            self._due = time.monotonic() + PERIOD
            for table in reversed(schema.TABLES):
                row = connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()  # noqa: S608
                self._waiting.append((table, -1 if row[0] is None else int(row[0])))
        table, high = self._waiting.pop()
        low = high // RANGE * RANGE
        check(connection, table, low, high + 1)
        if low > 0:
            self._waiting.append((table, low - 1))
        return True
