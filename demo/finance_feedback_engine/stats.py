# SPDX-License-Identifier: Apache-2.0
"""What the engine itself says it did, so that others can compare what they saw."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from typing import Any

NAMES = (
    "cycles_begun",
    "cycles_completed",
    "cycles_failed",
    "decisions",
    "approved",
    "rejected",
    "filtered",
    "trades_executed",
    "trades_opened",
    "trades_closed",
    "wins",
    "losses",
    "positions_recovered",
    "errors",
    "llm_calls",
    "cli_calls",
)


class RunStats:
    """Counts of one run; may be fed from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._pnl = 0.0
        self._digest = hashlib.sha256()

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a count; the name is one of ``NAMES``."""
        if name not in NAMES:
            raise KeyError(name)
        with self._lock:
            self._counts[name] += amount

    def decided(self, asset_pair: str, action: str, confidence: float) -> None:
        """Count a decision and mix it into the digest, which is equal for equal runs."""
        with self._lock:
            self._counts["decisions"] += 1
            self._digest.update(f"{asset_pair} {action} {confidence:.2f}\n".encode())

    def turned_down(self, layer: str, reason_code: str) -> None:
        """Count a decision that was not executed; the layer is ``rejected`` or ``filtered``."""
        with self._lock:
            self._counts[layer] += 1
            self._reasons[reason_code] += 1

    def closed(self, pnl_dollars: float) -> None:
        """Count a closed trade and its profit or loss."""
        with self._lock:
            self._counts["trades_closed"] += 1
            self._counts["wins" if pnl_dollars > 0 else "losses"] += 1
            self._pnl += pnl_dollars

    def value(self, name: str) -> int:
        """Return one count."""
        with self._lock:
            return self._counts[name]

    def summary(self) -> dict[str, Any]:
        """Return all counts, the reasons of what was turned down, P&L and the digest."""
        with self._lock:
            return {
                **{name: self._counts[name] for name in NAMES},
                "realized_pnl_dollars": round(self._pnl, 2),
                "turned_down_reasons": dict(sorted(self._reasons.items())),
                "decisions_digest": self._digest.hexdigest()[:16],
            }
