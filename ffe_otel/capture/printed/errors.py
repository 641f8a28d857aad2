# SPDX-License-Identifier: Apache-2.0
"""Tracebacks that Python and logging write to standard error.

Each is looked at as a text first. Where nothing in it is secret, whoever wrote it so far
writes it again; only otherwise it is written from here.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import sys
import threading
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ffe_otel.capture.printed.screen import FAILED, LONGEST_REPORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ffe_otel.capture.printed.screen import Screen
    from ffe_otel.export.patching import Patches

_CONVERSION: Final = re.compile(
    r"%(?:\([^()\n]{0,64}\))?[-#0 +]{0,5}[0-9*]{0,8}(?:\.[0-9*]{0,8})?[hlL]?[A-Za-z]"
)
# Public is only what replaces it, which does not get all that it does.
_SHOW_WARNING: Final = "_showwarnmsg_impl"
_Told: TypeAlias = tuple[str, str]
"""A text to look at, and the one to write without its secrets, should there be any."""


def patch_error_reports(patches: Patches, screen: Screen) -> None:
    """Let what logging says of a handler that failed pass redaction."""
    original = logging.Handler.handleError

    @functools.wraps(original)
    def handleError(self: logging.Handler, record: logging.LogRecord) -> None:  # noqa: N802
        if patches.active and logging.raiseExceptions:
            shown = _instead(screen, "--- Logging error ---", lambda: _report(record))
            if shown is not None:
                _write(shown)
                return
        original(self, record)

    patches.replace(logging.Handler, "handleError", handleError)


def patch_uncaught(patches: Patches, screen: Screen) -> None:
    """Let Python's own reports of uncaught exceptions pass redaction.

    Where somebody has put a hook of his own it is his.
    """
    if sys.excepthook is sys.__excepthook__:
        patches.replace(sys, "excepthook", _excepthook(sys.excepthook, patches, screen))
    for owner, name in ((threading, "excepthook"), (sys, "unraisablehook")):
        hook = getattr(owner, name)
        if hook is getattr(owner, f"__{name}__"):
            patches.replace(owner, name, _by_argument(hook, patches, screen))


def patch_warnings(patches: Patches, screen: Screen) -> None:
    """Let Python's own reports of warnings pass redaction, where it has the function for them.

    Where somebody has put another way to show them (or :func:`logging.captureWarnings` has),
    this function is not asked.
    """
    original = getattr(warnings, _SHOW_WARNING, None)
    if original is None:
        return

    @functools.wraps(original)
    def show(told: warnings.WarningMessage) -> None:
        shown = None
        if patches.active and told.file in {None, sys.stderr, sys.stdout}:
            shown = _instead(screen, told.category.__qualname__, lambda: _warning(told))
        if shown is None:
            original(told)
        else:
            _write(shown, told.file)

    patches.replace(warnings, _SHOW_WARNING, show)


def _warning(told: warnings.WarningMessage) -> _Told:
    # What Python makes of it is a text of its own; here, too, without where it was allocated.
    text = warnings.formatwarning(
        told.message, told.category, told.filename, told.lineno, told.line
    )
    return text, text


def _excepthook(
    original: Callable[..., Any], patches: Patches, screen: Screen
) -> Callable[..., Any]:
    @functools.wraps(original)
    def excepthook(
        kind: type[BaseException], error: BaseException, tb: TracebackType | None
    ) -> None:
        shown = None
        if patches.active:
            shown = _instead(screen, kind.__qualname__, lambda: _traceback(kind, error, tb))
        if shown is None:
            original(kind, error, tb)
        else:
            _write(shown)

    return excepthook


def _by_argument(
    original: Callable[..., Any], patches: Patches, screen: Screen
) -> Callable[..., Any]:
    """For hooks that get one object that tells all."""

    @functools.wraps(original)
    def hook(told: Any, /) -> None:
        kind = told.exc_type
        shown = None
        if patches.active and kind is not SystemExit:  # of which nothing is said
            shown = _instead(screen, kind.__qualname__, lambda: _told(told))
        if shown is None:
            original(told)
        else:
            _write(shown)

    return hook


def _told(told: Any) -> _Told:
    thread = getattr(told, "thread", None)
    if thread is not None:
        head = f"Exception in thread {thread.name}:"
    else:
        message = getattr(told, "err_msg", None) or "Exception ignored in"
        head = f"{message}: {getattr(told, 'object', None)!r}"
    return _traceback(told.exc_type, told.exc_value, told.exc_traceback, f"{head}\n")


def _traceback(
    kind: type[BaseException],
    error: BaseException | None,
    tb: TracebackType | None,
    head: str = "",
) -> _Told:
    text = head + "".join(traceback.format_exception(kind, error, tb))
    return text, text


def _report(record: logging.LogRecord) -> _Told:
    head = (
        f"--- Logging error ---\n{traceback.format_exc()}"
        f"Call stack:\n{''.join(traceback.format_stack())}"
    )
    filled = f"{head}Message: {_filled(record.msg, record.args)!r}\n"
    # An argument alone has no name that says what it is.
    return f"{filled}Message: {record.msg!r}\nArguments: {record.args}\n", filled


def _filled(message: object, arguments: object) -> str:
    """A message with its arguments, of which there may be too few or too many."""
    left = list(arguments) if isinstance(arguments, tuple) else [arguments] if arguments else []
    filled = _CONVERSION.sub(lambda found: str(left.pop(0)) if left else found[0], str(message))
    return " ".join((filled, *map(str, left)))


def _instead(screen: Screen, head: str, tell: Callable[[], _Told]) -> str | None:
    """What is to be written instead; None where nothing is secret in what is told."""
    unknown = f"{head} {FAILED}\n"
    try:
        told, instead = tell()
        safe = screen.text(told, LONGEST_REPORT)
        return None if safe == told else screen.text(instead, LONGEST_REPORT) or unknown
    except Exception:  # noqa: BLE001 - what cannot be told cannot be known to be harmless
        return unknown


def _write(text: str, to: Any = None) -> None:
    stream = sys.stderr if to is None else to
    if stream is not None:
        with contextlib.suppress(Exception):
            stream.write(text)
            stream.flush()
