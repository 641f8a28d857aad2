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

VERSION: Final = 1
"""Raised with every change of the tables; a store of another version is set aside."""

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
}
# ``data`` is the row as the API gives it out; the other columns are what it is filtered by.
CYCLES: Final[Columns] = {
    "trace_id": "UUID",
    "start_ns": "BIGINT",
    "last_ns": "BIGINT",
    "outcome": "VARCHAR",
    "assets": "VARCHAR[]",
    "errors": "BIGINT",
    "search": "VARCHAR",
    "data": "JSON",
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

# A journal row may also describe its resource and series.
SEGMENT_COLUMNS: Final[dict[Signal, Columns]] = {
    Signal.TRACES: SPANS | {"resource": "JSON"},
    Signal.LOGS: LOGS | {"resource": "JSON"},
    Signal.METRICS: POINTS | {"resource_id": "UBIGINT", "resource": "JSON", "series": "JSON"},
}


def create_statements() -> list[str]:
    """The statements that begin an empty store."""
    statements = []
    for table, columns in TABLES.items():
        inside = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        statements.append(f"CREATE TABLE {table} ({inside})")
    return [*statements, f"INSERT INTO meta VALUES ('version', '{VERSION}')"]  # noqa: S608
