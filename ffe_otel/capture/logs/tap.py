# SPDX-License-Identifier: Apache-2.0
"""Where log records are taken: ``logging.Logger.callHandlers``, for every logger.

A handler of ours on the root logger would be gone after ``handlers.clear()``,
``basicConfig(force=True)`` or ``dictConfig``, would not see loggers that do not propagate,
and would change what the engine finds when it looks at its handlers. Every record that
passes its logger's level and filters comes by here once, whatever the handlers are.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_current

from ffe_otel.capture.logs.console import shown_by_engine
from ffe_otel.capture.logs.guard import CHANNEL_LOGGERS, Guard, is_suppressed
from ffe_otel.capture.logs.record import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from ffe_otel.capture.logs.record import Taken

_TARGET: Final = "callHandlers"


class Tap:
    """Takes records where the engine logs them and never disturbs it.

    Args:
        put: Receives the snapshots and their sizes; must neither block nor raise.
        lost: Called when a record could not be taken.
        log_context: What is known about the code that logs, by its context.
        guard: Tells our own work from the engine's.
        level: Least severe level that is taken.
        watch_console: Whether to find out if the engine prints a record itself.
    """

    def __init__(
        self,
        put: Callable[[Taken, int], None],
        lost: Callable[[], None],
        log_context: Callable[[Context], Mapping[str, object]],
        guard: Guard,
        *,
        level: int,
        watch_console: bool,
    ) -> None:
        self._put = put
        self._lost = lost
        self._log_context = log_context
        self._guard = guard
        self._level = level
        self._watch_console = watch_console
        self._original: Any = None
        self._replacement: Any = None

    def install(self) -> None:
        """Begin to take records."""
        self._original = logging.Logger.__dict__[_TARGET]
        self._replacement = self._tapping(self._original)
        setattr(logging.Logger, _TARGET, self._replacement)

    def remove(self) -> None:
        """Stop taking records and put back what was there."""
        replacement, self._replacement = self._replacement, None
        # Somebody may have wrapped it again since; ours then stays inside, and idle.
        if replacement is not None and logging.Logger.__dict__[_TARGET] is replacement:
            setattr(logging.Logger, _TARGET, self._original)

    def _tapping(self, original: Callable[..., None]) -> Callable[..., None]:
        """``callHandlers`` that takes a record before it does what it does.

        A plain function: a wrapper object costs each log line as much as taking it.
        """
        guard = self._guard

        @functools.wraps(original)
        def tapped(logger: logging.Logger, record: logging.LogRecord) -> None:
            marks = guard.marks
            outer = marks.record
            if marks.busy or record is outer or self._replacement is None:
                return original(logger, record)
            outer_taken = marks.taken
            marks.busy, marks.taken = True, False
            try:
                marks.taken = self._take(logger, record)
            except Exception:  # noqa: BLE001 - logging must work for the engine, whatever fails here
                self._lost()
            finally:
                marks.busy = False
            marks.record = record
            try:
                return original(logger, record)
            finally:
                marks.record, marks.taken = outer, outer_taken

        return tapped

    def took(self, record: logging.LogRecord) -> bool:
        """Whether the record that this thread's handlers are at was taken."""
        marks = self._guard.marks
        return marks.record is record and marks.taken

    def _take(self, logger: logging.Logger, record: logging.LogRecord) -> bool:
        if record.levelno < self._level or record.name.startswith(CHANNEL_LOGGERS):
            return False
        context = get_current()
        if is_suppressed(context):
            return False
        shown = self._watch_console and shown_by_engine(logger, record)
        taken = snapshot(record, context, self._fields(context), shown=shown)
        self._put(taken, taken[-1])
        return True

    def _fields(self, context: Context) -> Mapping[str, object] | None:
        try:
            fields = self._log_context(context)
            # A copy: the cycle goes on writing to its own.
            return dict(fields) if fields else None
        except Exception:  # noqa: BLE001 - a record without them is better than none
            return None
