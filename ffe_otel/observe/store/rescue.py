# SPDX-License-Identifier: Apache-2.0
"""Reading back what a damaged store file still gives, a little at a time.

It is read by a DuckDB of its own, table by table and in ranges of row numbers, the newest
first; a range that cannot be read is halved until it is a vector's length. Rows go from one
DuckDB to the other through a small file, each is held once, and where reading stopped is
noted beside the damaged file: a kill in between costs nothing, and a range in which the
program crashed is passed over by the next run.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from typing import TYPE_CHECKING, Final

import duckdb

from ffe_otel.observe.cycles import refresh_cycles
from ffe_otel.observe.store import asides, damage, schema
from ffe_otel.observe.store.database import (
    CATALOG,
    ROW_GROUP,
    connect,
    open_store,
    quoted,
    tables_of,
)
from ffe_otel.observe.store.traces import recount, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from ffe_otel.observe.store.asides import Note
    from ffe_otel.observe.store.database import Connection, Database

logger = logging.getLogger(__name__)

RANGE: Final = 2 * ROW_GROUP
"""Row numbers read at once."""
SMALLEST: Final = 2048
"""Rows of a range that is given up as a whole: DuckDB reads no fewer at once."""
CYCLES: Final = 500
"""Cycles derived anew in one transaction."""
MAX_TRIES: Final = 3
"""Times that a range is begun: the program may be killed in one, or by one."""
_HEAD: Final = 4096
_HEADLESS: Final = re.compile(r"not a valid DuckDB|in block at location 0\b")
_LOG_LOST: Final = "the log could not be read, what was written last is lost"
_HEADER: Final = re.compile(r"in block at location (4096|8192)\b")
_WAL_POSITION: Final = re.compile(r"byte position (\d+)")
# Table, its identity, and the time that narrows the look for rows that are held already. The
# small tables come first: with them the page is whole again but for the details.
_TABLES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "resources": (("resource_id",), ""),
    "series": (("series_id",), ""),
    "traces": (("trace_id",), ""),
    "cycles": (("trace_id",), ""),
    "decisions": (("decision_id", "trace_id"), ""),
    "logs": (("uid",), "time_ns"),
    "spans": (("trace_id", "span_id"), "start_ns"),
    "points": (("series_id", "time_ns"), "time_ns"),
}
_ORDER: Final = tuple(_TABLES)


class Rescue:
    """Reads one damaged file into the store. Used by the loader's thread only."""

    def __init__(self, database: Database, aside: Path, note: Note) -> None:
        self.aside = aside
        self.note = note
        self._database = database
        self._part = aside.with_name(aside.name + ".part.parquet")
        self._source: Connection | None = None
        self._columns: dict[str, schema.Columns] = {}

    def step(self) -> bool:
        """Read one range, or take the last step; whether something is left to do.

        Raises:
            duckdb.Error: the store does not take rows.
            OSError: the file system is full.
        """
        if self.note.done:
            return False
        if self._source is None and not self._open():
            return self._end()
        if self.note.table not in _ORDER or self.note.below == 0:
            self._next_table()
        else:
            self._take_range()
        return not self.note.done

    def close(self) -> None:
        """Let go of the file."""
        if self._source is not None:
            with contextlib.suppress(duckdb.Error):
                self._source.close()
            self._source = None
        self._part.unlink(missing_ok=True)

    def _save(self, **changes: object) -> None:
        for name, value in changes.items():
            setattr(self.note, name, value)
        asides.write(self.aside, self.note)

    def _open(self) -> bool:
        """Open the damaged file in whatever way works."""
        if not self.note.table:
            if self.note.tries >= MAX_TRIES:
                return False
            self._save(tries=self.note.tries + 1)
        log = asides.files(self.aside)[1]
        problem = self._attach()
        for mend in (self._mend_head, self._mend_header):
            if problem is not None and mend(str(problem)):
                problem = self._attach()
        if problem is not None and log.exists():
            problem = self._open_with_less_log(problem, log)
        elif problem is None and not self.note.table and not asides.has_sound_log(self.aside):
            self.note.remarks.append(_LOG_LOST)
        if not self.note.table:
            self._save(tries=0)
        return problem is None

    def _attach(self) -> duckdb.Error | None:
        source = connect(self.aside.parent)
        try:
            source.execute(f"ATTACH {quoted(self.aside)} AS {CATALOG} (READ_ONLY)")
            source.execute(f"USE {CATALOG}")
            self._columns = tables_of(source)
        except duckdb.Error as error:
            source.close()
            if damage.no_room(error):
                raise
            return error
        self._source = source
        return None

    def _open_with_less_log(self, problem: duckdb.Error, log: Path) -> duckdb.Error | None:
        """Open the file with the sound beginning of its log, or without it."""
        position = _WAL_POSITION.search(str(problem))
        whole = log.with_name(log.name + ".damaged")
        log.rename(whole)
        if position:
            with whole.open("rb") as source:
                log.write_bytes(source.read(int(position[1])))
            if self._attach() is None:
                self.note.remarks.append(f"the log was sound up to byte {position[1]} only")
                return None
            log.unlink(missing_ok=True)
        self.note.remarks.append(_LOG_LOST)
        return self._attach()

    def _mend_head(self, problem: str) -> bool:
        """Put the head of a sound file over one that is none: it says nothing of the content."""
        if not _HEADLESS.search(problem):
            return False
        fresh = self.aside.with_name("head.duckdb")
        try:
            open_store(fresh, 1 << 20).close()
            sound = fresh.read_bytes()[:_HEAD]
        finally:
            for leftover in asides.files(fresh):
                leftover.unlink(missing_ok=True)
        return self._write_over(0, sound, "nothing is lost by that")

    def _mend_header(self, problem: str) -> bool:
        """Let the one of two headers stand for the other, which is damaged.

        They are written in turn: the sound one is of the last checkpoint or of the one before,
        whose blocks are there as long as nothing was written over them, which they tell.
        """
        found = _HEADER.search(problem)
        if not found:
            return False
        damaged = int(found[1])
        with self.aside.open("rb") as file:
            file.seek(3 * _HEAD - damaged)
            sound = file.read(_HEAD)
        return self._write_over(damaged, sound, "what came since the last checkpoint may be lost")

    def _write_over(self, offset: int, sound: bytes, means: str) -> bool:
        with self.aside.open("r+b") as file:
            file.seek(offset)
            old = file.read(_HEAD)
            if len(old) < _HEAD or len(sound) < _HEAD:
                return False
            self.aside.with_name(f"{self.aside.name}.head{offset}").write_bytes(old)
            file.seek(offset)
            file.write(sound)
        self.note.remarks.append(f"its head was damaged and is written anew, {means}")
        return True

    def _next_table(self) -> None:
        known = self.note.table
        place = _ORDER.index(known) + 1 if known in _ORDER else 0
        if place == len(_ORDER):
            self._settle()
            return
        table = _ORDER[place]
        if table not in self._columns:
            self._save(table=table, below=0)
            return
        try:
            row = self._ask(f"SELECT max(rowid) FROM {table}")  # noqa: S608 - our own names
            self._save(table=table, below=int(row[0]) + 1 if row[0] is not None else 0)
        except duckdb.Error as error:
            self._reopen_after(error)
            self._lose(table, -1)
            self._save(table=table, below=0)

    def _take_range(self) -> None:
        table, high = self.note.table, self.note.below or 0
        low = max(0, (high - 1) // RANGE * RANGE)
        if self.note.tries >= MAX_TRIES:
            self._lose(table, high - low)
        else:
            self._save(tries=self.note.tries + 1)
            self._take(table, low, high)
        self._save(below=low, tries=0)

    def _take(self, table: str, low: int, high: int) -> None:
        waiting = [(low, high)]
        while waiting:
            begin, end = waiting.pop()
            try:
                self._copy_out(table, begin, end)
            except duckdb.Error as error:
                if damage.no_room(error):
                    self._save(tries=0)
                    raise
                self._reopen_after(error)
                middle = (begin + end) // 2 // SMALLEST * SMALLEST
                if begin < middle < end:
                    waiting += [(begin, middle), (middle, end)]
                else:
                    self._lose(table, self._count(table, begin, end))
                continue
            self.note.taken[table] = self.note.taken.get(table, 0) + self._copy_in(table)

    def _copy_out(self, table: str, begin: int, end: int) -> None:
        if self._source is None:
            raise duckdb.ConnectionException("the damaged file cannot be opened any more")
        names = self._names(table)
        with contextlib.suppress(FileNotFoundError):
            self._part.unlink()
        self._source.execute(
            f"COPY (SELECT {names} FROM {table} WHERE rowid >= {begin} AND rowid < {end}) "  # noqa: S608
            f"TO {quoted(self._part)} (FORMAT parquet)"
        )

    def _copy_in(self, table: str) -> int:
        connection, names = self._database.writer, self._names(table)
        keys, moment = _TABLES[table]
        listed, near = ", ".join(keys), ""
        rows = f"read_parquet({quoted(self._part)})"
        if moment:
            low, high = connection.execute(
                f"SELECT min({moment}), max({moment}) FROM {rows}"  # noqa: S608
            ).fetchone()
            near = f"WHERE {moment} BETWEEN {low or 0} AND {high or 0}"
        row = connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows} "  # noqa: S608
            f"ANTI JOIN (SELECT {listed} FROM {table} {near}) USING ({listed})"
        ).fetchone()
        return int(row[0]) if row else 0

    def _names(self, table: str) -> str:
        """The columns that both files have: the damaged one may be of an earlier version."""
        held = self._columns.get(table, {})
        return ", ".join(f'"{name}"' for name in schema.TABLES[table] if name in held)

    def _count(self, table: str, low: int, high: int) -> int:
        try:
            query = f"SELECT count(*) FROM {table} WHERE rowid >= {low} AND rowid < {high}"  # noqa: S608
            return int(self._ask(query)[0])
        except duckdb.Error:
            return high - low

    def _ask(self, query: str) -> tuple[int, ...]:
        if self._source is None:
            raise duckdb.ConnectionException("the damaged file cannot be opened any more")
        row: tuple[int, ...] = self._source.execute(query).fetchone()
        return row

    def _lose(self, table: str, rows: int) -> None:
        if rows < 0 or self.note.lost.get(table, 0) < 0:
            self.note.lost[table] = -1
        elif rows:
            self.note.lost[table] = self.note.lost.get(table, 0) + rows

    def _reopen_after(self, error: duckdb.Error) -> None:
        if isinstance(error, (*damage.GIVEN_UP, duckdb.InternalException)):
            self.close()
            self._attach()

    def _settle(self) -> None:
        """Derive what was counted and summed up before all rows were there."""
        connection = self._database.writer
        self.close()
        connection.execute("BEGIN")
        try:
            recount(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            raise
        ids = shortened(connection)
        for first in range(0, len(ids), CYCLES):
            connection.execute("BEGIN")
            try:
                refresh_cycles(connection, ids[first : first + CYCLES])
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise
        self._finish()

    def _end(self) -> bool:
        """Give a file up that cannot be opened in any way."""
        self.close()
        for table in ("spans", "logs", "points"):
            self._lose(table, -1)
        self._finish()
        return False

    def _finish(self) -> None:
        self._save(done=True, tries=0, at=time.time())
        logger.error("ffe-otel serve: %s", self.note.sentence(self.aside.name))
        if not self.note.lost and not self.note.remarks:
            # Nothing is in it that the store does not have.
            asides.drop(self.aside)
