# SPDX-License-Identifier: Apache-2.0
"""The parts of the engine, put together, and what can be asked of them as a whole."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from finance_feedback_engine.data_providers.alpha_vantage_provider import AlphaVantageProvider
from finance_feedback_engine.data_providers.unified_data_provider import UnifiedDataProvider
from finance_feedback_engine.decision_engine.engine import DecisionEngine
from finance_feedback_engine.decision_engine.policy import INTENTS
from finance_feedback_engine.monitoring import prometheus
from finance_feedback_engine.monitoring.context_provider import MonitoringContextProvider
from finance_feedback_engine.monitoring.error_tracking import ErrorTracker
from finance_feedback_engine.monitoring.trade_outcome_recorder import TradeOutcomeRecorder
from finance_feedback_engine.observability import instruments
from finance_feedback_engine.persistence.decision_store import DecisionStore
from finance_feedback_engine.persistence.memory import PortfolioMemory, TradeOutcome
from finance_feedback_engine.stats import RunStats
from finance_feedback_engine.trading_platforms.unified_platform import UnifiedTradingPlatform
from finance_feedback_engine.utils.circuit_breaker import CircuitBreaker
from finance_feedback_engine.utils.validation import standardize_asset_pair

logger = logging.getLogger(__name__)

Decision = dict[str, Any]


class FinanceFeedbackEngine:
    """Analyses assets, executes decisions, records outcomes.

    Args:
        config: ``alpha_vantage_api_key``, ``market_data.base_url``, ``platforms.paper``,
            ``safety``, ``data_dir``, ``stats``, and what the parts need; see each of them.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.stats: RunStats = config.setdefault("stats", RunStats())
        base_url = config.get("market_data", {}).get("base_url")
        self.data_provider = AlphaVantageProvider(config.get("alpha_vantage_api_key"), config)
        self.unified_provider = UnifiedDataProvider(
            coinbase_credentials={"base_url": base_url}, config=config
        )
        self.trading_platform = UnifiedTradingPlatform(config.get("platforms", {}), config)
        self.trading_platform.set_execute_breaker(
            CircuitBreaker(5, 15.0, name="execute_trade:unified")
        )
        self._execution_breaker = CircuitBreaker(
            5, 15.0, name="finance_feedback_engine.execute_decision"
        )
        self.decision_engine = DecisionEngine(config, self.data_provider)
        self.decision_store = DecisionStore()
        self.memory_engine = PortfolioMemory()
        self.error_tracker = ErrorTracker(config.get("error_tracking"))
        self.trade_outcome_recorder = TradeOutcomeRecorder(
            str(config.get("data_dir", "data")), unified_provider=self.unified_provider
        )
        self.trade_monitor: Any = None

    def enable_monitoring_integration(
        self, trade_monitor: Any = None, metrics_collector: Any = None
    ) -> None:
        """Let decisions and risk checks know what is held."""
        self.trade_monitor = trade_monitor
        initial = self.config.get("safety", {}).get("initial_balance", 0.0)
        provider = MonitoringContextProvider(
            self.trading_platform, trade_monitor, metrics_collector, initial
        )
        if trade_monitor is not None:
            trade_monitor.monitoring_context_provider = provider
        self.decision_engine.monitoring_provider = provider

    def analyze_asset(
        self,
        asset_pair: str,
        include_sentiment: bool = True,
        include_macro: bool = False,
        use_memory_context: bool = True,
        provider: str | None = None,
    ) -> Decision:
        """Return a decision for an asset; only where no event loop runs."""
        del provider
        return asyncio.run(
            self.analyze_asset_async(
                asset_pair, include_sentiment, include_macro, use_memory_context
            )
        )

    async def analyze_asset_async(
        self,
        asset_pair: str,
        include_sentiment: bool = True,
        include_macro: bool = False,
        use_memory_context: bool = True,
    ) -> Decision:
        """Return a decision for an asset.

        Raises:
            ValueError: There is no usable market data.
            RuntimeError: The AI providers failed.
        """
        asset = standardize_asset_pair(asset_pair)
        logger.info("Analyzing asset: %s", asset)
        market = await self.data_provider.get_comprehensive_market_data(
            asset, include_sentiment, include_macro
        )
        if self.decision_engine.monitoring_provider is not None:
            self.decision_engine.monitoring_provider.note_closes(asset, market["closes"])
        portfolio = await self.get_portfolio_breakdown_async()
        memory = self.memory_engine.generate_context(asset) if use_memory_context else None
        began = time.perf_counter()
        try:
            decision = await self.decision_engine.generate_decision(
                asset_pair=asset,
                market_data=market,
                balance={"FUTURES_USD": portfolio["futures_value_usd"]},
                portfolio=portfolio,
                memory_context=memory,
            )
        except Exception as error:
            self.error_tracker.capture_exception(
                error, {"asset_pair": asset, "operation": "analyze_asset"}
            )
            raise
        prometheus.record_decision_latency("ensemble", asset, time.perf_counter() - began)
        self.decision_store.save_decision(decision)
        instruments.decisions_created.add(1, {"action": decision["action"], "asset_type": "stock"})
        prometheus.update_decision_confidence(asset, decision["action"], decision["confidence"])
        return decision

    def get_portfolio_breakdown(self) -> dict[str, Any]:
        """Return what the account is worth and is made of."""
        return self.trading_platform.get_portfolio_breakdown()

    async def get_portfolio_breakdown_async(self) -> dict[str, Any]:
        """Return the same without blocking the event loop."""
        portfolio = await self.trading_platform.aget_portfolio_breakdown()
        logger.info("Portfolio breakdown retrieved: %s", portfolio)
        return portfolio

    def execute_decision(
        self, decision_id: str, modified_decision: Decision | None = None
    ) -> dict[str, Any]:
        """Execute a stored or given decision.

        Raises:
            ValueError: There is no such decision, or it is not an order.
        """
        decision = self._prepared(decision_id, modified_decision)
        result: dict[str, Any] = self._execution_breaker.call_sync(
            self.trading_platform.execute_trade, decision
        )
        return self._executed(decision, result)

    async def execute_decision_async(
        self, decision_id: str, modified_decision: Decision | None = None
    ) -> dict[str, Any]:
        """Execute a stored or given decision without blocking the event loop.

        Raises:
            ValueError: There is no such decision, or it is not an order.
            CircuitBreakerOpenError: Too many orders failed of late.
        """
        decision = self._prepared(decision_id, modified_decision)
        result: dict[str, Any] = await self._execution_breaker.call(
            self.trading_platform.aexecute_trade, decision
        )
        return self._executed(decision, result)

    def _prepared(self, decision_id: str, modified: Decision | None) -> Decision:
        decision = dict(modified or {}) or self.decision_store.get_decision_by_id(decision_id)
        if not decision:
            raise ValueError(f"there is no decision {decision_id}")
        intent = INTENTS.get(str(decision.get("policy_action")))
        if intent is None or float(decision.get("suggested_amount") or 0) <= 0:
            raise ValueError(f"decision {decision_id} is not an order: {decision.get('action')}")
        return decision

    def _executed(self, decision: Decision, result: dict[str, Any]) -> dict[str, Any]:
        decision["execution_result"] = result
        decision["executed_at"] = datetime.now(UTC).isoformat()
        self.decision_store.update_decision(decision)
        return result

    def record_trade_outcome(
        self,
        decision_or_id: Any,
        exit_price: float | None = None,
        exit_timestamp: str | None = None,
        hit_stop_loss: bool = False,
        hit_take_profit: bool = False,
    ) -> TradeOutcome:
        """Remember how a trade ended, and return it.

        Args:
            decision_or_id: A closed trade, or the id of the decision that opened it.
            exit_price: Needed with an id; without it the entry price is taken.
            exit_timestamp: Not used; the trade has it.
            hit_stop_loss: Not used; no orders of that kind exist here.
            hit_take_profit: Not used, likewise.

        Raises:
            ValueError: There is no decision with this id.
        """
        del exit_timestamp, hit_stop_loss, hit_take_profit
        trade = decision_or_id
        if isinstance(decision_or_id, str):
            decision = self.decision_store.get_decision_by_id(decision_or_id)
            if decision is None:
                raise ValueError(f"there is no decision {decision_or_id}")
            trade = _as_trade(decision, exit_price)
        cost = trade["entry_price"] * trade["exit_size"]
        outcome = TradeOutcome(
            decision_id=trade["decision_id"],
            asset_pair=trade["asset_pair"],
            side=trade["side"],
            entry_price=trade["entry_price"],
            exit_price=trade["exit_price"],
            realized_pnl=trade["realized_pnl"],
            pnl_percentage=trade["realized_pnl"] / cost * 100 if cost else 0.0,
            was_profitable=trade["realized_pnl"] > 0,
            holding_period_hours=trade["holding_duration_hours"],
        )
        self.memory_engine.record_trade_outcome(outcome)
        return outcome

    def perform_health_check(self) -> tuple[bool, list[str]]:
        """Return whether all breakers are closed, and which are not."""
        breakers = (
            self._execution_breaker,
            self.data_provider.coinbase.circuit_breaker,
            self.unified_provider.coinbase.circuit_breaker,
        )
        issues = [
            f"{item.name} is {item.state.value}"
            for item in breakers
            if item.state.value != "CLOSED"
        ]
        return not issues, issues


def _as_trade(decision: Decision, exit_price: float | None) -> dict[str, Any]:
    intent = INTENTS[decision["policy_action"]]
    entry = float(decision["entry_price"])
    price = exit_price or entry
    size = float(decision["suggested_amount"]) / entry
    direction = 1 if intent.side == "LONG" else -1
    return {
        "decision_id": decision["id"],
        "asset_pair": decision["asset_pair"],
        "side": intent.side,
        "entry_price": entry,
        "exit_price": price,
        "exit_size": size,
        "realized_pnl": (price - entry) * size * direction,
        "holding_duration_hours": 0.0,
    }
