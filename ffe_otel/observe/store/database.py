# SPDX-License-Identifier: Apache-2.0
"""The DuckDB file: opening it, and setting aside one that cannot be read."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from ffe_otel.observe.errors import CorruptStoreError, ForeignStoreError, ServeError
from ffe_otel.observe.store import asides, damage, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

FILE_NAME: Final = "telemetry.duckdb"
MEMORY_LIMIT: Final = "256MB"
THREADS: Final = 2
ROW_GROUP: Final = 16_384
"""Rows of a row group. DuckDB's own 122,880 rows with prompts in them would be a gigabyte
that each checkpoint writes anew; small groups also narrow look-ups by time better."""
CATALOG: Final = "store"
CLOSING_SECONDS: Final = 5.0
"""Longest that running queries are waited for before the file changes under them."""

Connection = Any
"""A DuckDB connection; the package ships no usable types for the oldest version we take."""


class StoreLock:
    """Held for as long as a process serves a store directory."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            ServeError: another process serves this directory.
        """
        self._path = directory / "lock"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise ServeError(
                f"the store {directory} is already served by process {holder or 'unknown'}; stop "
                "it, or give this one a store of its own (serve.store_path or state_dir)"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode("ascii"), 0)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


class Database:
    """One DuckDB file with one writing connection; readers take cursors of their own."""

    def __init__(self, directory: Path, limit: int) -> None:
        """Open the store in ``directory``, that is to stay under ``limit`` bytes, or begin one.

        Raises:
            ServeError: the file cannot be opened for a reason that is not its content.
        """
        self.path = directory / FILE_NAME
        # A bigger log means fewer rewrites of the main file.
        self._log_limit = max(1 << 20, min(64 << 20, limit // 16))
        self.problem = ""
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._reading: set[Connection] = set()
        self._changing = False
        self._inode = 0
        self._connection = self._open_or_replace()

    def _open_or_replace(self) -> Connection:
        try:
            self._check_log()
            connection = open_store(self.path, self._log_limit)
        except ForeignStoreError as error:
            aside = asides.set_aside(self.path, str(error), foreign=True)
            self.problem = f"{self.path} {error}; it was set aside as {aside.name}"
            logger.warning("ffe-otel serve: %s, and a new store was begun", self.problem)
            connection = open_store(self.path, self._log_limit)
        except CorruptStoreError as error:
            self._put_aside(str(error))
            connection = open_store(self.path, self._log_limit)
        self._inode = self.path.stat().st_ino
        return connection

    def _check_log(self) -> None:
        if self.path.exists() and not asides.has_sound_log(self.path):
            raise CorruptStoreError("has a write-ahead log that cannot be read")

    def _put_aside(self, why: str) -> None:
        aside = asides.set_aside(self.path, why, foreign=False)
        logger.error(
            "ffe-otel serve: %s %s; it was set aside as %s, what can be read of it is read back, "
            "and a new store was begun", self.path, why, aside.name,
        )  # fmt: skip

    @property
    def writer(self) -> Connection:
        """The connection of the loader thread."""
        return self._connection

    @contextlib.contextmanager
    def reader(self) -> Iterator[Connection]:
        """A connection for queries on the calling thread."""
        with self._lock:
            self._idle.wait_for(lambda: not self._changing, CLOSING_SECONDS)
            cursor = self._connection.cursor()
            self._reading.add(cursor)
        try:
            cursor.execute(f"USE {CATALOG}")
            yield cursor
        finally:
            cursor.close()
            with self._lock:
                self._reading.discard(cursor)
                self._idle.notify_all()

    def reopen(self) -> bool:
        """Open the file again after DuckDB gave it up, setting it aside if it is broken.

        Returns:
            Whether it was set aside.

        Raises:
            ServeError: there is no room for it.
        """
        with self._lock:
            self._disconnect()
            before = self.path.stat().st_ino if self.path.exists() else 0
            self._connection = self._open_or_replace()
            return before != self._inode

    def replace(self, why: str) -> None:
        """Set the file aside, because it is damaged, and begin a new one.

        Raises:
            ServeError: there is no room for it.
            OSError: it cannot be renamed.
        """
        with self._lock:
            self._disconnect()
            self._put_aside(why)
            self._connection = self._open_or_replace()

    def _disconnect(self) -> None:
        """Close the file; queries that run end with an error."""
        self._changing = True
        try:
            for cursor in list(self._reading):
                with contextlib.suppress(duckdb.Error):
                    cursor.interrupt()
            # As long as a cursor is open DuckDB holds the file, and takes no other of its name.
            self._idle.wait_for(lambda: not self._reading, CLOSING_SECONDS)
        finally:
            self._changing = False
        with contextlib.suppress(duckdb.Error):
            self._connection.close()

    def examine(self) -> str:
        """Read every value of every table; what cannot be read, or nothing.

        Raises:
            duckdb.Error: it cannot be told, for want of memory or room.
        """
        with self.reader() as connection:
            for table in schema.TABLES:
                try:
                    check(connection, table, 0, 1 << 60)
                except duckdb.InterruptException:
                    raise
                except duckdb.Error as error:
                    if damage.no_room(error) or isinstance(error, duckdb.OutOfMemoryException):
                        raise
                    return damage.first_line(error)
        return ""

    def is_gone(self) -> bool:
        """Whether somebody deleted or replaced the file while it is open."""
        try:
            return self.path.stat().st_ino != self._inode
        except OSError:
            return True

    def bring_back(self) -> str:
        """Restore a file that was deleted while it was open; a sentence about it.

        Raises:
            ServeError: there is no room for it.
        """
        with self._lock:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.exists():
                said = f"{self.path} was replaced by another file, which is used now"
                self._disconnect()
            elif self._copy_back():
                said = f"{self.path} was deleted while it was in use, and is restored"
            else:
                said = f"{self.path} was deleted while it was in use; a new store was begun"
            self._connection = self._open_or_replace()
        logger.error("ffe-otel serve: %s", said)
        self.problem = said
        return said

    def _copy_back(self) -> bool:
        """Close the deleted file and write it again; whether the system still has it."""
        descriptor = _deleted(self.path)
        try:
            with contextlib.suppress(duckdb.Error):
                self._connection.execute("CHECKPOINT")
            self._disconnect()
            if descriptor is None:
                return False
            half = self.path.with_name(self.path.name + ".part")
            with (
                os.fdopen(os.dup(descriptor), "rb") as source,
                os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as to,
            ):
                shutil.copyfileobj(source, to, 1 << 20)
            half.replace(self.path)
        except OSError:
            return False
        else:
            return True
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def newest_ns(self) -> int | None:
        """Arrival of the newest row, if that can be told."""
        with contextlib.suppress(duckdb.Error), self.reader() as connection:
            row = connection.execute(
                "SELECT max(t) FROM (SELECT max(seen_ns) AS t FROM spans UNION ALL "
                "SELECT max(seen_ns) FROM logs UNION ALL SELECT max(seen_ns) FROM points)"
            ).fetchone()
            return int(row[0]) if row and row[0] is not None else None
        return None

    def size(self) -> int:
        """Bytes on disk, write-ahead log included."""
        return sum(p.stat().st_size for p in asides.files(self.path) if p.exists())

    def log_size(self) -> int:
        """Bytes of the write-ahead log."""
        log = asides.files(self.path)[1]
        return log.stat().st_size if log.exists() else 0

    def close(self) -> None:
        """Write everything to the main file and close it."""
        with self._lock:
            with contextlib.suppress(duckdb.Error):
                self._connection.execute("CHECKPOINT")
            with contextlib.suppress(duckdb.Error):
                self._connection.close()


def _deleted(path: Path) -> int | None:
    """A descriptor of our own of a file of this process that has no name any more."""
    # Linux alone shows it.
    with contextlib.suppress(OSError):
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(link.readlink()) == f"{path} (deleted)":
                    return os.open(link, os.O_RDONLY | os.O_CLOEXEC)
    return None


def connect(directory: Path) -> Connection:
    """A DuckDB that holds nothing yet, with this program's settings.

    Raises:
        duckdb.Error: there is none to be had.
    """
    return duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
            "temp_directory": str(directory / "tmp"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )


def quoted(path: Path) -> str:
    """A path as SQL writes it."""
    return "'" + str(path).replace("'", "''") + "'"


def open_store(path: Path, log_limit: int) -> Connection:
    """Open or begin a store with this version's tables.

    Raises:
        CorruptStoreError: the file is damaged.
        ForeignStoreError: it is well, but of another version.
        ServeError: it cannot be opened for a reason that is not its content.
    """
    connection = None
    try:
        connection = connect(path.parent)
        connection.execute(f"SET checkpoint_threshold = '{log_limit}B'")
        connection.execute(f"ATTACH {quoted(path)} AS {CATALOG} (ROW_GROUP_SIZE {ROW_GROUP})")
        path.chmod(0o600)
        connection.execute(f"USE {CATALOG}")
        _prepare(connection)
    except (duckdb.Error, OSError, ForeignStoreError) as error:
        if connection is not None:
            with contextlib.suppress(duckdb.Error):
                connection.close()
        raise _opening_problem(path, error) from error
    return connection


def _opening_problem(path: Path, error: Exception) -> Exception:
    text = damage.first_line(error)
    if isinstance(error, ForeignStoreError):
        return error
    if damage.newer(error):
        return ForeignStoreError(f"is of a newer DuckDB ({text})")
    if "lock" in text.lower() and not damage.damaged(error):
        return ServeError(f"{path} is in use by another program: {text}; close it there")
    if "No space left" in text:
        return ServeError(f"{path} cannot be opened, its file system is full: {text}")
    unreadable = path.exists() and not os.access(path, os.R_OK | os.W_OK)
    if unreadable or not os.access(path.parent, os.W_OK):
        return ServeError(f"{path} is not readable and writable for this user: {text}")
    return CorruptStoreError(f"cannot be read ({text})")


def tables_of(connection: Connection, catalog: str = CATALOG) -> dict[str, schema.Columns]:
    """The columns of every table of a store, by table."""
    found: dict[str, schema.Columns] = {}
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? AND NOT internal ORDER BY column_index",
        [catalog],
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def check(connection: Connection, table: str, low: int, high: int) -> None:
    """Read every value of these row numbers.

    Raises:
        duckdb.Error: something cannot be read.
    """
    connection.execute(
        f"SELECT bit_xor(hash(t)) FROM {table} t WHERE rowid >= {low} AND rowid < {high}"  # noqa: S608
    ).fetchall()


def _prepare(connection: Connection) -> None:
    found = tables_of(connection)
    statements = _preparation(connection, found)
    if not statements:
        return
    connection.execute("BEGIN")
    for statement in statements:
        connection.execute(statement)
    connection.execute("COMMIT")


def _preparation(connection: Connection, found: dict[str, schema.Columns]) -> list[str]:
    if not found:
        return schema.create_statements()
    row = None
    if {"key", "value"} <= found.get("meta", {}).keys():
        row = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    text = str(row[0]) if row else "unknown"
    version = int(text) if text.isascii() and text.isdigit() else 0
    if version == schema.VERSION:
        return []
    if not 0 < version < schema.VERSION:
        raise ForeignStoreError(f"is of version {text}, this program writes {schema.VERSION}")
    try:
        return schema.upgrade_statements(version, found)
    except schema.IncompatibleError as error:
        raise ForeignStoreError(f"is of version {text} and cannot be added to: {error}") from error
