# SPDX-License-Identifier: Apache-2.0
"""Log records that were made from redacted parts.

They pass through processors, which are anybody's code, on their way to an exporter. So an
exporter has to look whether they are still what they were.
"""

from __future__ import annotations

from typing import Any

from opentelemetry._logs import LogRecord


class SafeLogRecord(LogRecord):
    """A log record that is safe as long as nobody changes it."""

    def __init__(self, **fields: Any) -> None:
        """Take the fields of a log record; all texts in them are redacted."""
        super().__init__(**fields)
        self._known = _content(self)

    @classmethod
    def of(cls, record: LogRecord) -> SafeLogRecord:
        """A record that is redacted as one that knows it."""
        made = object.__new__(cls)
        vars(made).update(vars(record))
        made._known = _content(made)
        return made

    def is_untouched(self, limit: int | None, value_limit: int | None) -> bool:
        """Whether it is as it was made, and no longer than allowed.

        Args:
            limit: characters of a text.
            value_limit: characters of an attribute value.
        """
        content = _content(self)
        if content != self._known:
            return False
        attributes, *texts, _ = content
        return fits(attributes.values(), value_limit) and fits(texts, limit)


def _content(record: LogRecord) -> tuple[Any, ...]:
    attributes: Any = record.attributes or {}
    # The SDK's mapping copies in C what it iterates in Python.
    copied = attributes.copy() if hasattr(attributes, "copy") else dict(attributes)
    return copied, record.body, record.severity_text, record.event_name, record.exception


def fits(values: Any, limit: int | None) -> bool:
    """Whether all are texts within the limit or scalars; what holds others has to be walked."""
    for value in values:
        if isinstance(value, str):
            if limit is not None and len(value) > limit:
                return False
        elif value is not None and not isinstance(value, int | float):
            return False
    return True
