# SPDX-License-Identifier: Apache-2.0
"""Numbers of open files, in a process whose other code may close them.

A program that makes itself a daemon closes every number that it does not know, with
``os.closerange(3, 256)`` or the like, and the next file that it opens gets one of them. So a
number is only a claim: before it is used it is asked whether it still means our file, and one
that does not is neither written to nor closed. Ours are also moved to where such programs
seldom look and hardly ever open anything.

Between the question and the use another thread can still close the number and open something.
Nothing in the system rules that out; high numbers make it improbable.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import stat
import sys
import time
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_LOWEST: Final = 4096
"""From here on our numbers are. The kernel's table of a process grows with the highest."""

# ioctl_iflags(2) of Linux: which of the files that had one after another the same inode number.
_GENERATION: Final = 0x80087601 if sys.maxsize > 2**32 else 0x80047601
_NO_ANSWER: Final = bytes(8)
_LOCK_WAIT_SECONDS: Final = 1.0

Identity = tuple[int, int, int]
"""Device, inode, and generation of the inode where the file system tells it."""


class LostError(OSError):
    """A number is not ours any more: somebody closed it."""

    def __init__(self) -> None:
        super().__init__(errno.EBADF, "somebody else closed the file")


def identity(number: int) -> Identity:
    """What is open under a number.

    Raises:
        OSError: nothing is.
    """
    found = os.fstat(number)
    return found.st_dev, found.st_ino, _generation(number, found)


def _generation(number: int, found: os.stat_result) -> int:
    if sys.platform != "linux" or not stat.S_ISREG(found.st_mode):
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(number, _GENERATION, _NO_ANSWER), sys.byteorder)
    except OSError:
        return 0


def is_same(number: int, known: Identity) -> bool:
    """Whether a number still means what it meant."""
    try:
        found = os.fstat(number)
    except OSError:
        return False
    return (
        found.st_ino == known[1]
        and found.st_dev == known[0]
        and _generation(number, found) == known[2]
    )


def out_of_the_way(number: int) -> int:
    """The same open file under a high number where there is one; a child does not inherit it."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    lowest = _LOWEST if limit == resource.RLIM_INFINITY else min(_LOWEST, limit * 3 // 4)
    try:
        moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, max(3, lowest))
    except OSError:
        return number
    os.close(number)
    return moved


class Descriptor:
    """A number that is used and closed only while it means the file that it was opened for."""

    __slots__ = ("_identity", "_number")

    def __init__(self, number: int) -> None:
        """Own a number that was opened a moment ago.

        Raises:
            OSError: it is closed already.
        """
        self._number: int | None = None
        moved = out_of_the_way(number)
        self._identity = identity(moved)
        self._number = moved

    @classmethod
    def open(cls, path: Path, flags: int, mode: int = 0o600) -> Descriptor:
        """Open a file.

        Raises:
            OSError: that is not possible.
        """
        opened = cls(os.open(path, flags | os.O_CLOEXEC, mode))
        if not opened.is_at(path):
            # Its number was taken away before it was known whose it is, or the file was.
            opened.forget()
            raise LostError
        return opened

    @property
    def number(self) -> int:
        """The number, for one use at once.

        Raises:
            LostError: it is closed, or somebody else's.
        """
        if self._number is None or not is_same(self._number, self._identity):
            raise LostError
        return self._number

    @property
    def ours(self) -> bool:
        """Whether it may be used."""
        return self._number is not None and is_same(self._number, self._identity)

    def is_at(self, path: Path) -> bool:
        """Whether it is ours and the file has this path, not deleted and not replaced."""
        if not self.ours:
            return False
        try:
            there = path.stat()
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == self._identity[:2]

    def duplicate(self) -> Descriptor:
        """Another number for the same open file.

        Raises:
            OSError: there is none.
        """
        other = Descriptor(os.dup(self.number))
        if other._identity != self._identity:
            other.forget()
            raise LostError
        return other

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def forget(self) -> None:
        """Use it no more, and leave it open to whoever has it."""
        self._number = None

    def close(self) -> None:
        """Close it if it is ours; a failure to close is nothing anybody could act on."""
        # Forgotten before it is closed: a fork in between must not leave the child with a
        # number that may already belong to somebody else.
        number, self._number = self._number, None
        if number is not None and is_same(number, self._identity):
            with contextlib.suppress(OSError):
                os.close(number)


def write_all(file: Descriptor, data: bytes) -> None:
    """Write everything, however many calls it takes.

    Raises:
        OSError: The device is full, the file was closed, ...
    """
    view = memoryview(data)
    while view:
        view = view[os.write(file.number, view) :]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, over what was there.

    Raises:
        OSError: that is not possible.
    """
    with Descriptor.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
        write_all(file, text.encode("utf-8", "backslashreplace"))


def append_all(file: Descriptor, data: bytes) -> None:
    """Append everything or nothing to a regular file that is open for appending.

    Half a line would spoil the next one for every reader, so what was written before the
    device was full is taken back, unless another process has appended after it.

    Raises:
        OSError: Nothing was appended.
    """
    before = os.fstat(file.number).st_size
    written = 0
    try:
        while written < len(data):
            written += os.write(file.number, memoryview(data)[written:])
    except OSError:
        with contextlib.suppress(OSError):
            if written and os.fstat(file.number).st_size == before + written:
                os.ftruncate(file.number, before)
        raise


def lock(file: Descriptor, *, wait_seconds: float = _LOCK_WAIT_SECONDS) -> bool:
    """Take the advisory lock on an open file against other processes.

    A process that was stopped while it held the lock must not stop this one as well, so
    the wait is short.

    Returns:
        False when somebody else still holds it; True also where the file system has no
        locks, because then nobody does.

    Raises:
        LostError: the file is not ours any more.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        number = file.number
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            native.sleep(0.002)
        except OSError:
            return True
        else:
            return True


def unlock(file: Descriptor) -> None:
    """Release the lock; closing would not, while a forked child holds a copy."""
    with contextlib.suppress(OSError):
        fcntl.flock(file.number, fcntl.LOCK_UN)
