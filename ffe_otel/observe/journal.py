# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged and is not in the store yet: append-only files of JSON lines.

Rows are written and synced before a request is acknowledged. The loader seals the
active segments, loads them in one store transaction that also records their names, and
deletes them. A crash at any point leaves a segment that is either recorded or not, so
that a restart neither loses nor doubles a row.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from ffe_otel.observe.decode import Signal
from ffe_otel.observe.errors import FullError
from ffe_otel.observe.quarantine import SUFFIX as BAD_SUFFIX
from ffe_otel.observe.quarantine import Quarantine, private

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ffe_otel.observe.quarantine import Extent

logger = logging.getLogger(__name__)

_SUFFIX: Final = ".ndjson"
RELIEF: Final = 4
"""Times its limit that waits while the store is being mended: the store's whole size."""
_UNFINISHED: Final = frozenset({".part", ".keeping", ".repaired"})
"""Suffixes of files that were being written when an earlier run was killed."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed file: its signal, size and longest line in bytes."""

    path: Path
    signal: Signal
    size: int
    longest: int


class _Active:
    """The file rows of one signal are appended to."""

    __slots__ = ("file", "longest", "path", "size")

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.file: BinaryIO = os.fdopen(descriptor, "wb", buffering=0)
        self.size = 0
        self.longest = 0


