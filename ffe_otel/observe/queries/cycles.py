# SPDX-License-Identifier: Apache-2.0
"""Lists of cycles, and which trace an id means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ffe_otel.correlation import trace_id as parse_trace_id

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Connection

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CycleFilter:
    """Which cycles to list; empty values do not filter. ``before`` is a believed start in ns."""

    limit: int = 50
    before: int | None = None
    asset: str = ""
    outcome: str = ""
    errors: bool = False
    text: str = ""


def list_cycles(connection: Connection, wanted: CycleFilter) -> tuple[list[Row], str | None]:
    """Cycles, newest first, and the ``before`` of the next page or None at the end."""
    conditions, values = ["true"], list[object]()
    if wanted.before is not None:
        conditions.append("at_ns < ?")
        values.append(wanted.before)
    if wanted.asset:
        conditions.append("list_contains(assets, ?)")
        values.append(wanted.asset)
    if wanted.outcome:
        conditions.append("coalesce(outcome, 'running') = ?")
        values.append(wanted.outcome)
    if wanted.errors:
        conditions.append("errors > 0")
    for word in wanted.text.lower().split():
        conditions.append("contains(search, ?)")
        values.append(word)
    where = " AND ".join(conditions)
    # Cycles that began in the same nanosecond stay on one page, or paging would skip some.
    found = connection.execute(
        f"SELECT at_ns, data FROM cycles WHERE {where} AND at_ns >= coalesce("  # noqa: S608
        f"(SELECT at_ns FROM cycles WHERE {where} ORDER BY at_ns DESC LIMIT 1 OFFSET ?), 0) "
        "ORDER BY at_ns DESC, trace_id",
        [*values, *values, wanted.limit - 1],
    ).fetchall()
    full = len(found) >= wanted.limit
    return [json.loads(data) for _, data in found], str(found[-1][0]) if full else None


def cycle_row(connection: Connection, trace_id: str) -> Row | None:
    """The row of one cycle, or None for a trace that is no cycle."""
    row = connection.execute(
        "SELECT data FROM cycles WHERE trace_id = ?::UUID", [trace_id]
    ).fetchone()
    return json.loads(row[0]) if row else None


def last_cycle(connection: Connection) -> Row | None:
    """The cycle that began last."""
    row = connection.execute("SELECT data FROM cycles ORDER BY at_ns DESC LIMIT 1").fetchone()
    return json.loads(row[0]) if row else None


def last_cycle_ns(connection: Connection) -> int:
    """When that was by the store's own clock, ns; 0 for none."""
    row = connection.execute("SELECT max(at_ns) FROM cycles").fetchone()
    return int(row[0] or 0)


def resolve(connection: Connection, text: str) -> str | None:
    """The trace id (32 hex digits) that a trace, correlation or decision id stands for."""
    number = parse_trace_id(text)
    if number is not None:
        trace_id = f"{number:032x}"
        if connection.execute(
            "SELECT 1 FROM traces WHERE trace_id = ?::UUID LIMIT 1", [trace_id]
        ).fetchone():
            return trace_id
    row = connection.execute(
        "SELECT trace_id FROM decisions WHERE decision_id = ? ORDER BY seen_ns DESC LIMIT 1", [text]
    ).fetchone()
    return row[0].hex if row else None
