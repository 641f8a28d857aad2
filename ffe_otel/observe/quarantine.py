# SPDX-License-Identifier: Apache-2.0
"""Journal rows the store does not take, kept in files for somebody to look at."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUFFIX: Final = ".bad"
_BLOCK: Final = 1 << 20

Extent = tuple[int, int, int]
"""Some whole lines of a file: where they begin, where they end, and how many they are."""


class Quarantine:
    """The ``.bad`` files of a directory. One thread adds to them, others may ask."""

    def __init__(self, directory: Path, limit: int) -> None:
        """Take over the files of earlier runs and keep all under ``limit`` bytes."""
        self.directory = directory
        self._limit = limit
        self._rows = {p: _lines(p) for p in sorted(directory.glob(f"*{SUFFIX}"))}

    @property
    def rows(self) -> int:
        """Rows kept; a file that somebody has looked at and deleted does not count."""
        return sum(count for path, count in self._rows.items() if path.exists())

    def keep(self, source: Path, extents: Iterable[Extent]) -> Path:
        """Keep these lines of the file ``source``; where they are now.

        Raises:
            OSError: they cannot be written.
        """
        target, rows = source.with_suffix(SUFFIX), 0
        half_done = source.with_suffix(".keeping")
        with os.fdopen(private(half_done), "wb") as file:
            for begin, end, count in extents:
                copy(source, begin, end, file)
                rows += count
            file.flush()
            os.fsync(file.fileno())
        half_done.replace(target)
        # A dictionary of its own each time: other threads read it.
        self._rows = {**self._rows, target: rows}
        self._bound()
        return target

    def retire(self, age_seconds: float, now: float | None = None) -> None:
        """Delete what was set aside so long before ``now``, by default the machine's time."""
        now = time.time() if now is None else now
        for path in self._rows:
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < now - age_seconds:
                    path.unlink()
        self._forget()

    def _bound(self) -> None:
        """Delete the oldest files while all are too big, but the newest."""
        self._forget()
        sizes = {path: path.stat().st_size for path in self._rows}
        held = sum(sizes.values())
        for path in sorted(sizes)[:-1]:
            if held <= self._limit:
                break
            held -= sizes[path]
            path.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        self._rows = {path: count for path, count in self._rows.items() if path.exists()}


def private(path: Path) -> int:
    """A new file that only this user can read, as a descriptor to write to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def copy(source: Path, begin: int, end: int, target: BinaryIO) -> None:
    """Write a part of a file to ``target``."""
    with source.open("rb") as file:
        file.seek(begin)
        while begin < end and (block := file.read(min(_BLOCK, end - begin))):
            target.write(block)
            begin += len(block)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
