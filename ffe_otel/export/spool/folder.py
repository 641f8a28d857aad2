# SPDX-License-Identifier: Apache-2.0
"""A process's own folder in the spool, and the folders that dead processes left.

Each process holds ``flock`` on a file in its folder for as long as it lives. The kernel
takes such a lock back however its holder ends, so whoever can take it knows that the owner
is dead, and no process id is ever compared.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import uuid
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation.descriptors import Descriptor, LostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK: Final = "lock"
_UNFINISHED: Final = ".new-"
_UNFINISHED_SECONDS: Final = 3600.0
QUARANTINE: Final = "quarantine"
ASIDE: Final = "aside"
_OTHERS: Final = frozenset({QUARANTINE, ASIDE})


class Folder:
    """The folder of this process; its lock is held until it is closed."""

    def __init__(self, parent: Path) -> None:
        """Make a folder in ``parent``.

        Raises:
            OSError: it cannot be made.
        """
        private_folder(parent)
        name = f"{os.getpid()}-{_next_second(parent)}-{uuid.uuid4().hex[:12]}"
        unfinished = parent / f"{_UNFINISHED}{name}"
        unfinished.mkdir(mode=0o700)
        # Locked before it gets its name: a folder with a free lock belongs to nobody.
        self._lock = _take(unfinished / _LOCK, create=True)
        self.path = unfinished.rename(parent / name)

    @property
    def held(self) -> bool:
        """Whether we still have the lock: who closes its number gives it back for us."""
        return self._lock is not None and self._lock.ours

    def remove(self) -> None:
        """Delete the folder when nothing but the lock is left in it, and give the lock back."""
        if not self.held:
            return
        with contextlib.suppress(OSError):
            if [entry.name for entry in self.path.iterdir()] == [_LOCK]:
                (self.path / _LOCK).unlink()
                self.path.rmdir()
        self.let_go()

    def let_go(self) -> None:
        """Give the lock back and leave the folder to whoever finds it.

        In a forked child this only drops the copy of the descriptor: the parent's lock stays.
        """
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()


def private_folder(path: Path) -> None:
    """Make a folder, and those above it, that only their owner can look into.

    Raises:
        OSError: it cannot be made.
    """
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def is_abandoned(path: Path) -> bool:
    """Whether nobody holds the lock of a process's folder; nothing is changed."""
    try:
        with Descriptor.open(path / _LOCK, os.O_RDONLY) as lock:
            # Shared and given back at once: it keeps nobody from anything.
            fcntl.flock(lock.number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def abandoned(parent: Path, own: Path | None) -> Iterator[list[Path]]:
    """The folders in ``parent`` whose processes are dead, locked until the context ends.

    What is empty then is deleted.
    """
    taken: list[tuple[Path, Descriptor]] = []
    try:
        for path in _siblings(parent):
            lock = None if path == own else _take(path / _LOCK, create=False)
            if lock is not None:
                taken.append((path, lock))
        yield [path for path, _ in taken]
    finally:
        for path, lock in taken:
            with contextlib.suppress(OSError):
                if [entry.name for entry in path.iterdir()] == [_LOCK]:
                    (path / _LOCK).unlink()
                    path.rmdir()
            lock.close()


def _siblings(parent: Path) -> list[Path]:
    """The processes' folders, that of the earliest first."""
    try:
        found = [path for path in parent.iterdir() if path.name not in _OTHERS and path.is_dir()]
    except OSError:
        return []
    for path in found:
        if path.name.startswith(_UNFINISHED):
            _remove_unfinished(path)
    finished = [path for path in found if not path.name.startswith(_UNFINISHED)]
    return sorted(finished, key=lambda path: (path.name.split("-")[1:2], path.name))


def _next_second(parent: Path) -> int:
    """The time, or one behind the newest folder's: their order is that of being made."""
    seconds = [path.name.split("-")[1:2] for path in _siblings(parent)]
    newest = max((int(each[0]) for each in seconds if each and each[0].isdecimal()), default=0)
    return max(time.time_ns() // 1_000_000_000, newest + 1)


def _remove_unfinished(path: Path) -> None:
    """Delete what a process that was killed while making its folder left behind."""
    with contextlib.suppress(OSError):
        if path.stat().st_mtime < time.time() - _UNFINISHED_SECONDS:
            (path / _LOCK).unlink(missing_ok=True)
            path.rmdir()


def _take(path: Path, *, create: bool) -> Descriptor | None:
    """Lock a file; ``None`` when somebody has it or it is gone.

    Raises:
        OSError: it was to be created, and cannot be.
    """
    try:
        descriptor = Descriptor.open(path, os.O_RDWR | (os.O_CREAT if create else 0))
    except OSError:
        if create:
            raise
        return None
    try:
        fcntl.flock(descriptor.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it before may have deleted the file under this lock.
        if descriptor.is_at(path):
            return descriptor
    except OSError:
        if create and descriptor.ours:
            # A file system without locks: nobody can take it over, and nobody has to know.
            return descriptor
    descriptor.close()
    if create:
        raise LostError
    return None
