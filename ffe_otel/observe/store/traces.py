# SPDX-License-Identifier: Apache-2.0
"""What is kept of each trace beside its rows: derived anew from them after a rescue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel import semconv

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Connection


def recount(connection: Connection) -> None:
    """Time ranges and counts of all traces, in the caller's transaction.

    A trace whose rows are all lost stays as it is: a cycle may be known of it.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE counted AS "
        "SELECT trace_id, min(low) AS first_ns, max(high) AS last_ns, "
        "count(*) FILTER (span) AS spans, count(*) FILTER (NOT span) AS logs, "
        "min(seen_ns) AS arrived_ns, max(seen_ns) AS seen_ns FROM ("
        "SELECT trace_id, start_ns AS low, start_ns + duration_ns AS high, seen_ns, true AS span "
        "FROM spans UNION ALL "
        "SELECT trace_id, time_ns, time_ns, seen_ns, false FROM logs WHERE trace_id IS NOT NULL"
        ") GROUP BY trace_id"
    )
    connection.execute("DELETE FROM traces WHERE trace_id IN (SELECT trace_id FROM counted)")
    connection.execute(
        "INSERT INTO traces (trace_id, first_ns, last_ns, spans, logs, arrived_ns, seen_ns) "
        "SELECT trace_id, first_ns, last_ns, spans, logs, arrived_ns, seen_ns FROM counted"
    )
    # A store of an earlier version did not know.
    connection.execute("UPDATE cycles SET at_ns = start_ns WHERE at_ns IS NULL")


def shortened(connection: Connection) -> list[str]:
    """Cycles (32 hex digits) that are missing, or were summed up from fewer rows than there are."""
    rows = connection.execute(
        "SELECT replace(t.trace_id::VARCHAR, '-', '') FROM traces t "
        "LEFT JOIN cycles c USING (trace_id) WHERE "
        "t.spans > TRY_CAST(c.data->>'$.spans' AS BIGINT) "
        "OR t.logs > TRY_CAST(c.data->>'$.logs' AS BIGINT) "
        "OR (c.trace_id IS NULL AND t.trace_id IN ("
        "SELECT trace_id FROM spans WHERE name = ? "
        "UNION SELECT trace_id FROM logs WHERE event_name = ?))",
        [semconv.SPAN_CYCLE, semconv.EVENT_CYCLE_STARTED],
    ).fetchall()
    return [row[0] for row in rows]
