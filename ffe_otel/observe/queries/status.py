# SPDX-License-Identifier: Apache-2.0
"""How the agent is, and what the store holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.observe.coerce import MAX_SAFE, real
from ffe_otel.observe.store.clock import JUMP
from ffe_otel.observe.store.schema import plausible

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Connection

_STATES: Final = {number: name for name, number in semconv.AGENT_STATES.items()}
_LOOK_BACK: Final = 2000
_RECENT_NS: Final = 3600 * 10**9


def agent_state(
    connection: Connection, last_cycle: dict[str, Any] | None, now_ns: int | None = None
) -> dict[str, Any]:
    """Id and state of the agent that spoke last, and since when it is in that state.

    An agent that tells no states is known by its last cycle, without a state. ``now_ns`` is the
    time by which rows arrive, if that is not the machine's.
    """
    now = time.time_ns() if now_ns is None else now_ns
    known = last_cycle["agent_id"] if last_cycle else None
    found: list[Any] = []
    # Most of the time the last hour answers, and the store's older rows stay untouched.
    for since in (now - _RECENT_NS, 0):
        found = connection.execute(
            f"SELECT {plausible('time_ns', 'seen_ns')} AS at_ns, attrs->>'$.agent_id', "  # noqa: S608
            "TRY_CAST(attrs->>'$.state_value' AS INTEGER) FROM logs "
            "WHERE event_name = ? AND seen_ns >= ? ORDER BY at_ns DESC, seen_ns DESC LIMIT ?",
            [semconv.EVENT_AGENT_STATE, since, _LOOK_BACK],
        ).fetchall()
        if found:
            break
    if not found:
        return {"id": known, "state": None, "state_since_unix_nano": None}
    _, agent, state = found[0]
    began = found[0][0]
    for time_ns, other, value in found:
        if other == agent:
            if value != state:
                break
            began = time_ns
    return {"id": agent or known, "state": _STATES.get(state), "state_since_unix_nano": str(began)}


def totals(connection: Connection, since_ns: int, ahead_ns: int = 0) -> dict[str, Any]:
    """What the cycles that began since then made, cost and got wrong, and all that are held.

    ``since_ns`` is of a clock that is ``ahead_ns`` of the one that rows arrive by.
    """
    # A little ahead is not a jump; then both are the same.
    jumped = ahead_ns if abs(ahead_ns) >= JUMP else 0
    row = connection.execute(
        "SELECT sum(pnl) FILTER (today), sum(pnl), sum(cost) FILTER (today), sum(cost), "
        "coalesce(sum(errors) FILTER (today), 0), count(*) FILTER (today) "
        "FROM (SELECT at_ns >= ? AS today, errors, "
        "TRY_CAST(data->>'$.pnl_dollars' AS DOUBLE) AS pnl, "
        "TRY_CAST(data->>'$.cost_usd' AS DOUBLE) AS cost FROM cycles)",
        [since_ns - jumped],
    ).fetchone()
    return {
        "since_unix_nano": str(since_ns),
        "pnl_today_dollars": real(row[0]),
        "pnl_total_dollars": real(row[1]),
        "llm_cost_today_usd": real(row[2]),
        "llm_cost_total_usd": real(row[3]),
        "errors_today": min(int(row[4]), MAX_SAFE),
        "cycles_today": row[5],
    }


def store_counts(connection: Connection) -> dict[str, Any]:
    """Rows held and the time of the oldest."""
    spans, logs, points, oldest = connection.execute(
        "SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM logs), "
        "(SELECT count(*) FROM points), least((SELECT min(start_ns) FROM spans), "
        "(SELECT min(time_ns) FROM logs), (SELECT min(time_ns) FROM points))"
    ).fetchone()
    return {
        "spans": spans,
        "logs": logs,
        "metric_points": points,
        "oldest_unix_nano": None if oldest is None else str(oldest),
    }
