# SPDX-License-Identifier: Apache-2.0
"""Bare file descriptors: no buffer that a forked child could write a second time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Final

_LOCK_WAIT_SECONDS: Final = 1.0


class Descriptor:
    """A file descriptor that is closed once."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number: int | None = number

    @property
    def number(self) -> int:
        """The descriptor.

        Raises:
            OSError: It is closed.
        """
        if self._number is None:
            raise OSError("the file is closed")
        return self._number

    def close(self) -> None:
        """Close it; a failure to close is nothing anybody could act on."""
        # Forgotten before it is closed: a fork in between must not leave the child with a
        # number that may already belong to somebody else.
        number, self._number = self._number, None
        if number is not None:
            with contextlib.suppress(OSError):
                os.close(number)


def write_all(number: int, data: bytes) -> None:
    """Write everything, however many calls it takes.

    Raises:
        OSError: The device is full, the file was closed, ...
    """
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]


def append_all(number: int, data: bytes) -> None:
    """Append everything or nothing to a regular file that is open for appending.

    Half a line would spoil the next one for every reader, so what was written before the
    device was full is taken back, unless another process has appended after it.

    Raises:
        OSError: Nothing was appended.
    """
    before = os.fstat(number).st_size
    written = 0
    try:
        while written < len(data):
            written += os.write(number, memoryview(data)[written:])
    except OSError:
        with contextlib.suppress(OSError):
            if written and os.fstat(number).st_size == before + written:
                os.ftruncate(number, before)
        raise


def lock(number: int, *, wait_seconds: float = _LOCK_WAIT_SECONDS) -> bool:
    """Take the advisory lock on an open file against other processes.

    A process that was stopped while it held the lock must not stop this one as well, so
    the wait is short.

    Returns:
        False when somebody else still holds it; True also where the file system has no
        locks, because then nobody does.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.002)
        except OSError:
            return True
        else:
            return True


def unlock(number: int) -> None:
    """Release the lock; closing would not, while a forked child holds a copy."""
    with contextlib.suppress(OSError):
        fcntl.flock(number, fcntl.LOCK_UN)
