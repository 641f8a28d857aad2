# SPDX-License-Identifier: Apache-2.0
"""What records take in memory, by estimate: a constant, and the length of their texts.

Asked on the engine's thread, so nothing is measured. The constants are what the resident memory of
a process grows by for each waiting record, without its texts; ``benchmarks/burst.py`` shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ffe_otel.foundation.room import VALUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link

LOG_LINE: Final = 800
EXTRA: Final = 60
SPAN: Final = 700
_LISTS: Final = 1_800  # of events and links, which most spans never need
_RECORD: Final = 1_200
_PART: Final = 600
_SHORT: Final = 100
LARGE: Final = 1 << 11
"""Bytes of a record from which on the kind of its characters counts."""
_WIDEST: Final = 4
_DEEPEST: Final = 8
_SCALARS: Final = frozenset({int, float, bool, type(None)})


def of_text(text: str) -> int:
    """Bytes of a text, at most: a character outside Latin-1 makes all of them wide."""
    length = len(text)
    return length if length < _SHORT or text.isascii() else length * _WIDEST


def of_values(values: Iterable[Any], depth: int = 0) -> int:
    """Bytes of attribute values."""
    size = 0
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value) if len(value) < _SHORT else of_text(value)
        elif kind not in _SCALARS:
            size += _of_other(value, depth)
    return size


def _of_other(value: Any, depth: int) -> int:
    if isinstance(value, str):
        return of_text(value)
    if isinstance(value, bytes):
        return len(value)
    if depth >= _DEEPEST:
        return VALUE
    if isinstance(value, dict):
        return VALUE * len(value) + of_values((*value, *value.values()), depth + 1)
    if isinstance(value, tuple | list):
        return VALUE * len(value) + of_values(value, depth + 1)
    return VALUE


def of_span(span: ReadableSpan) -> int:
    """Bytes of a span that has ended; one of ours has mostly counted while it took them."""
    # The property makes a view for each call.
    attributes: Mapping[str, Any] | None = getattr(span, "_attributes", None)
    if attributes is None:
        attributes = span.attributes or {}
    size = SPAN + VALUE * len(attributes)
    size += of_values(attributes.values())
    events, links = span.events, span.links
    return size + _of_parts(events, links) if events or links else size


def _of_parts(events: Sequence[Event], links: Sequence[Link]) -> int:
    parts: tuple[Event | Link, ...] = (*events, *links)
    sizes = [_PART + of_values((part.attributes or {}).values()) for part in parts]
    return _LISTS + sum(sizes)


def of_record(record: LogRecord) -> int:
    """Bytes of a log record."""
    attributes = record.attributes or {}
    return _RECORD + VALUE * len(attributes) + of_values((record.body, *attributes.values()))
