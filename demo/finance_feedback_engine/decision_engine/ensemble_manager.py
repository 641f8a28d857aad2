# SPDX-License-Identifier: Apache-2.0
"""Makes one decision out of several."""

from __future__ import annotations

import logging
import statistics
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from finance_feedback_engine.observability.instruments import tracer

from .policy import ACTIONS, HOLD, allowed_actions

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

Decision = dict[str, Any]


class EnsembleDecisionManager:
    """Votes, or lets a judge decide between a bull and a bear.

    Args:
        config: ``ensemble`` with ``enabled_providers``, ``provider_weights``, ``debate_mode`` and
            ``debate_providers`` (provider by role).
        dynamic_weights: Replace the configured weights.
    """

    def __init__(
        self, config: dict[str, Any], dynamic_weights: dict[str, float] | None = None
    ) -> None:
        settings = config.get("ensemble", {})
        self.enabled_providers: list[str] = list(settings.get("enabled_providers", []))
        self.base_weights: dict[str, float] = dynamic_weights or dict(
            settings.get("provider_weights", {})
        )
        self.debate_mode = bool(settings.get("debate_mode", False))
        self.debate_providers: dict[str, str] = dict(settings.get("debate_providers", {}))
        self.voting_strategy = "weighted"

    async def aggregate_decisions(
        self,
        provider_decisions: dict[str, Decision],
        failed_providers: list[str] | None = None,
        adjusted_weights: dict[str, float] | None = None,
    ) -> Decision:
        """Return the decision with the most weight, less confident the fewer agree.

        Raises:
            ValueError: There is nothing to aggregate.
        """
        if not provider_decisions:
            raise ValueError("there are no provider decisions to aggregate")
        failed = list(failed_providers or [])
        with tracer.start_as_current_span("ensemble.aggregate") as span:
            for name, item in provider_decisions.items():
                span.add_event("provider_decision", {"provider": name, "action": item["action"]})
            weights = adjusted_weights or self.base_weights
            votes: Counter[str] = Counter()
            for name, item in provider_decisions.items():
                votes[item["action"]] += weights.get(name, 1.0) * item["confidence"]
            action = max(sorted(votes), key=lambda name: votes[name])
            winners = [item for item in provider_decisions.values() if item["action"] == action]
            agreement = len(winners) / len(provider_decisions)
            present = len(provider_decisions) / max(1, len(provider_decisions) + len(failed))
            confidence = statistics.fmean(item["confidence"] for item in winners)
            confidence *= (0.8 + 0.2 * agreement) * (0.7 + 0.3 * present)
            tier = "single_provider" if len(provider_decisions) == 1 else "weighted_voting"
            span.set_attribute("ensemble.agreement_score", agreement)
            span.set_attribute("ensemble.fallback_tier", tier)
        logger.info("Ensemble decision: %s (%d%%) - Agreement: %.2f", action, confidence, agreement)
        return {
            **winners[0],
            "confidence": round(confidence),
            "reasoning": " ".join(item["reasoning"] for item in winners),
            "decision_origin": "ensemble",
            "ensemble_metadata": {
                "providers_used": list(provider_decisions),
                "providers_failed": failed,
                "num_active": len(provider_decisions),
                "agreement_score": agreement,
                "voting_strategy": self.voting_strategy,
                "fallback_tier": tier,
                "provider_decisions": provider_decisions,
                "timestamp": datetime.now(UTC).isoformat(),
            },
        }

    async def aggregate_decisions_two_phase(
        self,
        prompt: str,
        asset_pair: str,
        market_data: dict[str, Any],
        query_function: Callable[[str, str], Any],
    ) -> Decision:
        """Ask the first provider; ask the others too when it is not sure of itself."""
        del market_data
        first, *others = self.enabled_providers
        decisions = {first: await query_function(first, prompt)}
        if decisions[first]["confidence"] < 75:
            logger.info("Two-phase: asking %d more for %s", len(others), asset_pair)
            for name in others:
                decisions[name] = await query_function(name, prompt)
        return await self.aggregate_decisions(decisions)

    def debate_decisions(
        self,
        bull_case: Decision,
        bear_case: Decision,
        judge_decision: Decision,
        failed_debate_providers: list[str] | None = None,
        failed_debate_roles: list[dict[str, Any]] | None = None,
        position_state: str | None = None,
        market_regime: str | None = None,
    ) -> Decision:
        """Return the judge's decision with what was said in the debate.

        An action that the position does not allow becomes one to hold.
        """
        decision = dict(judge_decision)
        if position_state and decision["action"] not in allowed_actions(position_state):
            logger.warning("Judge chose %s while %s; holding", decision["action"], position_state)
            decision.update(action=HOLD, policy_action=HOLD, confidence=40)
        cases = {"bull": bull_case, "bear": bear_case, "judge": judge_decision}
        agreeing = sum(case["action"] == decision["action"] for case in cases.values())
        decision["decision_origin"] = "judge"
        decision["market_regime"] = market_regime
        decision["ensemble_metadata"] = {
            "providers_used": list(self.debate_providers.values()),
            "providers_failed": list(failed_debate_providers or []),
            "failed_roles": list(failed_debate_roles or []),
            "agreement_score": agreeing / len(cases),
            "voting_strategy": "debate",
            "fallback_tier": "none",
            "role_decisions": cases,
            "debate_seats": dict(self.debate_providers),
            "timestamp": datetime.now(UTC).isoformat(),
        }
        return decision

    def _is_valid_provider_response(self, decision: Decision, provider: str) -> bool:
        usable = decision.get("decision_origin") != "fallback" and decision.get("action") in ACTIONS
        if not usable:
            logger.warning("Provider %s returned no usable decision", provider)
        return usable
