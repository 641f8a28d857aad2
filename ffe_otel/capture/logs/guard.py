# SPDX-License-Identifier: Apache-2.0
"""What must not be taken: our own work, and a record that is already being handled."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation

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


def _suppressed() -> Context:
    """A context that holds nothing but the request not to instrument."""
    token = attach(Context())
    try:
        with suppress_instrumentation():
            return get_current()
    finally:
        detach(token)


# Our own work runs in this context, so that what it calls is not recorded in turn. Its keys
# are how others mark their own work; OpenTelemetry gives them no public name.
OWN_CONTEXT: Final = _suppressed()
_SUPPRESSION_KEYS: Final = frozenset(OWN_CONTEXT)


def is_suppressed(context: Context) -> bool:
    """Whether somebody asked for no instrumentation in a context."""
    # Almost always nobody did, and that is the cheap answer.
    return not _SUPPRESSION_KEYS.isdisjoint(context) and any(map(context.get, _SUPPRESSION_KEYS))


class Marks:
    """What is known about one thread: whether it is at our own work, the record it handles.

    ``taken`` is whether that record was taken.
    """

    __slots__ = ("busy", "record", "taken")

    def __init__(self) -> None:
        self.busy = False
        self.record: logging.LogRecord | None = None
        self.taken = False


class Guard(threading.local):
    """Per thread: whether we are at work ourselves, and the record being handled.

    Rendering an argument may log, and so may an exporter; a record that came from our own
    work would come back as more work. A handler of the engine may hand its record on to
    another logger; it is still the same record.
    """

    def __init__(self) -> None:
        self.marks = Marks()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Mark this thread as doing our own work."""
        marks = self.marks
        before, marks.busy = marks.busy, True
        token = attach(OWN_CONTEXT)
        try:
            yield
        finally:
            detach(token)
            marks.busy = before
