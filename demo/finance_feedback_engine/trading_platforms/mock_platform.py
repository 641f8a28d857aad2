# SPDX-License-Identifier: Apache-2.0
"""A paper account: orders fill at once, with slippage and a fee, and nothing is bought."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finance_feedback_engine.decision_engine.policy import INTENTS, Intent

from .base_platform import BaseTradingPlatform
from .ledger import Ledger, Position

logger = logging.getLogger(__name__)

FEE_RATE = 0.0006


class MockTradingPlatform(BaseTradingPlatform):
    """Keeps cash, positions and closed trades, and writes them to a file when told where.

    Args:
        credentials: ``state_file`` to keep positions in, ``seed`` of the slippage.
        initial_balance: ``FUTURES_USD`` to start with, in dollars.
        slippage_config: ``max_bps``: a fill is worse by up to this many hundredths of a percent.

    Raises:
        ValueError: The state file does not hold positions.
    """

    def __init__(
        self,
        credentials: dict[str, Any] | None = None,
        initial_balance: dict[str, float] | None = None,
        slippage_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(credentials or {})
        self._initial = dict(initial_balance or {"FUTURES_USD": 10_000.0})
        self._max_bps = float((slippage_config or {}).get("max_bps", 8.0))
        self._random = random.Random(self.credentials.get("seed", 0))
        self._lock = threading.Lock()
        self._error_rate = 0.0
        state_file = self.credentials.get("state_file")
        self._state_file = Path(state_file) if state_file else None
        self._ledger = Ledger(self._initial["FUTURES_USD"])
        self._history: list[dict[str, Any]] = []
        self._closed: list[dict[str, Any]] = []
        self._load()

    def execute_trade(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Fill an order at ``entry_price``, made worse by slippage.

        Raises:
            RuntimeError: The platform was told to fail.
        """
        began = time.perf_counter()
        if self._error_rate >= 1.0:
            raise RuntimeError("Simulated platform error")
        decision_id = str(decision.get("id") or uuid.uuid4())
        asset = str(decision.get("asset_pair", ""))
        intent = INTENTS.get(str(decision.get("policy_action") or decision.get("action")))
        amount = float(decision.get("suggested_amount") or 0.0)
        price = float(decision.get("entry_price") or 0.0)
        if intent is None or amount <= 0 or price <= 0:
            return self._refused(decision_id, f"not an order: {decision.get('action')} {amount}")
        with self._lock:
            fill = self._apply_slippage(price, intent.order)
            logger.info(
                "MockPlatform executing: %s %s @ $%.2f (amount: $%.2f)",
                intent.order,
                asset,
                price,
                amount,
            )
            problem = self._ledger.problem(asset, intent, amount)
            if problem:
                return self._refused(decision_id, problem)
            size, fee = self._fill(asset, intent, amount, fill, decision_id)
            self._save()
        result = {
            "success": True,
            "platform": "mock",
            "decision_id": decision_id,
            "order_id": f"mock-{uuid.uuid4().hex[:12]}",
            "order_status": "FILLED",
            "filled_size": size,
            "execution_price": fill,
            "total_value": size * fill,
            "fee_amount": fee,
            "slippage_applied": abs(fill / price - 1) * 100,
            "latency_seconds": time.perf_counter() - began,
            "timestamp": datetime.now(UTC).isoformat(),
        }
        self._history.append({"asset_pair": asset, "side": intent.order, **result})
        return result

    def _fill(
        self, asset: str, intent: Intent, amount: float, price: float, decision_id: str
    ) -> tuple[float, float]:
        if intent.opens:
            size = amount / price
            fee = amount * FEE_RATE
            self._ledger.open(asset, intent.side, size, price, fee, decision_id)
            return size, fee
        closed = self._ledger.reduce(asset, intent.fraction, price, FEE_RATE, decision_id)
        self._closed.append(closed)
        logger.info(
            "Closed/reduced %s position, realized P&L: $%.2f", asset, closed["realized_pnl"]
        )
        return float(closed["exit_size"]), float(closed["exit_fee"])

    def _refused(self, decision_id: str, why: str) -> dict[str, Any]:
        logger.warning("Order refused: %s", why)
        return {
            "success": False,
            "platform": "mock",
            "decision_id": decision_id,
            "error": why,
            "timestamp": datetime.now(UTC).isoformat(),
        }

    def _apply_slippage(self, price: float, action: str, order_type: str = "market") -> float:
        if order_type == "limit":
            return price
        worse = self._random.uniform(0, self._max_bps) / 10_000
        return price * (1 + worse if action == "BUY" else 1 - worse)

    def drain_closed_trades(self) -> list[dict[str, Any]]:
        """Return the trades closed since the last call, oldest first."""
        with self._lock:
            closed, self._closed = self._closed, []
            return closed

    def flatten(self) -> None:
        """Close every position at its last price."""
        with self._lock:
            for asset, position in list(self._ledger.positions.items()):
                self._closed.append(
                    self._ledger.reduce(asset, 1.0, position.price, FEE_RATE, "replay-ended")
                )
            self._save()

    def get_balance(self) -> dict[str, float]:
        """Return free cash."""
        with self._lock:
            return {"FUTURES_USD": self._ledger.cash}

    def get_positions(self) -> dict[str, Any]:
        """Return open positions by asset."""
        return {item["product_id"]: item for item in self.get_active_positions()["positions"]}

    def get_trade_history(self) -> list[dict[str, Any]]:
        """Return every fill since the start, oldest first."""
        return list(self._history)

    def get_active_positions(self) -> dict[str, Any]:
        """Return ``positions``; see ``BaseTradingPlatform``."""
        with self._lock:
            return {"positions": [_described(item) for item in self._ledger.positions.values()]}

    def get_portfolio_breakdown(self) -> dict[str, Any]:
        """Return equity, positions and a summary; see ``BaseTradingPlatform``."""
        positions = self.get_active_positions()["positions"]
        unrealized = sum(item["unrealized_pnl"] for item in positions)
        with self._lock:
            equity, realized = self._ledger.equity(), self._ledger.realized
        return {
            "total_value_usd": equity,
            "futures_value_usd": equity,
            "spot_value_usd": 0.0,
            "num_assets": len(positions),
            "unrealized_pnl": unrealized,
            "futures_positions": positions,
            "holdings": [
                {"asset": item["product_id"], "value_usd": item["notional_usd"]}
                for item in positions
            ],
            "futures_summary": {
                "total_balance_usd": equity,
                "unrealized_pnl": unrealized,
                "daily_realized_pnl": realized,
                "buying_power": equity * 2,
            },
        }

    def get_account_info(self) -> dict[str, Any]:
        """Return the kind of account and its mode."""
        return {"platform": "mock", "account_type": "paper", "balances": self.get_balance()}

    def update_position_prices(self, price_updates: dict[str, float]) -> None:
        """Value open positions at new prices."""
        with self._lock:
            for asset, price in price_updates.items():
                if asset in self._ledger.positions:
                    self._ledger.positions[asset].price = price

    def reset(self, initial_balance: dict[str, float] | None = None) -> None:
        """Start over with cash and no positions."""
        with self._lock:
            self._ledger = Ledger((initial_balance or self._initial)["FUTURES_USD"])
            self._history.clear()
            self._closed.clear()
            self._save()

    def _load(self) -> None:
        if not self._state_file or not self._state_file.exists():
            return
        try:
            self._ledger.restore(json.loads(self._state_file.read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self._state_file} does not hold positions; delete it to start without any"
            ) from error

    def _save(self) -> None:
        if self._state_file:
            part = self._state_file.with_suffix(".part")
            part.write_text(json.dumps(self._ledger.state()), encoding="utf-8")
            part.replace(self._state_file)


def _described(position: Position) -> dict[str, Any]:
    return {
        "id": f"mock-{position.asset}",
        "instrument": position.asset,
        "product_id": position.asset,
        "side": position.side,
        "position_type": position.side,
        "contracts": position.size,
        "units": position.size if position.side == "LONG" else -position.size,
        "entry_price": position.entry_price,
        "current_price": position.price,
        "unrealized_pnl": position.pnl(position.price),
        "pnl": position.pnl(position.price),
        "notional_usd": position.size * position.price,
        "opened_at": position.opened_at,
        "decision_id": position.decision_id,
        "platform": "mock",
        "leverage": 1.0,
        "contract_size": 1.0,
    }
