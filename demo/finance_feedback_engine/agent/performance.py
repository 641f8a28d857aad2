# SPDX-License-Identifier: Apache-2.0
"""How closed trades went, and what that forbids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import TradingAgentConfig

Metrics = dict[str, Any]


def new_metrics() -> Metrics:
    """Return the metrics of an agent that has not traded yet."""
    return {
        "total_trades": 0,
        "winning_trades": 0,
        "losing_trades": 0,
        "total_pnl": 0.0,
        "win_rate": 0.0,
        "avg_win": 0.0,
        "avg_loss": 0.0,
        "current_streak": 0,
        "best_streak": 0,
        "worst_streak": 0,
    }


def add_outcome(metrics: Metrics, pnl: float) -> None:
    """Take a closed trade into account."""
    won = pnl > 0
    metrics["total_trades"] += 1
    metrics["total_pnl"] += pnl
    count, average = ("winning_trades", "avg_win") if won else ("losing_trades", "avg_loss")
    metrics[count] += 1
    metrics[average] += (abs(pnl) - metrics[average]) / metrics[count]
    streak = metrics["current_streak"]
    metrics["current_streak"] = max(1, streak + 1) if won else min(-1, streak - 1)
    metrics["best_streak"] = max(metrics["best_streak"], metrics["current_streak"])
    metrics["worst_streak"] = min(metrics["worst_streak"], metrics["current_streak"])
    metrics["win_rate"] = metrics["winning_trades"] / metrics["total_trades"] * 100


def veto(metrics: Metrics, decision: Mapping[str, Any], pause_after: int) -> str | None:
    """Return why the account's own history speaks against a new entry, or None."""
    if str(decision["policy_action"]).startswith(("CLOSE_", "REDUCE_")):
        return None
    confidence = decision["confidence"]
    if metrics["current_streak"] <= -pause_after:
        losses = -metrics["current_streak"]
        return f"Rejected due to poor performance streak: {losses} consecutive losses"
    if metrics["total_trades"] >= 10 and metrics["win_rate"] < 30 and confidence < 70:
        rate = metrics["win_rate"]
        return f"Rejected due to low win rate ({rate:.1f}%) and low confidence ({confidence}%)"
    return None


def kill_reason(
    metrics: Metrics, config: TradingAgentConfig, unrealized_pnl_percent: float
) -> str | None:
    """Return why the agent must stop for good, or None."""
    if unrealized_pnl_percent < -config.kill_switch_loss_pct:
        return (
            f"PORTFOLIO KILL SWITCH TRIGGERED! Current P&L ({unrealized_pnl_percent:.2f}%) has "
            f"breached the threshold (-{config.kill_switch_loss_pct}%)."
        )
    what = None
    trades, fraction = metrics["total_trades"], config.kill_switch_total_loss_fraction
    if metrics["current_streak"] <= -config.kill_switch_loss_streak:
        what = f"{-metrics['current_streak']} consecutive losses."
    elif trades >= 20 and metrics["win_rate"] < 15:
        what = f"Win rate ({metrics['win_rate']:.1f}%) is critically low."
    elif trades >= 50 and metrics["total_pnl"] < -config.initial_balance * fraction:
        loss = -metrics["total_pnl"]
        what = f"Total loss of ${loss:.2f} exceeds {fraction:.0%} of reference balance."
    return what and f"PERFORMANCE KILL SWITCH TRIGGERED! {what}"
