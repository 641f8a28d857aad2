# SPDX-License-Identifier: Apache-2.0
"""The same log lines for handlers of one's own, without the capture."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current

from ffe_otel.capture.logs.line import Line
from ffe_otel.capture.logs.reading import read
from ffe_otel.capture.logs.record import snapshot
from ffe_otel.capture.logs.site import Sites
from ffe_otel.correlation import current_correlation_id
from ffe_otel.redaction.records import redact_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ffe_otel.redaction import Redactor


class CorrelationIDFilter(logging.Filter):
    """Puts the correlation id of the current trace on every record, as ``correlation_id``.

    All records of a trace get the same id; outside a trace it is None. A record that
    already has one keeps it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id; lets every record pass."""
        if not hasattr(record, "correlation_id"):
            record.correlation_id = current_correlation_id()
        return True


class JSONFormatter(logging.Formatter):
    """Formats a record as one line of JSON with the keys of ``semconv.LOG_FIELDS``.

    Args:
        redactor: Removes secrets; without one the line holds whatever was logged.
        log_context: Tells agent state, decision id and asset pair of the calling code.
    """

    def __init__(
        self,
        redactor: Redactor | None = None,
        log_context: Callable[[], Mapping[str, object]] | None = None,
    ) -> None:
        super().__init__()
        self._redactor = redactor
        self._log_context = log_context
        self._sites = Sites(self._redact)

    def format(self, record: logging.LogRecord) -> str:
        """Render the record, with its extras, exception and stack."""
        fields = dict(self._log_context()) if self._log_context else None
        found = read(snapshot(record, get_current(), fields))
        return Line(found, self._sites.of(found.snapshot), self._redact(found.content)).json()

    def _redact(self, line: dict[str, Any]) -> dict[str, Any]:
        return line if self._redactor is None else redact_line(line, self._redactor)
