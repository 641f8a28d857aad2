# SPDX-License-Identifier: Apache-2.0
"""What happens to capture when the process ends, is told to end, or forks.

SIGTERM is taken where it would kill the process with telemetry still in memory. SIGINT
is not: asyncio cancels gracefully only while Python's own handler is in place, and an
order being recorded would be lost.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ffe_otel.capture.install import Handle

_FLUSH_SECONDS = 1.0
_INIT = 1
_log = logging.getLogger(__name__)


def at_exit(handle: Handle) -> Callable[[], None]:
    """Close the capture when the interpreter exits; returns what takes that back."""
    atexit.register(handle.close)
    return lambda: atexit.unregister(handle.close)


def at_fork(handle: Handle) -> None:
    """In a forked child forget what the parent has open; the parent ends it itself."""
    reference = weakref.ref(handle)

    def in_child() -> None:
        found = reference()
        if found is None or found.runtime is None:
            return
        found.runtime.forget_open()
        if found.flusher is not None:
            found.flusher.after_fork()
        if "multiprocessing.util" in sys.modules:
            _at_end_of_worker(found)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)


def _at_end_of_worker(handle: Handle) -> None:
    """A child of multiprocessing ends without atexit, and clears finalizers as it starts."""
    from multiprocessing import util

    # It also clears atexit, which may hold the only other reference to the handle.
    util.register_after_fork(handle, lambda _: util.Finalize(handle, handle.close, exitpriority=0))


class Termination:
    """Sends what is in memory before SIGTERM ends the process.

    Only where it does end it: a handler of the engine's, or the kernel for the first process
    of a container, may let it go on, and then capture goes on as well.

    The handler itself only puts on a ``SimpleQueue`` and waits for a worker thread
    against a deadline: other locks can be held by the very code it interrupts.
    """

    def __init__(self, handle: Handle, deadline_seconds: float) -> None:
        self._handle = handle
        self._deadline = deadline_seconds
        self._previous: Any = None
        self._installed = False
        self._waiting = False
        self._pid = 0

    def install(self) -> Callable[[], None]:
        """Take SIGTERM where that is possible and useful; returns the undoing."""
        previous = signal.getsignal(signal.SIGTERM)
        on_main = threading.current_thread() is threading.main_thread()
        if not on_main or previous is signal.SIG_IGN or previous is None:
            return lambda: None
        self._previous = previous
        try:
            signal.signal(signal.SIGTERM, self._handler)
        except ValueError:
            return lambda: None
        self._installed = True
        self._start_worker()
        if hasattr(os, "register_at_fork"):
            restart = weakref.WeakMethod(self._in_child)

            def after_fork() -> None:
                if method := restart():
                    method()

            os.register_at_fork(after_in_child=after_fork)
        return self._undo

    def _in_child(self) -> None:
        # The handler is inherited, the thread that it hands its work to is not.
        self._waiting = False
        if self._installed:
            self._start_worker()

    def _start_worker(self) -> None:
        self._asked: native.SimpleQueue[str] = native.SimpleQueue()
        self._done: native.SimpleQueue[None] = native.SimpleQueue()
        self._pid = os.getpid() if native.Thread(self._work).start() else 0

    def _handler(self, number: int, frame: FrameType | None) -> None:
        if self._ends_the_process(number):
            if not self._waiting:  # or the first one is about to end it
                self._ask("close", self._deadline)
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        if not self._waiting:
            self._ask("flush", _FLUSH_SECONDS)
        if callable(self._previous):
            self._previous(number, frame)

    def _ends_the_process(self, number: int) -> bool:
        """Whether nothing but the default action would have met the signal without us."""
        # Whoever came after us and calls us all the same had found no handler to call.
        alone = signal.getsignal(number) == self._handler
        # The kernel takes no default action on the first process of a PID namespace.
        return alone and not callable(self._previous) and os.getpid() != _INIT

    def _ask(self, what: str, seconds: float) -> None:
        if os.getpid() != self._pid:
            # It could not start before; threads end, and then it can.
            self._start_worker()
        if os.getpid() != self._pid:
            return
        self._waiting = True
        try:
            self._asked.put(what)
            with contextlib.suppress(queue.Empty):
                self._done.get(timeout=seconds)
        finally:
            self._waiting = False

    def _work(self) -> None:
        asked, done = self._asked, self._done
        while (what := asked.get()) != "stop":
            try:
                if what == "flush":
                    self._handle.flush(_FLUSH_SECONDS)
                else:
                    self._handle.close()
            except Exception:  # noqa: BLE001 - the process is not to wait for nothing
                _log.warning("ffe_otel: not everything could be sent on SIGTERM", exc_info=True)
            done.put(None)

    def _undo(self) -> None:
        self._installed = False
        self._asked.put("stop")
        on_main = threading.current_thread() is threading.main_thread()
        if on_main and signal.getsignal(signal.SIGTERM) == self._handler:
            signal.signal(signal.SIGTERM, self._previous)
