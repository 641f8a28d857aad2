# SPDX-License-Identifier: Apache-2.0
"""Rich's handler draws tracebacks itself, past its own formatting."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.capture.printed.coverage import Coverage
    from ffe_otel.capture.printed.screen import Screen
    from ffe_otel.export.patching import Patches

_MODULE: Final = "rich.logging"


def patch_rich(patches: Patches, coverage: Coverage, screen: Screen) -> None:
    """Let records with a traceback go out as text where something in them is secret.

    Applies as soon as the program imports rich's handler.
    """
    active = [patches]

    def imported(module: Any) -> None:
        for one in active:
            kind = module.RichHandler
            one.replace(kind, "emit", _emitting(kind.emit, coverage, screen))

    # A hook of wrapt's cannot be taken back.
    wrapt.register_post_import_hook(imported, _MODULE)
    patches.callback(active.clear)


def _emitting(original: Callable[..., None], coverage: Coverage, screen: Screen) -> Any:
    @functools.wraps(original)
    def emit(self: Any, record: logging.LogRecord) -> None:
        if record.exc_info and self.rich_tracebacks and self in coverage:
            text = logging.Formatter().format(record)
            safe = screen.line(text, record)
            if safe != text or self.tracebacks_show_locals:
                plain = {"msg": safe, "args": None, "exc_info": None, "exc_text": None}
                record = logging.makeLogRecord({**record.__dict__, **plain, "stack_info": None})
        original(self, record)

    return emit
