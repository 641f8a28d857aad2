# SPDX-License-Identifier: Apache-2.0
"""The DuckDB file: opening it, and setting aside one that cannot be read."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import duckdb

from ffe_otel.observe.errors import CorruptStoreError, ServeError
from ffe_otel.observe.store.schema import VERSION, create_statements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME: Final = "telemetry.duckdb"
MEMORY_LIMIT: Final = "256MB"
THREADS: Final = 2
ROW_GROUP: Final = 16_384
"""Rows of a row group. DuckDB's own 122,880 rows with prompts in them would be a gigabyte
that each checkpoint writes anew; small groups also narrow look-ups by time better."""
_CATALOG: Final = "store"

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
        self._connection = self._open_or_replace()

    def _open_or_replace(self) -> Connection:
        try:
            return _open(self.path, self._log_limit)
        except CorruptStoreError as error:
            aside = _set_aside(self.path)
            self.problem = f"{self.path} {error}; it was set aside as {aside.name}"
            logger.warning("ffe-otel serve: %s, and a new store was begun", self.problem)
            return _open(self.path, self._log_limit)

    @property
    def writer(self) -> Connection:
        """The connection of the loader thread."""
        return self._connection

    @contextlib.contextmanager
    def reader(self) -> Iterator[Connection]:
        """A connection for queries on the calling thread."""
        with self._lock:
            cursor = self._connection.cursor()
        cursor.execute(f"USE {_CATALOG}")
        try:
            yield cursor
        finally:
            cursor.close()

    def reopen(self) -> None:
        """Open the file again after DuckDB gave it up, setting it aside if it is broken."""
        with self._lock:
            with contextlib.suppress(duckdb.Error):
                self._connection.close()
            self._connection = self._open_or_replace()

    def size(self) -> int:
        """Bytes on disk, write-ahead log included."""
        return sum(p.stat().st_size for p in _files(self.path) if p.exists())

    def log_size(self) -> int:
        """Bytes of the write-ahead log."""
        log = _files(self.path)[1]
        return log.stat().st_size if log.exists() else 0

    def close(self) -> None:
        """Write everything to the main file and close it."""
        with self._lock:
            with contextlib.suppress(duckdb.Error):
                self._connection.execute("CHECKPOINT")
            self._connection.close()


def _files(path: Path) -> list[Path]:
    return [path, path.with_name(path.name + ".wal")]


def _open(path: Path, log_limit: int) -> Connection:
    try:
        connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": MEMORY_LIMIT,
                "threads": THREADS,
                "temp_directory": str(path.parent / "tmp"),
                "checkpoint_threshold": f"{log_limit}B",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )
        quoted = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS {_CATALOG} (ROW_GROUP_SIZE {ROW_GROUP})")
        path.chmod(0o600)
        connection.execute(f"USE {_CATALOG}")
        _prepare(connection)
    except duckdb.Error as error:
        raise _opening_problem(path, error) from error
    return connection


def _opening_problem(path: Path, error: duckdb.Error) -> Exception:
    text = str(error).splitlines()[0]
    if "lock" in text.lower():
        return ServeError(f"{path} is in use by another program: {text}; close it there")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        return ServeError(f"{path} is not readable and writable for this user: {text}")
    if "No space left" in text:
        return ServeError(f"{path} cannot be opened, its file system is full: {text}")
    return CorruptStoreError(f"cannot be read ({text})")


def _prepare(connection: Connection) -> None:
    names = {
        row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    }
    if not names:
        connection.execute("BEGIN")
        for statement in create_statements():
            connection.execute(statement)
        connection.execute("COMMIT")
        return
    found = None
    if "meta" in names:
        found = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    if found is None or found[0] != str(VERSION):
        connection.close()
        version = found[0] if found else "unknown"
        raise CorruptStoreError(f"is of version {version}, this program writes {VERSION}")


def _set_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.{stamp}-{time.time_ns() % 1_000_000_000:09d}.aside")
    for file in _files(path):
        if file.exists():
            file.rename(aside.with_name(aside.name + file.name.removeprefix(path.name)))
    return aside
