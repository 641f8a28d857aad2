# SPDX-License-Identifier: Apache-2.0
"""Which of the engine's log handlers are redacted."""

from __future__ import annotations

import io
import logging
import logging.handlers
from typing import TYPE_CHECKING, Final

from ffe_otel.capture.streams import stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.capture.streams import Consoles

_MOST_KINDS: Final = 256
# They keep records, or hand them to another handler, which is asked for itself.
_UNTOUCHED: Final = (
    logging.NullHandler,
    logging.handlers.QueueHandler,
    logging.handlers.MemoryHandler,
)
# What tests and telemetry (ours, too) see is not printed.
_FOREIGN: Final = frozenset({"_pytest", "unittest", "opentelemetry", "ffe_otel"})


class Coverage:
    """Whether what a handler writes passes redaction.

    Args:
        consoles: tells consoles from other streams.
        everything: whether handlers count that write elsewhere.
    """

    def __init__(self, consoles: Consoles, *, everything: bool) -> None:
        self._consoles = consoles
        self._everything = everything
        self._kinds: dict[type, bool] = {}
        self._over = False

    def end(self) -> None:
        """From now on nothing does; somebody may have kept what looks here."""
        self._over = True

    def __contains__(self, handler: logging.Handler) -> bool:
        """Never raises; in doubt it does."""
        if self._over:
            return False
        kind = type(handler)
        wanted = self._kinds.get(kind)
        if wanted is None:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            wanted = self._kinds[kind] = _is_printing(kind)
        if not wanted:
            return False
        try:
            stream = stream_of(handler)
            if stream in self._consoles:
                return True
            return self._everything and not isinstance(stream, io.StringIO | io.BytesIO)
        except Exception:  # noqa: BLE001 - the handler is the engine's, so are its properties
            return True


def _is_printing(kind: type) -> bool:
    if issubclass(kind, _UNTOUCHED):
        return False
    return not any(package in _FOREIGN for package in _packages(kind))


def _packages(kind: type) -> Iterator[str]:
    return (str(each.__module__).partition(".")[0] for each in kind.__mro__)
