# SPDX-License-Identifier: Apache-2.0
"""What the agent tells a dashboard."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from finance_feedback_engine.monitoring import prometheus

if TYPE_CHECKING:
    import queue

_QUEUE_NAME = "dashboard"


def offer(events: queue.Queue[dict[str, Any]], event: dict[str, Any]) -> None:
    """Put an event into a queue; the oldest one is dropped when nobody reads them."""
    event.setdefault("timestamp", time.time())
    if events.full():
        events.get_nowait()
        prometheus.increment_dashboard_events_dropped(_QUEUE_NAME)
    events.put_nowait(event)
    prometheus.update_dashboard_queue_metrics(_QUEUE_NAME, events.qsize(), events.maxsize)


def decision_event(kind: str, decision: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return an event about a decision."""
    return {
        "type": kind,
        "asset": decision["asset_pair"],
        "action": decision["policy_action"],
        "confidence": decision["confidence"],
        "reasoning": decision["reasoning"][:200],
        "reason": reason,
    }
