# SPDX-License-Identifier: Apache-2.0
"""Seams in logging's handler classes, behind a handler's own formatting.

Two of them see nearly everything: ``Handler.format``, which whoever writes an ``emit`` calls,
and ``StreamHandler.emit``, which whoever overrides ``format`` leaves alone. They are of the
classes, so handlers of all ages are affected, however they came to be. What a record holds is
never changed: other handlers see it as it was.
"""

from __future__ import annotations

import functools
import logging
import logging.handlers
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.capture.printed.screen import FAILED, skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ffe_otel.capture.printed.coverage import Coverage
    from ffe_otel.capture.printed.screen import Screen
    from ffe_otel.export.patching import Patches


# Numbers of logging's own, and what is looked at as a message or a traceback.
_SETTLED: Final = frozenset(
    {"msg", "args", "exc_info", "exc_text", "levelno", "lineno", "process", "thread"}
    | {"created", "msecs", "relativeCreated"}
)


def patch_handlers(patches: Patches, coverage: Coverage, screen: Screen) -> None:
    """Let what handlers write pass redaction."""
    handler, stream = logging.Handler, logging.StreamHandler
    patches.replace(handler, "format", _formatting(handler.format, coverage, screen))
    patches.replace(stream, "emit", _emitting(stream.emit, coverage, screen))


def patch_senders(patches: Patches, coverage: Coverage, screen: Screen) -> None:
    """Let what leaves by other ways than ``format`` pass redaction.

    These make pickles, mappings and subjects of a record's parts, subclasses their own.
    """
    for kind in (
        logging.handlers.SocketHandler,
        logging.handlers.SMTPHandler,
        logging.handlers.HTTPHandler,
    ):
        patches.replace(kind, "emit", _sending(vars(kind)["emit"], coverage, screen))


def _formatting(original: Callable[..., Any], coverage: Coverage, screen: Screen) -> Any:
    line = screen.line

    @functools.wraps(original)
    def format(self: logging.Handler, record: logging.LogRecord) -> Any:  # noqa: A001 - its name
        formatted = original(self, record)
        return line(formatted, record) if self in coverage else formatted

    return format


def _emitting(original: Callable[..., None], coverage: Coverage, screen: Screen) -> Any:
    line = screen.line

    @functools.wraps(original)
    def emit(self: logging.StreamHandler[Any], record: logging.LogRecord) -> None:
        if self not in coverage:
            original(self, record)
            return
        # As logging does it; what `format` gives may be anybody's.
        try:
            text = line(self.format(record), record)
            self.stream.write(text + self.terminator)
            self.flush()
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - as logging does it
            self.handleError(record)

    return emit


def _sending(original: Callable[..., None], coverage: Coverage, screen: Screen) -> Any:
    @functools.wraps(original)
    def emit(self: logging.Handler, record: logging.LogRecord) -> None:
        safe = record
        if self in coverage:
            try:
                safe = safe_copy(self, record, screen)
            except Exception:  # noqa: BLE001 - fails closed, whatever the reason
                safe = unknown_copy(record)
        original(self, safe)

    return emit


def safe_copy(
    handler: logging.Handler, record: logging.LogRecord, screen: Screen
) -> logging.LogRecord:
    """The record itself, or a copy without what is secret in it."""
    changed = dict(_changed(handler, record, screen))
    if not changed:
        return record
    return logging.makeLogRecord({**record.__dict__, **changed})


def unknown_copy(record: logging.LogRecord) -> logging.LogRecord:
    """What may go out of a record that cannot be looked at."""
    known = {name: getattr(record, name, None) for name in ("levelno", "levelname", "created")}
    return logging.makeLogRecord({**known, "msg": skeleton(record, FAILED, "")})


def _changed(
    handler: logging.Handler, record: logging.LogRecord, screen: Screen
) -> Mapping[str, object]:
    changed: dict[str, object] = {}
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - the arguments are the engine's, so is their __str__
        message = f"{record.msg!r} {record.args!r}"
    safe = screen.line(message, record)
    # An argument without its message has no name that says what it is.
    if safe != message:
        changed |= {"msg": safe, "args": None}
    if record.exc_info or record.exc_text:
        text = record.exc_text or _traceback_of(handler, record)
        shown = screen.line(text, record)
        if shown != text:
            changed |= {"exc_info": None, "exc_text": shown}
    for key, value in record.__dict__.items():
        if value is not None and key not in _SETTLED:
            kept = screen.value(key, value)
            if kept is not value:
                changed[key] = kept
    return changed


def _traceback_of(handler: logging.Handler, record: logging.LogRecord) -> str:
    formatter = handler.formatter or logging.Formatter()
    exc_info = record.exc_info
    return formatter.formatException(exc_info) if isinstance(exc_info, tuple) else ""
