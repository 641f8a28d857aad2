# SPDX-License-Identifier: Apache-2.0
"""Tables of the store, and the columns a journal segment of each signal has.

There is no primary key and no index: an ART index over span ids would outgrow the data
and memory. Rows arrive nearly in time order, so that DuckDB's per-row-group minima and
maxima of the time columns narrow both the check for rows already held and look-ups by
trace, whose time range ``traces`` knows.
"""

from __future__ import annotations

from typing import Final

from ffe_otel.observe.decode import Signal

VERSION: Final = 2
"""Raised with every change of the tables. A store of an earlier version gets the tables and
columns it lacks; what cannot be had by adding (another type, a column gone) needs another
way, or the user's history would be set aside."""

Columns = dict[str, str]

SPANS: Final[Columns] = {
    "trace_id": "UUID",
    "span_id": "UBIGINT",
    "parent_id": "UBIGINT",
    "name": "VARCHAR",
    "kind": "UTINYINT",
    "service": "VARCHAR",
    "scope": "VARCHAR",
    "start_ns": "BIGINT",
    "duration_ns": "BIGINT",
    "status": "UTINYINT",
    "message": "VARCHAR",
    "trace_state": "VARCHAR",
    "attrs": "JSON",
    "events": "JSON",
    "links": "JSON",
    "resource_id": "UBIGINT",
}
LOGS: Final[Columns] = {
    "uid": "UUID",
    "time_ns": "BIGINT",
    "trace_id": "UUID",
    "span_id": "UBIGINT",
    "severity": "UTINYINT",
    "level": "VARCHAR",
    "event_name": "VARCHAR",
    "service": "VARCHAR",
    "logger": "VARCHAR",
    "body": "VARCHAR",
    "attrs": "JSON",
    "resource_id": "UBIGINT",
}
POINTS: Final[Columns] = {
    "series_id": "UBIGINT",
    "time_ns": "BIGINT",
    "start_ns": "BIGINT",
    "value": "DOUBLE",
    "count": "BIGINT",
    "min": "DOUBLE",
    "max": "DOUBLE",
    "buckets": "BIGINT[]",
    "exemplars": "JSON",
}
SERIES: Final[Columns] = {
    "series_id": "UBIGINT",
    "name": "VARCHAR",
    "kind": "VARCHAR",
    "unit": "VARCHAR",
    "description": "VARCHAR",
    "temporality": "VARCHAR",
    "scope": "VARCHAR",
    "service": "VARCHAR",
    "labels": "JSON",
    "bounds": "JSON",
    "resource_id": "UBIGINT",
}
RESOURCES: Final[Columns] = {"resource_id": "UBIGINT", "resource": "JSON"}
TRACES: Final[Columns] = {
    "trace_id": "UUID",
    "first_ns": "BIGINT",
    "last_ns": "BIGINT",
    "spans": "BIGINT",
    "logs": "BIGINT",
    # When its first and its latest row arrived, by the store's own clock.
    "arrived_ns": "BIGINT",
    "seen_ns": "BIGINT",
}
# ``at_ns`` is the start as far as it can be true: a cycle dated in the future, or decades ago,
# stands where it arrived. ``data`` is the row as the API gives it out; the other columns are
# what it is filtered by.
CYCLES: Final[Columns] = {
    "trace_id": "UUID",
    "start_ns": "BIGINT",
    "last_ns": "BIGINT",
    "outcome": "VARCHAR",
    "assets": "VARCHAR[]",
    "errors": "BIGINT",
    "search": "VARCHAR",
    "data": "JSON",
    "at_ns": "BIGINT",
    "seen_ns": "BIGINT",
}
DECISIONS: Final[Columns] = {"decision_id": "VARCHAR", "trace_id": "UUID", "seen_ns": "BIGINT"}

_SEEN: Final[Columns] = {"seen_ns": "BIGINT"}
TABLES: Final[dict[str, Columns]] = {
    "spans": SPANS | _SEEN,
    "logs": LOGS | _SEEN,
    "points": POINTS | _SEEN,
    "series": SERIES,
    "resources": RESOURCES,
    "traces": TRACES,
    "cycles": CYCLES,
    "decisions": DECISIONS,
    "segments": {"name": "VARCHAR"},
    "meta": {"key": "VARCHAR", "value": "VARCHAR"},
}

AHEAD_NS: Final = 300 * 10**9
"""How far a sender's clock may be ahead of ours and still be believed."""
BEHIND_NS: Final = 30 * 86_400 * 10**9
"""How old what arrives may say it is: a spool keeps a week, an outage adds to it."""


def plausible(claimed: str, arrived: str) -> str:
    """SQL for the time that a row claims where that can be true, else for its arrival."""
    return (
        f"CASE WHEN {arrived} IS NULL OR {claimed} BETWEEN {arrived} - {BEHIND_NS} "
        f"AND {arrived} + {AHEAD_NS} THEN {claimed} ELSE {arrived} END"
    )


# A journal row may also describe its resource and series.
SEGMENT_COLUMNS: Final[dict[Signal, Columns]] = {
    Signal.TRACES: SPANS | {"resource": "JSON"},
    Signal.LOGS: LOGS | {"resource": "JSON"},
    Signal.METRICS: POINTS | {"resource_id": "UBIGINT", "resource": "JSON", "series": "JSON"},
}


# What fills added columns of rows that are there already, by the version that has them.
FILLS: Final[dict[int, tuple[str, ...]]] = {
    2: (
        (
            "UPDATE traces SET arrived_ns = n.low, seen_ns = n.high FROM "
            "(SELECT trace_id, min(seen_ns) AS low, max(seen_ns) AS high FROM "
            "(SELECT trace_id, seen_ns FROM spans UNION ALL SELECT trace_id, seen_ns FROM logs) "
            "GROUP BY trace_id) n WHERE traces.trace_id = n.trace_id"
        ),
        (
            "UPDATE cycles SET seen_ns = n.seen_ns, "  # noqa: S608 - our own names
            f"at_ns = {plausible('cycles.start_ns', 'n.arrived_ns')} "
            "FROM traces n WHERE cycles.trace_id = n.trace_id"
        ),
        "UPDATE cycles SET at_ns = start_ns WHERE at_ns IS NULL",
    )
}


class IncompatibleError(Exception):
    """Tables that adding cannot turn into this version's; the text says how they differ."""


def create_statements() -> list[str]:
    """The statements that begin an empty store."""
    statements = [_create(table) for table in TABLES]
    return [*statements, f"INSERT INTO meta VALUES ('version', '{VERSION}')"]  # noqa: S608


def upgrade_statements(version: int, found: dict[str, Columns]) -> list[str]:
    """The statements that make a store of an earlier ``version`` one of this version.

    Args:
        version: of the store.
        found: its tables.

    Raises:
        IncompatibleError: it lacks more than tables and columns.
    """
    statements = []
    for table, columns in TABLES.items():
        held = found.get(table)
        if held is None:
            statements.append(_create(table))
            continue
        for name, kind in columns.items():
            if name not in held:
                statements.append(f'ALTER TABLE {table} ADD COLUMN "{name}" {kind}')
            elif held[name] != kind:
                raise IncompatibleError(f"{table}.{name} is {held[name]} and not {kind}")
    for step in range(version + 1, VERSION + 1):
        statements += FILLS.get(step, ())
    return [*statements, f"UPDATE meta SET value = '{VERSION}' WHERE key = 'version'"]  # noqa: S608


def _create(table: str) -> str:
    inside = ", ".join(f'"{name}" {kind}' for name, kind in TABLES[table].items())
    return f"CREATE TABLE {table} ({inside})"
