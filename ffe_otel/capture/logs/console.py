# SPDX-License-Identifier: Apache-2.0
"""Standard error as a destination, and whether the engine already writes there."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import time
from typing import TYPE_CHECKING, Final

from ffe_otel.capture.streams import Consoles, stream_of
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

_STUCK_SECONDS: Final = 0.5
_CONSOLES: Final = Consoles()


def shown_by_engine(logger: logging.Logger, record: logging.LogRecord) -> bool:
    """Whether one of the handlers a record reaches prints it on the console.

    Knows stream handlers, rich's handler, and handlers behind a queue whose listener is
    known. Logging's handler of last resort counts as well, unless it is ours.
    """
    current: logging.Logger | None = logger
    none_found = True
    levelno = record.levelno
    while current is not None:
        for handler in current.handlers:
            none_found = False
            if levelno >= handler.level and _prints(handler):
                return True
        current = current.parent if current.propagate else None
    last = logging.lastResort
    return none_found and last is not None and levelno >= last.level and _prints(last)


def _prints(handler: logging.Handler) -> bool:
    stream = stream_of(handler)
    if stream is not None:
        return stream in _CONSOLES
    listener = handler.__dict__.get("listener")
    return listener is not None and any(_prints(each) for each in listener.handlers)


class Console:
    """Writes lines to whatever ``sys.stderr`` is at the moment.

    A terminal that was stopped with Ctrl-S, or a pipe nobody reads, would hold up the
    worker and with it the file and OTLP. So lines are given up after a short wait, and
    without one while nothing has moved since.
    """

    def __init__(self) -> None:
        self._patience = _STUCK_SECONDS

    def coloured(self) -> bool:
        """Whether standard error is a terminal that wants colours."""
        stream = sys.stderr
        with contextlib.suppress(Exception):
            return stream.isatty() and not os.environ.get("NO_COLOR")
        return False

    def write(self, lines: Iterable[str]) -> bool:
        """Write lines; False when they were given up."""
        stream = sys.stderr
        if stream is None:
            return False
        text = "".join(f"{line}\n" for line in lines)
        try:
            number = _number(stream)
            if number is None:
                stream.write(text)
                stream.flush()
                return True
            stream.flush()
            done = _write_patiently(number, text.encode("utf-8", "replace"), self._patience)
        except (OSError, ValueError):
            return False
        self._patience = _STUCK_SECONDS if done else 0.0
        return done


def tell(text: str) -> None:
    """Say something about ourselves where a person looks: on standard error."""
    Console().write([f"ffe_otel: {text}"])


def _number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _write_patiently(number: int, data: bytes, seconds: float) -> bool:
    poll = native.poll()
    poll.register(number, select.POLLOUT)
    deadline = time.monotonic() + seconds
    view = memoryview(data)
    while view:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return False
        # As much as a pipe that is ready takes without blocking.
        view = view[os.write(number, view[: select.PIPE_BUF]) :]
    return True
