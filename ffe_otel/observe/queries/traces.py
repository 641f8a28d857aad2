# SPDX-License-Identifier: Apache-2.0
"""One whole trace with its logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ffe_otel import semconv
from ffe_otel.correlation import correlation_id
from ffe_otel.observe import trace_view
from ffe_otel.observe.coerce import MAX_SAFE
from ffe_otel.observe.queries.cycles import cycle_row, resolve
from ffe_otel.observe.queries.logs import LogFilter, list_logs

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Connection

MAX_LOGS = 5000
"""Log records a trace view shows; the rest is found by the log query."""


def get_trace(connection: Connection, text: str) -> dict[str, Any] | None:
    """The trace that an id stands for as the API gives it out, or None."""
    trace_id = resolve(connection, text)
    if trace_id is None:
        return None
    times = connection.execute(
        "SELECT first_ns, last_ns FROM traces WHERE trace_id = ?::UUID", [trace_id]
    ).fetchone()
    if times is None:
        return None
    first, last = times
    spans = _spans(connection, trace_id, first)
    logs, _ = list_logs(
        connection, LogFilter(trace_id=trace_id, limit=MAX_LOGS, since=first, newest_first=False)
    )
    cycle = cycle_row(connection, trace_id)
    running = cycle is not None and cycle["state"] == "running"
    rows = trace_view.rows(spans, started=_started(logs), running=running, last_ns=max(last, first))
    begin = int(rows[0]["start_unix_nano"]) if rows else first
    begin = min([begin, *(int(r["start_unix_nano"]) for r in rows)])
    end = max((int(r["start_unix_nano"]) + r["duration_ns"] for r in rows), default=last)
    for log in logs:
        log["offset_ns"] = max(-MAX_SAFE, min(int(log["unix_nano"]) - begin, MAX_SAFE))
    return {
        "trace_id": trace_id,
        "correlation_id": correlation_id(int(trace_id, 16)),
        "cycle": cycle,
        "start_unix_nano": str(begin),
        "duration_ns": min(end - begin, MAX_SAFE),
        "spans": rows,
        "logs": logs,
    }


def _spans(connection: Connection, trace_id: str, first: int) -> list[trace_view.Span]:
    rows = connection.execute(
        "SELECT span_id, parent_id, name, kind, service, scope, start_ns, duration_ns, status, "
        "coalesce(message, ''), attrs, events, links FROM spans "
        "WHERE trace_id = ?::UUID AND start_ns >= ? ORDER BY start_ns",
        [trace_id, first],
    ).fetchall()
    return [_span(*row) for row in rows]


def _span(
    span_id: int, parent_id: int | None, name: str, kind: int, service: str, scope: str,
    start_ns: int, duration_ns: int, status: int, message: str, attrs: str, events: str | None,
    links: str | None,
) -> trace_view.Span:  # fmt: skip
    return trace_view.Span(
        span_id, parent_id, name, kind, service, scope, start_ns, duration_ns, status, message,
        json.loads(attrs), json.loads(events or "[]"), json.loads(links or "[]"),
    )  # fmt: skip


def _started(logs: list[dict[str, Any]]) -> trace_view.Span | None:
    """The root as a cycle's start event announces it before the span itself arrives."""
    for log in logs:
        if log["event_name"] == semconv.EVENT_CYCLE_STARTED and log["span_id"]:
            return trace_view.Span(
                int(log["span_id"], 16), None, semconv.SPAN_CYCLE, 1, log["service"],
                log["logger"], int(log["unix_nano"]), 0, 0, "", log["attributes"], [], [],
            )  # fmt: skip
    return None
