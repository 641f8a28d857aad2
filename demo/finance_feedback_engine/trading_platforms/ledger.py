# SPDX-License-Identifier: Apache-2.0
"""The books of a paper account: cash, positions, realized profit and loss."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finance_feedback_engine.decision_engine.policy import Intent


@dataclass(slots=True)
class Position:
    """An open position; ``price`` is what one share was last worth."""

    asset: str
    side: str
    size: float
    entry_price: float
    price: float
    opened_at: str
    decision_id: str
    entry_fee: float

    def pnl(self, price: float, share: float = 1.0) -> float:
        """Return what a share of the position has gained at a price, before fees."""
        direction = 1 if self.side == "LONG" else -1
        return (price - self.entry_price) * self.size * share * direction


class Ledger:
    """Cash and positions; the whole value of a position, long or short, is set aside as margin."""

    def __init__(self, cash: float) -> None:
        self.cash = cash
        self.realized = 0.0
        self.positions: dict[str, Position] = {}

    def equity(self) -> float:
        """Return what the account is worth at the last prices."""
        held = sum(
            item.size * item.entry_price + item.pnl(item.price) for item in self.positions.values()
        )
        return self.cash + held

    def problem(self, asset: str, intent: Intent, amount: float) -> str | None:
        """Return why an order cannot be filled, or None."""
        position = self.positions.get(asset)
        if not intent.opens:
            held = position is not None and position.side == intent.side
            return None if held else f"no {intent.side} position in {asset}"
        if position is not None and position.side != intent.side:
            return f"{asset} is held {position.side}"
        if amount > self.cash:
            return f"insufficient balance: {self.cash:.2f} < {amount:.2f} required"
        return None

    def open(
        self, asset: str, side: str, size: float, price: float, fee: float, decision_id: str
    ) -> None:
        """Open a position, or add to it at the average price."""
        self.cash -= size * price + fee
        held = self.positions.get(asset)
        if held is None:
            now = datetime.now(UTC).isoformat()
            self.positions[asset] = Position(asset, side, size, price, price, now, decision_id, fee)
            return
        held.entry_price = (held.entry_price * held.size + price * size) / (held.size + size)
        held.size += size
        held.entry_fee += fee

    def reduce(
        self, asset: str, share: float, price: float, fee_rate: float, decision_id: str
    ) -> dict[str, Any]:
        """Close a share of a position and return the closed trade."""
        held = self.positions[asset]
        size = held.size * share
        fee = size * price * fee_rate
        entry_fee = held.entry_fee * share
        pnl = held.pnl(price, share) - fee - entry_fee
        self.cash += size * held.entry_price + held.pnl(price, share) - fee
        self.realized += pnl
        closed_at = datetime.now(UTC)
        seconds = (closed_at - datetime.fromisoformat(held.opened_at)).total_seconds()
        trade = {
            "trade_id": f"trade-{uuid.uuid4().hex[:12]}",
            "decision_id": held.decision_id,
            "close_decision_id": decision_id,
            "product_id": asset,
            "asset_pair": asset,
            "side": held.side,
            "entry_time": held.opened_at,
            "entry_price": held.entry_price,
            "exit_time": closed_at.isoformat(),
            "exit_price": price,
            "exit_size": size,
            "realized_pnl": pnl,
            "was_profitable": pnl > 0,
            "exit_fee": fee,
            "fees": fee + entry_fee,
            "holding_duration_seconds": seconds,
            "holding_duration_hours": seconds / 3600,
            "partial": share < 1,
            "platform": "mock",
        }
        held.size -= size
        held.entry_fee -= entry_fee
        if share >= 1:
            del self.positions[asset]
        return trade

    def state(self) -> dict[str, Any]:
        """Return what ``restore`` needs."""
        return {
            "cash": self.cash,
            "realized": self.realized,
            "positions": [asdict(item) for item in self.positions.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state.

        Raises:
            KeyError, TypeError: The state was not written by ``state``.
        """
        self.cash = float(state["cash"])
        self.realized = float(state["realized"])
        self.positions = {item["asset"]: Position(**item) for item in state["positions"]}
