# SPDX-License-Identifier: Apache-2.0
"""Keeps the SDK's own log lines from flooding the engine's log.

A dead endpoint makes the SDK log several lines a batch, for ever. Those of its exporters
are kept back, because :mod:`ffe_otel.export.health` says the same once; of other lines
about the same trouble the first of each kind passes.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from ffe_otel.export.stats import Reason, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.export.stats import ExportStats

# Filters work on the very logger a line was logged with, so all have to be named.
SILENCED: Final = (
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http._common",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)
SAID_ONCE: Final = (
    "opentelemetry.attributes",
    "opentelemetry.sdk._logs._internal.export",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.metrics._internal.export",
    "opentelemetry.sdk.trace.export",
)
QUEUE_FULL: Final = "Queue full, dropping %s."
_SIGNALS: Final = {"Span": Signal.TRACES, "Log": Signal.LOGS}


class LastWords(threading.local):
    """What an exporter last logged on this thread: the reason of a failure."""

    text = ""

    def take(self) -> str:
        """The text, once."""
        text, self.text = self.text, ""
        return text


class _Silence(logging.Filter):
    """Keeps every line back and remembers its text as the reason of the failure."""

    def __init__(self, last_words: LastWords) -> None:
        super().__init__()
        self._last_words = last_words

    def filter(self, record: logging.LogRecord) -> bool:
        self._last_words.text = record.getMessage()
        return False


class _Once(logging.Filter):
    """Lets the first line of each template through, and counts full queues."""

    def __init__(self, stats: ExportStats) -> None:
        super().__init__()
        self._stats = stats
        self._said: set[object] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == QUEUE_FULL and isinstance(record.args, tuple) and record.args:
            signal = _SIGNALS.get(str(record.args[0]))
            if signal is not None:
                self._stats.dropped(signal, Reason.QUEUE_FULL)
        key = (record.name, str(record.msg))
        if key in self._said:
            return False
        self._said.add(key)
        return True


def install(stats: ExportStats, last_words: LastWords) -> Callable[[], None]:
    """Put the filters in place.

    Args:
        stats: gets records that full queues drop.
        last_words: gets what exporters would have logged.

    Returns:
        Takes the filters away again.
    """
    once = _Once(stats)
    silence = _Silence(last_words)
    filters: list[tuple[str, logging.Filter]] = [(name, silence) for name in SILENCED]
    filters += [(name, once) for name in SAID_ONCE]
    for name, each in filters:
        # In front of the SDK's own filter against repetition, or full queues go uncounted.
        logging.getLogger(name).filters.insert(0, each)

    def undo() -> None:
        for name, each in filters:
            logging.getLogger(name).removeFilter(each)

    return undo
