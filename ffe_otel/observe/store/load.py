# SPDX-License-Identifier: Apache-2.0
"""One store transaction: rows of journal segments into the tables, each held once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.observe import coerce
from ffe_otel.observe.decode import Signal
from ffe_otel.observe.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ffe_otel.observe.journal import Segment
    from ffe_otel.observe.store.database import Connection

_TABLES: Final = {Signal.TRACES: "spans", Signal.LOGS: "logs", Signal.METRICS: "points"}
_TIME: Final = {Signal.TRACES: "start_ns", Signal.LOGS: "time_ns", Signal.METRICS: "time_ns"}
_KEYS: Final[dict[Signal, tuple[str, ...]]] = {
    Signal.TRACES: ("trace_id", "span_id"),
    Signal.LOGS: ("uid",),
    Signal.METRICS: ("series_id", "time_ns"),
}
_ARRIVED: Final = "coalesce(getvariable('arrived_ns'), epoch_ns(get_current_timestamp()))"
_SMALLEST_LINE_LIMIT: Final = 4 * 1024**2


@dataclass(slots=True)
class Loaded:
    """What a transaction brought.

    Attributes:
        rows: new rows by signal.
        traces: ids (32 hex digits) of traces that got spans or logs.
        cycles: those of them that are or became cycles.
        series: identities of the series that were described.
        resources: identities of the resources that were described.
    """

    rows: dict[Signal, int] = field(default_factory=lambda: dict.fromkeys(Signal, 0))
    traces: set[str] = field(default_factory=set)
    cycles: set[str] = field(default_factory=set)
    series: set[int] = field(default_factory=set)
    resources: set[int] = field(default_factory=set)


def arrive(connection: Connection, now_ns: int) -> None:
    """Let rows that are loaded from here on arrive at that time, by the store's own clock.

    Each gets a nanosecond of its own from there, in the order of the journal.
    """
    connection.execute(f"SET VARIABLE arrived_ns = {now_ns}::BIGINT")


def load_segments(connection: Connection, segments: Sequence[Segment]) -> Loaded:
    """Insert the rows of ``segments`` that are not held yet and record the segments.

    Runs in the caller's transaction. Without ``arrive`` they arrive by the machine's clock.
    """
    loaded = Loaded()
    for signal in Signal:
        mine = [s for s in segments if s.signal is signal]
        if mine:
            _load_signal(connection, signal, mine, loaded)
    names = [s.path.name for s in segments]
    connection.execute("INSERT INTO segments (name) SELECT unnest(?::VARCHAR[])", [names])
    return loaded


def recorded_segments(connection: Connection) -> set[str]:
    """Names of the segments that were loaded and may not have been deleted yet."""
    return {row[0] for row in connection.execute("SELECT name FROM segments").fetchall()}


def forget_segments(connection: Connection, keep: Iterable[str] = ()) -> None:
    """Drop the records of segments that are deleted."""
    connection.execute(
        "DELETE FROM segments WHERE NOT list_contains(?::VARCHAR[], name)", [list(keep)]
    )


def insert_rows(
    connection: Connection, table: str, columns: schema.Columns, rows: Sequence[dict[str, Any]]
) -> None:
    """Insert a few rows through one JSON parameter; ``executemany`` is slower by far."""
    if rows:
        names = ", ".join(f'"{name}"' for name in columns)
        connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM "  # noqa: S608 - our own names
            "(SELECT unnest(row) FROM (SELECT unnest(from_json(?::JSON, ?)) AS row))",
            [coerce.dumps(rows), json.dumps([columns])],
        )


def _load_signal(
    connection: Connection, signal: Signal, segments: Sequence[Segment], loaded: Loaded
) -> None:
    table, time_column, keys = _TABLES[signal], _TIME[signal], ", ".join(_KEYS[signal])
    longest = max(_SMALLEST_LINE_LIMIT, max(s.longest for s in segments) + 1024)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM ("  # noqa: S608 - our own names
        f"SELECT *, {_ARRIVED} + row_number() OVER () AS seen_ns FROM read_json(?, "
        f"format = 'newline_delimited', columns = {schema.SEGMENT_COLUMNS[signal]}, "
        f"maximum_object_size = {longest})) "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {time_column}) = 1",
        [[str(s.path) for s in segments]],
    )
    low, high = _one(connection, f"SELECT min({time_column}), max({time_column}) FROM raw")  # noqa: S608
    columns = ", ".join(f'"{name}"' for name in schema.TABLES[table])
    # The same row sent again has the same time, so that only row groups of that time are read.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT {columns} FROM raw ANTI JOIN "  # noqa: S608
        f"(SELECT {keys} FROM {table} WHERE {time_column} BETWEEN {low or 0} AND {high or 0}) "
        f"USING ({keys})"
    )
    connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM fresh")  # noqa: S608
    loaded.rows[signal] += int(_one(connection, "SELECT count(*) FROM fresh")[0])
    _describe(connection, signal, loaded)
    if signal is not Signal.METRICS:
        _touch_traces(connection, signal, loaded)


def _describe(connection: Connection, signal: Signal, loaded: Loaded) -> None:
    """Take over descriptions of resources and series that travelled with the rows."""
    loaded.resources |= _ids(
        connection,
        "INSERT INTO resources (resource_id, resource) "
        "SELECT resource_id, any_value(resource) FROM raw "
        "WHERE resource IS NOT NULL AND resource_id NOT IN (SELECT resource_id FROM resources) "
        "GROUP BY resource_id",
        "SELECT DISTINCT resource_id FROM raw WHERE resource IS NOT NULL",
    )
    if signal is not Signal.METRICS:
        return
    shape = json.dumps({k: v for k, v in schema.SERIES.items() if k != "series_id"})
    described = [name for name in schema.SERIES if name != "series_id"]
    names = ", ".join(f"d.{name}" for name in described)
    loaded.series |= _ids(
        connection,
        f"INSERT INTO series (series_id, {', '.join(described)}) "  # noqa: S608 - our own names
        f"SELECT series_id, {names} FROM "
        f"(SELECT series_id, from_json(any_value(series), '{shape}') AS d FROM raw "
        "WHERE series IS NOT NULL AND series_id NOT IN (SELECT series_id FROM series) "
        "GROUP BY series_id)",
        "SELECT DISTINCT series_id FROM raw WHERE series IS NOT NULL",
    )


def _touch_traces(connection: Connection, signal: Signal, loaded: Loaded) -> None:
    """Keep time range and counts of the traces that got rows, and find the cycles."""
    if signal is Signal.TRACES:
        end, counts, marker = "start_ns + duration_ns", "count(*), 0", "name"
        wanted = semconv.SPAN_CYCLE
    else:
        end, counts, marker = "time_ns", "0, count(*)", "event_name"
        wanted = semconv.EVENT_CYCLE_STARTED
    begin = _TIME[signal]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT trace_id, min({begin}) AS first_ns, "  # noqa: S608
        f"max({end}) AS last_ns, {counts.split(',', maxsplit=1)[0]} AS spans, "
        f"{counts.split(',')[1]} AS logs, bool_or({marker} = ?) AS cycle, "
        "min(seen_ns) AS arrived_ns, max(seen_ns) AS seen_ns "
        "FROM fresh WHERE trace_id IS NOT NULL GROUP BY trace_id",
        [wanted],
    )
    connection.execute(
        "UPDATE traces t SET first_ns = least(t.first_ns, n.first_ns), "
        "last_ns = greatest(t.last_ns, n.last_ns), spans = t.spans + n.spans, "
        "logs = t.logs + n.logs, arrived_ns = least(t.arrived_ns, n.arrived_ns), "
        "seen_ns = greatest(t.seen_ns, n.seen_ns) FROM touched n WHERE t.trace_id = n.trace_id"
    )
    connection.execute(
        "INSERT INTO traces (trace_id, first_ns, last_ns, spans, logs, arrived_ns, seen_ns) "
        "SELECT trace_id, first_ns, last_ns, spans, logs, arrived_ns, seen_ns FROM touched "
        "ANTI JOIN traces USING (trace_id)"
    )
    rows = connection.execute(
        "SELECT replace(n.trace_id::VARCHAR, '-', ''), n.cycle OR c.trace_id IS NOT NULL "
        "FROM touched n LEFT JOIN cycles c USING (trace_id)"
    ).fetchall()
    loaded.traces |= {row[0] for row in rows}
    loaded.cycles |= {row[0] for row in rows if row[1]}


def _ids(connection: Connection, insert: str, query: str) -> set[int]:
    connection.execute(insert)
    return {row[0] for row in connection.execute(query).fetchall()}


def _one(connection: Connection, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(query).fetchone()
    return row
