# SPDX-License-Identifier: Apache-2.0
"""Waiting for signals in order, knowing which of them a terminal already gave to everybody."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPPING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
_WATCHED = STOPPING | {signal.SIGCHLD}

# siginfo.h: the kernel itself sent it, which for SIGINT and SIGQUIT means the terminal did.
_SI_KERNEL = 0x80


@dataclass(frozen=True, slots=True)
class Delivered:
    """A signal that arrived.

    Attributes:
        number: which one.
        from_terminal: the whole foreground process group got it, children too.
    """

    number: signal.Signals
    from_terminal: bool


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Hold back the signals that stop a program and SIGCHLD, so that ``wait`` gets them.

    Holding them back, unlike handlers, loses none in the moment between starting a child and
    knowing its process id.
    """
    previous = signal.signal(signal.SIGCHLD, _nothing)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGCHLD, previous)


def wait(timeout: float | None = None) -> Delivered | None:
    """Wait for one of the watched signals.

    Args:
        timeout: seconds; None waits for ever.

    Returns:
        The signal, or None when none came in time.
    """
    if sys.platform != "linux":
        return _portable_wait(timeout)
    found = signal.sigwaitinfo(_WATCHED) if timeout is None else _timed(timeout)
    if found is None:
        return None
    return Delivered(signal.Signals(found.si_signo), _from_terminal(found))


def _from_terminal(found: signal.struct_siginfo) -> bool:
    by_kernel = found.si_code == _SI_KERNEL
    if found.si_signo != signal.SIGHUP:
        return by_kernel
    # A hangup is told to the session's leader alone. If that is a shell, it tells the groups
    # of its jobs; when it ends, the kernel tells the foreground group.
    leader = os.getsid(0)
    return leader != os.getpid() and (by_kernel or found.si_pid == leader)


def _timed(timeout: float) -> signal.struct_siginfo | None:
    return signal.sigtimedwait(_WATCHED, timeout)


def _portable_wait(timeout: float | None) -> Delivered | None:
    deadline = None if timeout is None else time.monotonic() + timeout
    while deadline is not None and not signal.sigpending() & _WATCHED:
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.02)
    number = signal.sigwait(_WATCHED)
    return Delivered(signal.Signals(number), number in (signal.SIGINT, signal.SIGQUIT))


def _nothing(*_: object) -> None:
    """A handler, because a pending SIGCHLD that is ignored may be discarded."""
