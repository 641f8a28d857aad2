# SPDX-License-Identifier: Apache-2.0
"""Log records by trace, level and text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.semconv.attributes import exception_attributes as exc

from ffe_otel.observe import coerce
from ffe_otel.observe.trace_view import safe_values

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Connection

LEVELS: Final = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "WARNING": 13, "ERROR": 17,
                 "CRITICAL": 21, "FATAL": 21}  # fmt: skip
"""Least OTLP severity number of each level's name."""
_NAMES: Final = ("", "TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which records to list; empty values do not filter. Times are ns since the epoch."""

    trace_id: str = ""
    severity: int = 0
    text: str = ""
    before: int | None = None
    since: int | None = None
    limit: int = 100
    newest_first: bool = True


def list_logs(connection: Connection, wanted: LogFilter) -> tuple[list[dict[str, Any]], str | None]:
    """Records in the order of time, and the ``before`` of the next page or None."""
    conditions, values = ["true"], list[object]()
    for condition, value in (
        ("time_ns < ?", wanted.before),
        ("time_ns >= ?", wanted.since),
        ("trace_id = ?::UUID", wanted.trace_id or None),
        ("severity >= ?", wanted.severity or None),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    for word in wanted.text.lower().split():
        conditions.append("contains(lower(concat_ws(' ', body, logger, event_name, attrs)), ?)")
        values.append(word)
    way = "DESC" if wanted.newest_first else "ASC"
    order = f"ORDER BY time_ns {way}, seen_ns {way}, rowid {way}"
    where = " AND ".join(conditions)
    select = (
        "SELECT time_ns, severity, level, logger, body, attrs, trace_id, span_id, event_name, "
        "service FROM logs"
    )
    found = connection.execute(
        f"{select} WHERE {where} {order} LIMIT ?", [*values, wanted.limit]
    ).fetchall()
    if len(found) < wanted.limit:
        return [_record(*row) for row in found], None
    # Records of the same nanosecond stay on one page, or paging would skip some.
    last = found[-1][0]
    ties = connection.execute(f"{select} WHERE {where} AND time_ns = ? {order}", [*values, last])
    found = [row for row in found if row[0] != last] + ties.fetchall()
    return [_record(*row) for row in found], str(last)


def _record(time_ns: int, severity: int, level: str, logger: str, body: str, attrs: str,
            trace_id: Any, span_id: int | None, event_name: str | None,
            service: str) -> dict[str, Any]:  # fmt: skip
    attributes = safe_values(json.loads(attrs))
    return {
        "unix_nano": str(time_ns),
        "severity": level or _NAMES[min((severity + 3) // 4, len(_NAMES) - 1)],
        "severity_number": severity,
        "logger": logger,
        "service": service,
        "body": body,
        "attributes": {k: v for k, v in attributes.items() if not k.startswith("exception.")},
        "trace_id": trace_id.hex if trace_id else None,
        "span_id": f"{span_id:016x}" if span_id is not None else None,
        "event_name": event_name,
        "exception": _exception(attributes),
    }


def _exception(attributes: dict[str, Any]) -> dict[str, Any] | None:
    found = {
        short: coerce.text(attributes[key])
        for short, key in (
            ("type", exc.EXCEPTION_TYPE),
            ("message", exc.EXCEPTION_MESSAGE),
            ("stacktrace", exc.EXCEPTION_STACKTRACE),
        )
        if key in attributes
    }
    return found or None
