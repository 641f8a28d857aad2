# SPDX-License-Identifier: Apache-2.0
"""Exceptions as plain data: type, message, frames, causes.

Walking the traceback costs a few microseconds where formatting it costs hundreds, reads
no source file, keeps no local variable alive and lets nothing of them into the log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.capture.logs.freeze import text_of

if TYPE_CHECKING:
    from types import TracebackType

MAX_FAILURES: Final = 16
_OUTER_FRAMES: Final = 16
_INNER_FRAMES: Final = 48
_WALK_LIMIT: Final = 5000

_STACK_LINE: Final = re.compile(
    r'^  File "([^"\n]{1,4096})", line (\d{1,9}), in ([^\n]{1,512})$', re.MULTILINE
)


# One level of a call stack: file, line, function. A plain tuple, because it is built in a
# third of the time, many times an exception.
Frame = tuple[str, int, str]


class Failure(NamedTuple):
    """An exception as it was when it was logged.

    ``frames`` run from the outermost call to where it was raised; ``omitted`` counts
    frames left out of the middle of a very deep stack. ``cause`` is what it was raised
    from, ``context`` what was being handled when it was raised, ``members`` what an
    exception group holds.
    """

    type: str
    message: str
    frames: tuple[Frame, ...] = ()
    omitted: int = 0
    notes: tuple[str, ...] = ()
    cause: Failure | None = None
    context: Failure | None = None
    members: tuple[Failure, ...] = ()


def failure_of(exc_info: object, exc_text: object = None) -> Failure | None:
    """Read the exception of a log record.

    Args:
        exc_info: ``LogRecord.exc_info``; normally a triple or None.
        exc_text: ``LogRecord.exc_text``; what is left of the exception in a record that
            came from another process.

    Returns:
        The exception, or None when the record has none.
    """
    if (
        isinstance(exc_info, tuple)
        and len(exc_info) == 3
        and isinstance(exc_info[1], BaseException)
    ):
        return _failure(exc_info[1], exc_info[2], {id(exc_info[1])})
    if isinstance(exc_info, BaseException):
        return _failure(exc_info, exc_info.__traceback__, {id(exc_info)})
    if isinstance(exc_text, str) and exc_text:
        return _parsed(exc_text)
    return None


def frames_of(stack_info: str) -> tuple[Frame, ...]:
    """Read the frames out of ``LogRecord.stack_info``, a text that logging has formatted."""
    return tuple((match[1], int(match[2]), match[3]) for match in _STACK_LINE.finditer(stack_info))


def _failure(error: BaseException, traceback: object, seen: set[int]) -> Failure:
    frames, omitted = _walk(traceback)
    notes = getattr(error, "__notes__", None)
    return Failure(
        type=_type_name(error),
        message=text_of(error),
        frames=frames,
        omitted=omitted,
        notes=tuple(text_of(note) for note in notes[:MAX_FAILURES])
        if isinstance(notes, list)
        else (),
        cause=_linked(error.__cause__, seen),
        context=None if error.__suppress_context__ else _linked(error.__context__, seen),
        members=_members(error, seen),
    )


def _linked(error: BaseException | None, seen: set[int]) -> Failure | None:
    # A chain may be a ring, or as long as a retry loop has run.
    if error is None or id(error) in seen or len(seen) >= MAX_FAILURES:
        return None
    seen.add(id(error))
    return _failure(error, error.__traceback__, seen)


def _members(error: BaseException, seen: set[int]) -> tuple[Failure, ...]:
    if not isinstance(error, BaseExceptionGroup):
        return ()
    found = (_linked(member, seen) for member in error.exceptions[:MAX_FAILURES])
    return tuple(failure for failure in found if failure is not None)


def _type_name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ in {"builtins", "__main__"}:
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _walk(traceback: object) -> tuple[tuple[Frame, ...], int]:
    """Collect frames; of a runaway recursion only both ends."""
    levels: list[TracebackType] = []
    current: TracebackType | None = traceback  # type: ignore[assignment]
    while current is not None and len(levels) < _WALK_LIMIT:
        levels.append(current)
        current = current.tb_next
    omitted = max(0, len(levels) - _OUTER_FRAMES - _INNER_FRAMES)
    if omitted:
        del levels[_OUTER_FRAMES:-_INNER_FRAMES]
    frames = []
    for level in levels:
        code = level.tb_frame.f_code
        frames.append((code.co_filename, level.tb_lineno or 0, code.co_qualname))
    return tuple(frames), omitted


def _parsed(exc_text: str) -> Failure:
    """Make the best of an exception that arrived as formatted text."""
    last = exc_text.rstrip().rsplit("\n", 1)[-1]
    kind, separator, message = last.partition(": ")
    if separator and " " not in kind:
        return Failure(kind, message, frames_of(exc_text))
    return Failure("Exception", last, frames_of(exc_text))
