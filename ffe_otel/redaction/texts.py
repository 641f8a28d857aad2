# SPDX-License-Identifier: Apache-2.0
"""The texts of records that are about to be redacted, for screening them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan


def span_texts(spans: Iterable[ReadableSpan]) -> Iterator[str]:
    """Names and attribute values of spans and their events; nested values are left out."""
    for span in spans:
        yield span.name
        yield from texts_of(span.attributes)
        for event in span.events:
            yield from texts_of(event.attributes)


def log_texts(records: Iterable[ReadableLogRecord]) -> Iterator[str]:
    """Bodies and attribute values of log records; nested values are left out."""
    for record in records:
        body = record.log_record.body
        if isinstance(body, str):
            yield body
        yield from texts_of(record.log_record.attributes)


def texts_of(attributes: Mapping[str, object] | None) -> list[str]:
    """The values that are texts."""
    if not attributes:
        return []
    # The SDK's mappings copy in C what they iterate in Python.
    copy = getattr(attributes, "copy", None)
    values = attributes.values() if copy is None else copy().values()
    return [value for value in values if type(value) is str]
