# SPDX-License-Identifier: Apache-2.0
"""What the account holds and risks right now, for whoever decides."""

from __future__ import annotations

import statistics
from collections import deque
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

_EQUITY_BARS = 40
_RETURNS = 20


class MonitoringContextProvider:
    """Turns the platform's books into figures that risk checks and prompts use.

    Args:
        platform: Where the positions are.
        trade_monitor: Asked for free slots.
        metrics_collector: Not used.
        portfolio_initial_balance: Dollars that profit and loss is measured against.
    """

    def __init__(
        self,
        platform: Any,
        trade_monitor: Any = None,
        metrics_collector: Any = None,
        portfolio_initial_balance: float = 0.0,
    ) -> None:
        del metrics_collector
        self.platform = platform
        self.trade_monitor = trade_monitor
        self.portfolio_initial_balance = portfolio_initial_balance
        self._equity: deque[float] = deque(maxlen=_EQUITY_BARS)
        self._closes: dict[str, list[float]] = {}

    def note_equity(self, dollars: float) -> None:
        """Remember what the account is worth; called once a cycle."""
        self._equity.append(dollars)

    def note_closes(self, asset_pair: str, closes: list[float]) -> None:
        """Remember the latest closes of an asset; correlation and VaR are computed from them."""
        self._closes[asset_pair] = closes

    def get_monitoring_context(
        self, asset_pair: str | None = None, lookback_hours: int = 24
    ) -> dict[str, Any]:
        """Return positions, of one asset when given, and the risk of all of them."""
        portfolio = self.platform.get_portfolio_breakdown()
        positions: list[dict[str, Any]] = portfolio["futures_positions"]
        equity = float(portfolio["total_value_usd"])
        chosen = [item for item in positions if asset_pair in {None, item["product_id"]}]
        now = datetime.now(UTC).isoformat()
        context = {
            "timestamp": now,
            "latest_market_data_timestamp": now,
            "asset_type": "stock",
            "timeframe": "daily",
            "lookback_hours": lookback_hours,
            "has_monitoring_data": True,
            "active_positions": {"futures": chosen, "spot": []},
            "holdings": {item["product_id"]: item["side"] for item in positions},
            "risk_metrics": self._risk(positions, portfolio),
            "position_concentration": _concentration(positions, equity),
            "portfolio_breakdown": portfolio,
            "unrealized_pnl_percent": portfolio["unrealized_pnl"] / equity * 100,
            "var_analysis": {"var_pct": self._value_at_risk(positions, equity)},
            "correlation_analysis": {"correlations": self._correlations(asset_pair, positions)},
        }
        if self.trade_monitor is not None:
            active = len(self.trade_monitor.get_active_trades())
            context["active_trades_count"] = active
            context["slots_available"] = self.trade_monitor.MAX_CONCURRENT_TRADES - active
        return context

    def get_portfolio_pnl_percentage(self) -> float:
        """Return profit and loss against the initial balance, as a fraction."""
        if self.portfolio_initial_balance <= 0:
            return 0.0
        equity = float(self.platform.get_portfolio_breakdown()["total_value_usd"])
        return equity / self.portfolio_initial_balance - 1

    def format_for_ai_prompt(self, context: dict[str, Any]) -> str:
        """Return the context in a few words."""
        risk = context["risk_metrics"]
        return f"Leverage {risk['leverage_estimate']:.2f}, drawdown {risk['drawdown_pct']:.1f}%"

    def _risk(self, positions: list[dict[str, Any]], portfolio: dict[str, Any]) -> dict[str, Any]:
        equity = float(portfolio["total_value_usd"])
        by_side = {"LONG": 0.0, "SHORT": 0.0}
        for item in positions:
            by_side[item["side"]] += item["notional_usd"]
        exposure = sum(by_side.values())
        peak = max((*self._equity, equity))
        return {
            "total_exposure_usd": exposure,
            "long_exposure": by_side["LONG"],
            "short_exposure": by_side["SHORT"],
            "net_exposure": by_side["LONG"] - by_side["SHORT"],
            "unrealized_pnl": portfolio["unrealized_pnl"],
            "leverage_estimate": exposure / equity if equity > 0 else 0.0,
            "drawdown_pct": (equity / peak - 1) * 100,
            "account_value": equity,
        }

    def _returns(self, asset: str) -> list[float]:
        closes = self._closes.get(asset, [])[-_RETURNS - 1 :]
        return [later / earlier - 1 for earlier, later in pairwise(closes)]

    def _correlations(
        self, asset_pair: str | None, positions: list[dict[str, Any]]
    ) -> dict[str, float]:
        if asset_pair is None:
            return {}
        own = self._returns(asset_pair)
        found = {}
        for item in positions:
            other = self._returns(item["product_id"])
            if item["product_id"] != asset_pair and len(own) == len(other) > 2:
                found[item["product_id"]] = statistics.correlation(own, other)
        return found

    def _value_at_risk(self, positions: list[dict[str, Any]], equity: float) -> float:
        """Return the loss that 19 of the last 20 bars would not have exceeded, as a fraction."""
        total = [0.0] * _RETURNS
        for item in positions:
            sign = 1 if item["side"] == "LONG" else -1
            for place, change in enumerate(self._returns(item["product_id"])):
                total[place] += sign * item["notional_usd"] * change
        return max(0.0, -sorted(total)[1]) / equity if equity > 0 else 0.0


def _concentration(positions: list[dict[str, Any]], equity: float) -> dict[str, Any]:
    shares = {item["product_id"]: item["notional_usd"] / equity * 100 for item in positions}
    ordered = sorted(shares.values(), reverse=True)
    return {
        "num_positions": len(ordered),
        "largest_position_pct": ordered[0] if ordered else 0.0,
        "top_3_concentration": sum(ordered[:3]),
        "diversification_score": max(0.0, 100 - sum(share**2 for share in ordered) / 100),
        "asset_position_pct": shares,
    }
