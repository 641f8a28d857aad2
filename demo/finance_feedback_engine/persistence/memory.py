# SPDX-License-Identifier: Apache-2.0
"""What was learned from closed trades."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TradeOutcome:
    """A closed trade as the memory keeps it."""

    decision_id: str
    asset_pair: str
    side: str
    entry_price: float
    exit_price: float
    realized_pnl: float
    pnl_percentage: float
    was_profitable: bool
    holding_period_hours: float


class PortfolioMemory:
    """Keeps the latest outcomes."""

    def __init__(self, limit: int = 500) -> None:
        self._outcomes: deque[TradeOutcome] = deque(maxlen=limit)

    def record_trade_outcome(self, outcome: TradeOutcome) -> None:
        """Remember an outcome."""
        self._outcomes.append(outcome)

    def generate_context(self, asset_pair: str | None = None) -> dict[str, Any]:
        """Return how trades, in one asset when given, went so far."""
        chosen = [item for item in self._outcomes if asset_pair in {None, item.asset_pair}]
        wins = sum(item.was_profitable for item in chosen)
        return {
            "total_historical_trades": len(chosen),
            "win_rate": wins / len(chosen) * 100 if chosen else 0.0,
            "total_pnl": sum(item.realized_pnl for item in chosen),
        }
