# SPDX-License-Identifier: Apache-2.0
"""Threads, locks and queues of the operating system, whatever took the place of Python's.

gevent and eventlet replace ``threading`` by greenlets, before or after this is imported. A
pipeline on greenlets stalls the engine for as long as it works, and one half on each waits
for itself. So nothing here is made of what they replace.

What is here starts faster, too: ``Thread.start`` does not wait for the thread to come up,
and no thread of ours is in ``threading.enumerate``, where an engine that joins all it finds
would wait for ever.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import time
from _queue import SimpleQueue
from collections import deque
from importlib.machinery import BuiltinImporter, PathFinder
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import select
    from collections.abc import Callable
    from types import ModuleType

__all__ = [
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "SimpleQueue",
    "Thread",
    "get_ident",
    "keep_starting",
    "poll",
    "sleep",
    "start_pending",
]


def _unpatched(name: str) -> ModuleType:
    """A module of the interpreter's own as it was before anybody patched it."""
    spec = BuiltinImporter.find_spec(name) or PathFinder.find_spec(name)
    if spec is None or spec.loader is None:  # another implementation of Python
        return importlib.import_module(name)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def _original(module: str, name: str) -> Any:
    found = getattr(importlib.import_module(module), name, None)
    return found if type(found) is BuiltinFunctionType else getattr(_unpatched(module), name)


_start_new_thread: Final[Callable[..., int]] = _original("_thread", "start_new_thread")
get_ident: Final[Callable[[], int]] = _original("_thread", "get_ident")
Lock: Final[Callable[[], Any]] = _original("_thread", "allocate_lock")
# A type of its own: eventlet looks for all that are of the usual one, and replaces them.
RLock: Final[Callable[[], Any]] = _unpatched("_thread").RLock
sleep: Final[Callable[[float], None]] = _original("time", "sleep")


def poll() -> select.poll:
    """What ``select.poll`` makes."""
    return _poll()()  # type: ignore[no-any-return]


@functools.cache
def _poll() -> Any:
    return _original("select", "poll")  # not everywhere


class Thread:
    """A thread that no process waits for when it ends.

    Args:
        target: what it does.
    """

    def __init__(self, target: Callable[[], object]) -> None:
        self._target = target
        self._ended = Lock()
        self._ident = 0

    def start(self) -> bool:
        """Start it; whether that was possible. Otherwise it can be tried again.

        At the limit of threads, without memory, deep in a recursion and while the
        interpreter shuts down it is not.
        """
        self._ended.acquire(blocking=False)
        try:
            _start_new_thread(self._run, ())
        except (RuntimeError, MemoryError):
            self._ended.release()
            return False
        return True

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return bool(self._ended.locked())

    def is_current(self) -> bool:
        """Whether this is the thread that asks."""
        return self._ident == get_ident()

    def join(self, timeout: float) -> bool:
        """Wait until it has ended, at most ``timeout`` seconds; whether it has."""
        if not self._ended.acquire(timeout=max(0.0, timeout)):
            return False
        self._ended.release()
        return True

    def _run(self) -> None:
        self._ident = get_ident()
        try:
            self._target()
        finally:
            self._ident = 0
            self._ended.release()


_pending: Final[deque[Thread]] = deque()


def keep_starting(thread: Thread) -> None:
    """Start a thread now, or as soon as that is possible."""
    if not thread.start():
        _pending.append(thread)


def start_pending() -> None:
    """Try what could not be started before; other threads of ours call it now and then."""
    if _pending:
        with contextlib.suppress(IndexError):
            keep_starting(_pending.popleft())


class Condition:
    """What ``threading.Condition`` is."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal handler may come in between
        self._waiting: list[Any] = []

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()

    def wait(self, timeout: float) -> None:
        """Let go of the lock until notified, at most ``timeout`` seconds."""
        mine = Lock()
        mine.acquire()
        self._waiting.append(mine)
        held = self._lock._release_save()  # noqa: SLF001 - as threading.Condition does
        try:
            mine.acquire(timeout=max(0.0, timeout))
        finally:
            self._lock._acquire_restore(held)  # noqa: SLF001
            if mine in self._waiting:
                self._waiting.remove(mine)

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``predicate`` holds, at most ``timeout`` seconds; whether it does."""
        end = time.monotonic() + timeout
        while not predicate():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.wait(left)
        return True

    def notify_all(self) -> None:
        """Wake everybody who waits."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.release()


class Event:
    """What ``threading.Event`` is."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, for good."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, at most ``timeout`` seconds; whether it is."""
        with self._changed:
            return self._changed.wait_for(self.is_set, timeout)
