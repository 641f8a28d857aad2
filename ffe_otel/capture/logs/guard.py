# SPDX-License-Identifier: Apache-2.0
"""What must not be taken: our own work, and a record that is already being handled."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

# These loggers speak about the very channel a record would travel through.
CHANNEL_LOGGERS: Final = (
    "opentelemetry.sdk._logs",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.exporter",
    "opentelemetry.attributes",
    "ffe_otel.export",
    "ffe_otel.redaction",
    "ffe_otel.capture.logs",
)


class Guard(threading.local):
    """Per thread: whether we are at work ourselves, and the record being handled.

    Rendering an argument may log, and so may an exporter; a record that came from our own
    work would come back as more work. A handler of the engine may hand its record on to
    another logger; it is still the same record.
    """

    busy: bool = False
    record: logging.LogRecord | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Mark this thread as doing our own work."""
        before, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = before
