# SPDX-License-Identifier: Apache-2.0
"""How the agent is, and what the store holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Connection

_STATES: Final = {number: name for name, number in semconv.AGENT_STATES.items()}
_LOOK_BACK: Final = 2000
_RECENT_NS: Final = 3600 * 10**9


def agent_state(connection: Connection) -> dict[str, Any]:
    """Id and state of the agent that spoke last, and since when it is in that state."""
    found: list[Any] = []
    # Most of the time the last hour answers, and the store's older rows stay untouched.
    for since in (time.time_ns() - _RECENT_NS, 0):
        found = connection.execute(
            "SELECT time_ns, attrs->>'$.agent_id', TRY_CAST(attrs->>'$.state_value' AS INTEGER) "
            "FROM logs WHERE event_name = ? AND time_ns >= ? ORDER BY time_ns DESC LIMIT ?",
            [semconv.EVENT_AGENT_STATE, since, _LOOK_BACK],
        ).fetchall()
        if found:
            break
    if not found:
        return {"id": None, "state": None, "state_since_unix_nano": None}
    _, agent, state = found[0]
    began = found[0][0]
    for time_ns, other, value in found:
        if other == agent:
            if value != state:
                break
            began = time_ns
    return {"id": agent, "state": _STATES.get(state), "state_since_unix_nano": str(began)}


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
