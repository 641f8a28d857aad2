# SPDX-License-Identifier: Apache-2.0
"""What the phases do to one asset, one decision, one trade."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from finance_feedback_engine.decision_engine.policy import INTENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finance_feedback_engine.core import FinanceFeedbackEngine
    from finance_feedback_engine.monitoring.context_provider import MonitoringContextProvider
    from finance_feedback_engine.monitoring.trade_monitor import TradeMonitor
    from finance_feedback_engine.risk.gatekeeper import RiskGatekeeper

    from .config import TradingAgentConfig

logger = logging.getLogger(__name__)

Decision = dict[str, Any]


async def recover(engine: FinanceFeedbackEngine, monitor: TradeMonitor) -> dict[str, Any]:
    """Take over open positions and return the event that tells of it."""
    found = await asyncio.to_thread(engine.trading_platform.get_active_positions)
    positions = found["positions"]
    engine.trade_outcome_recorder.update_positions(positions)
    for item in positions:
        monitor.associate_decision_to_trade(item["decision_id"], item["product_id"])
        logger.info("Recovered position: %s %s", item["side"], item["product_id"])
    if not positions:
        logger.info("No open positions found. Starting with a clean slate.")
    engine.stats.count("positions_recovered", len(positions))
    return {
        "type": "recovery_complete",
        "found": len(positions),
        "kept": len(positions),
        "closed_excess_positions": [],
        "positions": positions,
        "total_unrealized_pnl": sum(item["unrealized_pnl"] for item in positions),
    }


async def fetch_quotes(
    engine: FinanceFeedbackEngine, assets: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a fresh price for each asset that has one."""
    loop = asyncio.get_running_loop()
    engine.unified_provider.clear_cache()
    quotes = []
    for asset in assets:
        ask = partial(engine.unified_provider.get_current_price, asset)
        quote = await loop.run_in_executor(None, ask)
        if quote:
            quotes.append(quote)
    return quotes


def shortcoming(
    decision: Decision, config: TradingAgentConfig, trades_today: int
) -> tuple[str, str] | None:
    """Return why a decision is not good enough for a risk check, as code and reason, or None."""
    needed = config.min_confidence_threshold * 100
    confidence = decision["confidence"]
    if confidence < needed:
        return "LOW_CONFIDENCE", f"Low confidence ({confidence}% < {needed:.0f}%)"
    if trades_today >= config.max_daily_trades:
        return "DAILY_TRADE_LIMIT", f"Daily trade limit reached ({config.max_daily_trades})"
    return None


def check_risk(
    gatekeeper: RiskGatekeeper,
    monitor: TradeMonitor,
    decision: Decision,
    config: TradingAgentConfig,
) -> tuple[bool, str]:
    """Return whether the gatekeeper lets a decision pass with what is held now, and why not."""
    provider: MonitoringContextProvider = monitor.monitoring_context_provider
    context = provider.get_monitoring_context(decision["asset_pair"])
    context["max_leverage"] = config.max_leverage
    context["max_concentration"] = config.max_position_pct
    return gatekeeper.validate_trade(decision, context)


async def execute(engine: FinanceFeedbackEngine, monitor: TradeMonitor, decision: Decision) -> bool:
    """Send a decision to the platform and write down on it what came of it."""
    asset, action = decision["asset_pair"], decision["policy_action"]
    try:
        result = await engine.execute_decision_async(decision["id"], modified_decision=decision)
    except Exception as error:
        logger.exception("Execution of %s for %s failed", action, asset)
        result = {"success": False, "error": f"{type(error).__name__}: {error}"}
    decision["execution_result"] = result
    decision["executed"] = bool(result["success"])
    if not result["success"]:
        decision["execution_status"] = "execution_failed"
        engine.stats.count("errors")
        logger.error(
            "Trade execution failed for %s: %s. Full result: %s", asset, result["error"], result
        )
        return False
    decision["execution_status"] = "executed"
    engine.stats.count("trades_executed")
    if INTENTS[action].opens:
        monitor.associate_decision_to_trade(decision["id"], asset)
    if action.startswith("OPEN_"):
        engine.stats.count("trades_opened")
    logger.info("Trade execution succeeded for %s %s.", action, asset)
    return True
