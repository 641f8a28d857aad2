# SPDX-License-Identifier: Apache-2.0
"""Deciding what an error says of the store file, and looking after a damaged one.

A file is opened again and read as a whole before it is called damaged: DuckDB gives a sound
one up as well, after a full disk or a bug that some row sets off.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.store import asides, damage
from ffe_otel.observe.store.rescue import Rescue

if TYPE_CHECKING:
    from ffe_otel.observe.decode import Known
    from ffe_otel.observe.store.database import Database

logger = logging.getLogger(__name__)

DOUBTS: Final = 3
"""Errors of damage in a file that reads well, in a row, before they are believed."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
"""Seconds between two files that are begun, when one after the other gets damaged."""
CALM: Final = 3600.0
"""Seconds after which a damage is no sequel of the one before."""


class Repair:
    """Mends the store. Used by the loader's thread; others may read ``told``.

    Attributes:
        told: sentences about the files that were set aside, newest first.
    """

    def __init__(self, database: Database, known: Known) -> None:
        """Go on with what an earlier run began."""
        self._database = database
        self._known = known
        self._doubts = 0
        self._pause = 0.0
        self._replaced_at = float("-inf")
        self._rescue: Rescue | None = None
        self.told: list[str] = []
        self.files: list[dict[str, object]] = []
        self.look()

    def after(self, error: Exception) -> tuple[str, bool]:
        """Look after the file when an error says that something is wrong with it.

        Returns:
            A sentence that was not said yet, and whether the file explains the error.

        Raises:
            ServeError: there is no room for a new file.
            duckdb.Error: it cannot be told now, for the like reason.
            OSError: the same.
        """
        if not damage.suspicious(error):
            return "", False
        if time.monotonic() < self._replaced_at + self._pause:
            return f"the store is damaged again and waits: {damage.first_line(error)}", True
        self._let_go()
        replaced = self._database.reopen()
        self._known.clear()
        if replaced:
            return self._begun_anew()
        wrong = self._database.examine()
        if not wrong and damage.damaged(error):
            self._doubts += 1
            wrong = damage.first_line(error) if self._doubts >= DOUBTS else ""
        if not wrong:
            self.look()
            text = f"the store was opened again after: {damage.first_line(error)}"
            return text, damage.damaged(error)
        self._database.replace(f"cannot be read ({wrong})")
        return self._begun_anew()

    def step(self) -> bool:
        """Read a little of a damaged file back; whether there is more to read.

        Raises:
            duckdb.Error: the store takes no rows.
            OSError: the file system is full.
        """
        if self._rescue is None:
            return False
        more = self._rescue.step()
        if not more:
            self._let_go()
            self._known.clear()
        self.look()
        return True

    def close(self) -> None:
        """Let go of the file that is being read; the next run goes on."""
        self._let_go()

    def _let_go(self) -> None:
        if self._rescue is not None:
            self._rescue.close()
            self._rescue = None

    def look(self) -> None:
        """Find the files that were set aside."""
        found = asides.damaged(self._database.path)
        self.told = [note.sentence(aside.name) for aside, note in found.items()]
        self.files = [
            {
                "file": aside.name,
                "reason": note.why,
                "read_back": dict(note.taken),
                "lost": {t: n if n >= 0 else None for t, n in note.lost.items()},
                "done": note.done,
            }
            for aside, note in found.items()
        ]
        if self._rescue is None:
            waiting = [(a, n) for a, n in found.items() if not n.done]
            if waiting:
                self._rescue = Rescue(self._database, *waiting[0])

    def _begun_anew(self) -> tuple[str, bool]:
        self._known.clear()
        self.look()
        now = time.monotonic()
        again = now - self._replaced_at < CALM
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE) if again else 0.0
        self._replaced_at, self._doubts = now, 0
        return "", True