class Journal:
    """The journal directory. Thread-safe; one process at a time (the store's lock).

    Attributes:
        problem: what was found wrong with files of an earlier run.
        relieved: the store is being mended and takes nothing, so that more may wait than usual.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        """Open the journal in ``directory`` and keep it under about ``limit`` bytes."""
        self.directory = directory
        self.limit = limit
        self.relieved = False
        self.problem = ""
        self._lock = threading.Lock()
        self._active: dict[Signal, _Active] = {}
        self._sealed: list[Segment] = []
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sequence = self._recover()
        self.quarantine = Quarantine(directory, limit // 4)

    @property
    def size(self) -> int:
        """Bytes that wait for the loader."""
        with self._lock:
            return self._size()

    def _size(self) -> int:
        return sum(s.size for s in self._sealed) + sum(a.size for a in self._active.values())

    def append(self, batches: Mapping[Signal, Sequence[bytes]]) -> None:
        """Write lines and sync them; all are durable when this returns, or none is kept.

        Raises:
            FullError: the disk is full or fails, or the store has fallen behind by the
                journal's limit.
        """
        with self._lock:
            if self._size() > self.limit * (RELIEF if self.relieved else 1):
                raise FullError(
                    f"the journal {self.directory} holds {self._size()} bytes that the store "
                    "has not taken yet; see its state under /api/v1/status"
                )
            before: list[tuple[_Active, int]] = []
            try:
                for signal, lines in batches.items():
                    active = self._writable(signal)
                    before.append((active, active.size))
                    self._write(active, lines)
                for active, _ in before:
                    os.fdatasync(active.file.fileno())
            except OSError as error:
                for active, size in before:
                    self._take_back(active, size)
                raise FullError(
                    f"cannot write to the journal {self.directory}: {error.strerror}; "
                    "free space on its file system"
                ) from error
            if self._forget_deleted():
                raise FullError(f"files of the journal {self.directory} were deleted")

    def _forget_deleted(self) -> bool:
        """Let go of files that somebody deleted: what went there is in none; whether one was."""
        found = False
        for signal, active in list(self._active.items()):
            if os.fstat(active.file.fileno()).st_nlink == 0:
                active.file.close()
                del self._active[signal]
                found = True
        return found

    @staticmethod
    def _write(active: _Active, lines: Sequence[bytes]) -> None:
        data = memoryview(b"\n".join(lines) + b"\n")
        active.size += len(data)
        active.longest = max(active.longest, *map(len, lines))
        while data:
            data = data[active.file.write(data) :]

    def _take_back(self, active: _Active, size: int) -> None:
        """Cut off what was not acknowledged; a file that resists is sealed at its size."""
        active.size = size
        try:
            os.ftruncate(active.file.fileno(), size)
            os.lseek(active.file.fileno(), size, os.SEEK_SET)
        except OSError:
            signal = next(s for s, a in self._active.items() if a is active)
            self._seal(signal)

    def _writable(self, signal: Signal) -> _Active:
        active = self._active.get(signal)
        if active is None:
            self._sequence += 1
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            active = _Active(self.directory / f"{self._sequence:012d}-{signal}{_SUFFIX}")
            self._active[signal] = active
            _sync_directory(self.directory)
        return active

    def seal(self) -> list[Segment]:
        """Close the active files; all segments that wait for the loader, oldest first."""
        with self._lock:
            for signal in list(self._active):
                if self._active[signal].size:
                    self._seal(signal)
            return list(self._sealed)

    def _seal(self, signal: Signal) -> None:
        active = self._active.pop(signal)
        with contextlib.suppress(OSError):
            active.file.close()
        self._sealed.append(Segment(active.path, signal, active.size, active.longest))

    def discard(self, segments: Iterable[Segment]) -> None:
        """Delete loaded segments."""
        gone = {s.path for s in segments}
        for path in gone:
            path.unlink(missing_ok=True)
        with self._lock:
            self._sealed = [s for s in self._sealed if s.path not in gone]

    def set_aside(self, segment: Segment, extents: Sequence[Extent]) -> Path:
        """Delete a segment that was loaded but for these lines, which are kept; where.

        Raises:
            OSError: they cannot be kept, so that the segment stays.
        """
        target = self.quarantine.keep(segment.path, extents)
        _sync_directory(self.directory)
        self.discard([segment])
        return target

    def close(self) -> None:
        """Close the active files; their rows are loaded at the next start."""
        with self._lock:
            for signal in list(self._active):
                self._seal(signal)

    def _recover(self) -> int:
        """Take over what an earlier run left; the highest sequence number seen."""
        highest = 0
        for path in sorted(self.directory.iterdir()):
            number, _, signal = path.stem.partition("-")
            if not number.isdigit() or signal not in set(Signal):
                continue
            if path.suffix in _UNFINISHED:
                path.unlink()
            elif path.suffix in {_SUFFIX, BAD_SUFFIX}:
                # A name that was given again would write over rows that were set aside.
                highest = max(highest, int(number))
            if path.suffix != _SUFFIX:
                continue
            try:
                size, longest, dropped = _repair(path)
            except OSError as error:
                self._leave(path, error)
                continue
            self._tell(path, dropped)
            if size:
                self._sealed.append(Segment(path, Signal(signal), size, longest))
            else:
                path.unlink()
        return highest

    def _leave(self, path: Path, error: OSError) -> None:
        """Rename a segment that the disk does not give out any more; the others are loaded."""
        with contextlib.suppress(OSError):
            path.rename(path.with_suffix(".unreadable"))
        self.problem = f"{path} cannot be read ({error.strerror}) and is left as .unreadable"
        logger.error("ffe-otel serve: %s", self.problem)

    def _tell(self, path: Path, dropped: int) -> None:
        if dropped:
            rows = "row was" if dropped == 1 else "rows were"
            self.problem = f"{dropped} {rows} damaged in {path} and cannot be loaded"
            logger.error("ffe-otel serve: %s", self.problem)


def _repair(path: Path) -> tuple[int, int, int]:
    """Drop broken lines of a segment; size and longest line afterwards, and damaged lines.

    Only the end of a file can be torn, by a kill in mid-write, and then nobody was told
    that it was taken. After a power cut a block in the middle may read as zeros.
    """
    good: list[bytes] = []
    broken = torn = 0
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and _is_row(line):
                good.append(line)
            else:
                broken += 1
                torn += not line.endswith(b"\n")
    if broken:
        replacement = path.with_suffix(".repaired")
        with os.fdopen(private(replacement), "wb") as file:
            file.writelines(good)
            file.flush()
            os.fsync(file.fileno())
        replacement.replace(path)
    return sum(map(len, good)), max(map(len, good), default=0), broken - torn


def _is_row(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
