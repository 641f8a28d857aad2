# SPDX-License-Identifier: Apache-2.0
"""Event records as points of InfluxDB, by the table in ``semconv.EVENT_RECORDS``.

A field's type is frozen in each shard by the first point that has it, so it is always
written out. The time is the event's own: a point that is written twice is one point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.semconv import EventRecord

_INT64: Final = 2**63
_MEASUREMENT: Final = str.maketrans({",": r"\,", " ": r"\ "})
_KEY: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
# Line protocol has no escape for these, and a tag's last backslash would escape the comma.
_UNWRITABLE: Final = str.maketrans({"\n": " ", "\r": " ", "\t": " ", "\\": "/", "\0": " "})


class BadPointError(ValueError):
    """An event that is no point; the text says why."""


@dataclass(frozen=True, slots=True)
class Point:
    """One row of a measurement.

    Attributes:
        measurement: its name.
        tags: indexed strings; empty ones are left out, as InfluxDB has no such thing.
        fields: values by name, ``int`` or ``float``.
        time_ns: nanoseconds since 1970.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, int | float]
    time_ns: int

    def line(self) -> str:
        """The point in InfluxDB's line protocol, tags in the order that it indexes fastest."""
        head = [self.measurement.translate(_MEASUREMENT)]
        head += [
            f"{key.translate(_KEY)}={value.translate(_UNWRITABLE).translate(_KEY)}"
            for key, value in sorted(self.tags.items())
        ]
        fields = ",".join(
            f"{key.translate(_KEY)}={_field(value)}" for key, value in self.fields.items()
        )
        return f"{','.join(head)} {fields} {self.time_ns}"


def to_point(record: EventRecord, attributes: Mapping[str, Any], time_ns: int) -> Point:
    """Map an event to a point.

    Args:
        record: what the measurement is made of.
        attributes: the event's attributes; others than the record's are left out, and numbers
            that redaction has hidden.
        time_ns: the event's time.

    Raises:
        BadPointError: the event has none of the fields, or one that is no number.
    """
    fields = {
        name: _number(name, attributes[name], kind)
        for name, kind in record.fields.items()
        if attributes.get(name) is not None and not _is_hidden(attributes[name])
    }
    if not fields:
        raise BadPointError(f"an event {record.name} without any of {', '.join(record.fields)}")
    tags = {name: str(attributes[name]) for name in record.tags if attributes.get(name)}
    return Point(record.name, tags, fields, time_ns)


def _is_hidden(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("[redacted:")


def _number(name: str, value: Any, kind: type[int | float]) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise BadPointError(f"field {name} is {str(value)[:40]!r}, which is no number")
    if kind is float:
        return number
    whole = value if isinstance(value, int) else round(number)
    if not -_INT64 <= whole < _INT64:
        raise BadPointError(f"field {name} is {whole}, which 64 bits cannot hold")
    return whole


def _field(value: float) -> str:
    return f"{value}i" if isinstance(value, int) else repr(value)
