# SPDX-License-Identifier: Apache-2.0
"""From market data to one decision."""

from __future__ import annotations

import json
import logging
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import ollama

from finance_feedback_engine.observability import instruments
from finance_feedback_engine.observability.instruments import tracer

from .ai_decision_manager import AIDecisionManager
from .policy import HOLD, INTENTS, allowed_actions
from .prompts import decision_prompt, facts, market_brief_prompt

if TYPE_CHECKING:
    from finance_feedback_engine.monitoring.context_provider import MonitoringContextProvider

logger = logging.getLogger(__name__)

PRE_REASONER = "deepseek-r1:8b"
_BRIEF_ERRORS = (ValueError, ConnectionError, TimeoutError, ollama.ResponseError, httpx.HTTPError)


class DecisionEngine:
    """Asks for a market brief, then for a decision, and completes it with what an order needs.

    Args:
        config: See ``AIDecisionManager``.
        data_provider: Not used; market data is handed in.
        backtest_mode: Passed on.
    """

    def __init__(
        self, config: dict[str, Any], data_provider: Any = None, backtest_mode: bool = False
    ) -> None:
        del data_provider
        self.config = config
        self.ai_manager = AIDecisionManager(config, backtest_mode)
        self.ai_provider = self.ai_manager.ai_provider
        self.monitoring_provider: MonitoringContextProvider | None = None

    async def generate_decision(
        self,
        asset_pair: str,
        market_data: dict[str, Any],
        balance: dict[str, float],
        portfolio: dict[str, Any] | None = None,
        memory_context: dict[str, Any] | None = None,
        monitoring_context: dict[str, Any] | None = None,
        provider_override: str | None = None,
    ) -> dict[str, Any]:
        """Return a decision; one to hold when the market brief sees nothing to act on.

        Raises:
            RuntimeError: The providers failed.
        """
        began = time.perf_counter()
        labels = {"asset_pair": asset_pair, "status": "error"}
        try:
            with tracer.start_as_current_span("decision.generate") as span:
                span.set_attribute("asset_pair", asset_pair)
                span.set_attribute("portfolio_present", portfolio is not None)
                span.set_attribute("memory_present", memory_context is not None)
                if monitoring_context is None and self.monitoring_provider is not None:
                    monitoring_context = self.monitoring_provider.get_monitoring_context(asset_pair)
                context = monitoring_context or {}
                positions = context.get("active_positions", {}).get("futures", [])
                span.set_attribute("monitor.active_positions", len(positions))
                span.set_attribute("monitor.slots_available", context.get("slots_available", 0))
                decision = await self._decide(
                    asset_pair, market_data, _held(positions), provider_override
                )
            equity = float((portfolio or {}).get("total_value_usd") or sum(balance.values()))
            self._complete(decision, asset_pair, market_data, positions, equity)
            labels["status"] = "success"
            return decision
        finally:
            spent = time.perf_counter() - began
            instruments.decision_generation.record(spent, labels)
            logger.info("REASONING timing for %s: total_s=%.4f", asset_pair, spent)

    async def _decide(
        self,
        asset_pair: str,
        market_data: dict[str, Any],
        position: dict[str, Any],
        provider_override: str | None,
    ) -> dict[str, Any]:
        known = facts(asset_pair, market_data, position)
        brief = await self._market_brief(asset_pair, known)
        if not brief.get("actionable", True):
            reason = brief.get("skip_reason") or "not actionable"
            logger.info("Pre-reasoner: skipping debate for %s | reason=%s", asset_pair, reason)
            return {
                "action": HOLD,
                "policy_action": HOLD,
                "confidence": int(brief.get("regime_confidence", 50)),
                "reasoning": f"[PRE-REASON SKIP] {reason}",
                "amount": 0.0,
                "decision_origin": "pre_reasoner",
                "market_regime": brief.get("regime"),
                "model_name": PRE_REASONER,
                "position_state": position["state"],
            }
        decision = await self._query_ai(
            decision_prompt(known, position["state"], brief),
            asset_pair,
            market_data,
            provider_override,
            brief.get("regime"),
        )
        decision = {"decision_origin": "model", **decision, "position_state": position["state"]}
        decision["market_regime"] = decision.get("market_regime") or brief.get("regime")
        return decision

    async def _market_brief(self, asset_pair: str, known: str) -> dict[str, Any]:
        try:
            answer = json.loads(
                await self.ai_manager._query_single_provider_raw(  # noqa: SLF001 - one package
                    PRE_REASONER, market_brief_prompt(known)
                )
            )
        except _BRIEF_ERRORS as error:
            logger.warning("Pre-reasoner failed for %s, deciding without: %s", asset_pair, error)
            return {}
        return answer if isinstance(answer, dict) else {}

    async def _query_ai(
        self,
        prompt: str,
        asset_pair: str | None = None,
        market_data: dict[str, Any] | None = None,
        provider_override: str | None = None,
        market_regime: str | None = None,
    ) -> dict[str, Any]:
        return await self.ai_manager.query_ai(
            prompt, asset_pair, market_data, provider_override, market_regime
        )

    def _complete(
        self,
        decision: dict[str, Any],
        asset_pair: str,
        market_data: dict[str, Any],
        positions: list[dict[str, Any]],
        equity: float,
    ) -> None:
        action = str(decision["policy_action"])
        if action not in allowed_actions(decision["position_state"]):
            decision["structural_action_validity"] = "invalid"
            decision["invalid_action_reason"] = f"{action} while {decision['position_state']}"
        intent = INTENTS.get(action)
        amount = 0.0
        if intent is not None and intent.opens:
            amount = equity * intent.fraction
        elif intent is not None and positions:
            amount = positions[0]["notional_usd"] * intent.fraction
        decision.update(
            id=str(uuid.uuid4()),
            asset_pair=asset_pair,
            timestamp=datetime.now(UTC).isoformat(),
            ai_provider=self.ai_provider,
            market_data=market_data,
            entry_price=market_data["close"],
            volatility=market_data["volatility"],
            stop_loss_fraction=max(0.01, 1.5 * market_data["volatility"]),
            suggested_amount=amount,
        )
        decision.setdefault("model_name", None)
        decision.setdefault("ensemble_metadata", {})


def _held(positions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the state and the gain in percent of the position in one asset."""
    if not positions:
        return {"state": "flat", "pnl_pct": 0.0}
    position = positions[0]
    cost = position["contracts"] * position["entry_price"]
    return {
        "state": position["side"].lower(),
        "pnl_pct": position["unrealized_pnl"] / cost * 100 if cost else 0.0,
    }
