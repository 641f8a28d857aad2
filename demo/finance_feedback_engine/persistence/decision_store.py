# SPDX-License-Identifier: Apache-2.0
"""The latest decisions, by id."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any


class DecisionStore:
    """Keeps a limited number of decisions in memory."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._decisions: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def save_decision(self, decision: dict[str, Any]) -> None:
        """Keep a decision, and forget the oldest when there are too many."""
        with self._lock:
            self._decisions[decision["id"]] = dict(decision)
            while len(self._decisions) > self._limit:
                self._decisions.popitem(last=False)

    update_decision = save_decision

    def get_decision_by_id(self, decision_id: str) -> dict[str, Any] | None:
        """Return a copy of a decision, or None."""
        with self._lock:
            found = self._decisions.get(decision_id)
            return dict(found) if found else None
