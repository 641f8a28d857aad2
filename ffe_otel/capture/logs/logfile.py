# SPDX-License-Identifier: Apache-2.0
"""The log file: appended to by any number of processes, rolled over by size."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Final

from ffe_otel.capture.logs import rotation
from ffe_otel.foundation import descriptors
from ffe_otel.foundation.descriptors import Descriptor, LostError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_REOPEN_ATTEMPTS: Final = 5
_ROLL_AGAIN_SECONDS: Final = 5.0


class LogFile:
    """Appends whole lines; not thread-safe, one thread at a time writes.

    Several processes may share the file: every batch is one append under an advisory lock,
    and whoever finds that the file was renamed or deleted opens the new one first.

    Args:
        path: The file. Missing directories are made with mode 0700, the file with 0600,
            or that of the file it follows.
        max_bytes: Size at which the file is rolled over.
        backup_count: Rolled files to keep.
        compress: Whether rolled files are compressed with gzip.
    """

    def __init__(self, path: Path, *, max_bytes: int, backup_count: int, compress: bool) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backup_count = backup_count
        self._compress = compress
        self._file: Descriptor | None = None
        self._rotating: Descriptor | None = None
        self._compression: rotation.Compression | None = None
        self._trouble: OSError | None = None
        self._roll_after = 0.0
        self._mode = 0o600

    def write(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Append lines, each with its newline.

        Returns:
            How many lines are in the file, and why it is not all of them. Never part of a
            line, as far as the file system lets it be taken back.
        """
        done = lost = 0
        while done < len(lines):
            try:
                done = self._write_some(lines, done)
            except LostError as error:
                self._close_file()
                lost += 1
                if lost == _REOPEN_ATTEMPTS:
                    return done, error
            except OSError as error:
                self._close_file()
                return done, error
        return done, None

    def step(self) -> bool:
        """Do a little of what is left from rolling over.

        Returns:
            Whether there is more to do.

        Raises:
            OSError: The file could not be rolled over, or a rolled file not compressed.
                Nothing is lost by that, the files only stay larger.
        """
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble
        if self._compression is None:
            return False
        try:
            if self._rotating is None or not self._rotating.ours:
                # Without the lock another process may give the files other numbers meanwhile.
                self._compression.abandon()
                raise LostError
            if not self._compression.step():
                self._compress_next()
        except OSError:
            self._end_rotation()
            raise
        return self._compression is not None

    def close(self) -> None:
        """Close the file; a later ``write`` opens it again. Unfinished compression is dropped."""
        if self._compression is not None:
            with contextlib.suppress(OSError):
                self._compression.abandon()
        self._end_rotation()
        self._close_file()

    def forget(self) -> None:
        """Let go of everything inherited from the parent process, touching none of its files."""
        if self._compression is not None:
            self._compression.forget()
            self._compression = None
        if self._rotating is not None:
            self._rotating.close()
            self._rotating = None
        self._close_file()

    def _write_some(self, lines: Sequence[bytes], start: int) -> int:
        """Append what fits, roll over when nothing does; returns the next line's index."""
        file, locked = self._open_locked()
        try:
            status = os.fstat(file.number)
            if not stat.S_ISREG(status.st_mode):
                descriptors.write_all(file, b"".join(lines[start:]))
                return len(lines)
            end = self._fitting(lines, start, status.st_size)
            if end == start:
                if status.st_size and self._roll(file):
                    return start
                end = start + 1  # longer than any file may be, or rolling is not possible now
            descriptors.append_all(file, b"".join(lines[start:end]))
            if not (file.ours if locked else file.is_at(self.path)):
                # Without the lock it may have gone to a file that was rolled over and, by
                # then, compressed to its end; without the number, to nobody knows where.
                # Twice is better than not at all.
                self._close_file()
                return start
            return end
        finally:
            # Rolling over has closed the file and released its lock.
            if locked and self._file is not None:
                descriptors.unlock(file)

    def _fitting(self, lines: Sequence[bytes], start: int, size: int) -> int:
        if time.monotonic() < self._roll_after:
            return len(lines)
        room = self._max_bytes - size
        end = start
        while end < len(lines) and len(lines[end]) <= room:
            room -= len(lines[end])
            end += 1
        return end

    def _open_locked(self) -> tuple[Descriptor, bool]:
        """The current file, and whether it is locked against other processes."""
        for _ in range(_REOPEN_ATTEMPTS):
            file = self._open()
            locked = descriptors.lock(file)
            if file.is_at(self.path):
                return file, locked
            if locked:
                descriptors.unlock(file)
            self._close_file()
        return self._open(), False

    def _open(self) -> Descriptor:
        if self._file is None or not self._file.ours:
            _make_private(self.path.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._file = Descriptor.open(self.path, flags, self._mode)
        return self._file

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _roll(self, file: Descriptor) -> bool:
        """Roll over while holding the file's lock; False when that is not possible now."""
        try:
            rolled = self._rolled()
        except OSError as error:
            self._end_rotation()
            self._trouble = error
            rolled = False
        if not rolled:
            self._roll_after = time.monotonic() + _ROLL_AGAIN_SECONDS
            return False
        # Somebody may have let another reader in; the next file is to be as open as this one.
        self._mode = stat.S_IMODE(os.fstat(file.number).st_mode)
        descriptors.unlock(file)
        self._close_file()
        try:
            self._compress_next()
        except OSError as error:
            self._end_rotation()
            self._trouble = error
        return True

    def _rolled(self) -> bool:
        while self._compression is not None and self.step():
            continue
        self._rotating = Descriptor.open(self.path.parent, os.O_RDONLY)
        if not descriptors.lock(self._rotating, wait_seconds=0):
            self._rotating.close()
            self._rotating = None
            return False
        rotation.roll(self.path, self._backup_count)
        return True

    def _compress_next(self) -> None:
        self._compression = None
        plain = rotation.waiting(self.path) if self._compress else []
        if plain:
            self._compression = rotation.Compression(plain[0])
        else:
            self._end_rotation()

    def _end_rotation(self) -> None:
        self._compression = None
        if self._rotating is not None:
            descriptors.unlock(self._rotating)
            self._rotating.close()
            self._rotating = None


def _make_private(directory: Path) -> None:
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for part in reversed(missing):
        with contextlib.suppress(FileExistsError):
            part.mkdir(mode=0o700)
