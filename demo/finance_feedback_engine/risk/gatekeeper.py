# SPDX-License-Identifier: Apache-2.0
"""Says which trades may be made."""

from __future__ import annotations

import logging
from typing import Any

from finance_feedback_engine.decision_engine.policy import HOLD, INTENTS
from finance_feedback_engine.observability import instruments

logger = logging.getLogger(__name__)

_HIGH_VOLATILITY = 0.04
_NEEDED_CONFIDENCE = 0.80


class RiskGatekeeper:
    """Checks a decision against limits; what makes a position smaller passes all but the first.

    Args:
        max_drawdown_pct: Loss from the latest peak, as a fraction, that ends new entries.
        correlation_threshold: Correlation with a held asset above which no more is bought.
        max_correlated_assets: Not used.
        max_var_pct: Value at risk, as a fraction of the account, that ends new entries.
        var_confidence: Shown in the log.
        is_backtest: Old data is normal then.
    """

    def __init__(
        self,
        max_drawdown_pct: float = 0.05,
        correlation_threshold: float = 0.7,
        max_correlated_assets: int = 2,
        max_var_pct: float = 0.05,
        var_confidence: float = 0.95,
        is_backtest: bool = False,
    ) -> None:
        self.max_drawdown_pct = max_drawdown_pct
        self.correlation_threshold = correlation_threshold
        self.max_correlated_assets = max_correlated_assets
        self.max_var_pct = max_var_pct
        self.var_confidence = var_confidence
        self.is_backtest = is_backtest

    def validate_trade(self, decision: dict[str, Any], context: dict[str, Any]) -> tuple[bool, str]:
        """Return whether a decision may be executed, and why not."""
        overridden, _ = self.check_market_hours(decision)
        if overridden:
            logger.info("[GATEKEEPER] Trade rejected due to temporal constraints")
            return False, "Trade rejected: temporal constraints (market hours/data freshness)"
        if not _opens(decision):
            logger.info("Allowing de-risking action: %s", decision["policy_action"])
            return True, "De-risking action"
        self._check_cross_platform_correlation(context)
        for check in (
            self._validate_drawdown,
            self._validate_correlation,
            self._validate_var,
            self._validate_leverage_and_concentration,
            self._validate_volatility,
        ):
            allowed, reason = check(decision, context)
            if not allowed:
                instruments.risk_blocks.add(
                    1, {"reason": check.__name__.removeprefix("_validate_")}
                )
                return False, reason
        logger.info("Trade approved by RiskGatekeeper")
        return True, "Trade approved"

    def check_market_hours(self, decision: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        """Return whether a decision must become one to hold, and the decision to take instead."""
        data = decision.get("market_data", {})
        freshness = data.get("data_freshness", {})
        stale = not self.is_backtest and not freshness.get("is_fresh", True)
        closed = not data.get("market_status", {}).get("is_open", True)
        if not _opens(decision) or not (stale or closed):
            return False, decision
        action = decision.get("action")
        if closed:
            logger.warning("[GATEKEEPER] Market is CLOSED. Overriding %s → HOLD.", action)
        if stale:
            age = freshness.get("age", "unknown age")
            logger.error("[GATEKEEPER] Data is STALE (%s). Overriding %s → HOLD.", age, action)
        return True, {**decision, "action": HOLD, "policy_action": HOLD}

    def _validate_drawdown(
        self, decision: dict[str, Any], context: dict[str, Any]
    ) -> tuple[bool, str]:
        del decision
        drawdown = context["risk_metrics"]["drawdown_pct"]
        if drawdown < -self.max_drawdown_pct * 100:
            limit = self.max_drawdown_pct * 100
            logger.warning("Max drawdown exceeded: %.2f%% (limit: -%.2f%%)", drawdown, limit)
            return False, f"Max drawdown exceeded ({drawdown:.2f}%)"
        return True, "Drawdown check passed"

    def _validate_correlation(
        self, decision: dict[str, Any], context: dict[str, Any]
    ) -> tuple[bool, str]:
        side = INTENTS[decision["policy_action"]].side
        found = context["correlation_analysis"]["correlations"]
        for asset, correlation in sorted(found.items()):
            same_way = context["holdings"].get(asset) == side
            if same_way and correlation > self.correlation_threshold:
                pair = f"{decision['asset_pair']} and {asset}"
                logger.warning("Correlation warning: %s move together (%.2f)", pair, correlation)
                return False, f"Correlation limit exceeded: {pair} at {correlation:.2f}"
        return True, "Correlation check passed"

    def _validate_var(self, decision: dict[str, Any], context: dict[str, Any]) -> tuple[bool, str]:
        del decision
        risk = context["var_analysis"]["var_pct"]
        if risk > self.max_var_pct:
            logger.warning(
                "Portfolio VaR exceeded: %.2f%% (limit: %.2f%% @ %.0f%% confidence)",
                risk * 100,
                self.max_var_pct * 100,
                self.var_confidence * 100,
            )
            return False, f"Portfolio VaR limit exceeded: {risk:.2%} (max: {self.max_var_pct:.2%})"
        return True, "VaR check passed"

    def _check_cross_platform_correlation(self, context: dict[str, Any]) -> None:
        sides = set(context["holdings"].values())
        if len(context["holdings"]) > 1 and len(sides) == 1:
            logger.info("All positions are %s", sides.pop())

    def _validate_leverage_and_concentration(
        self, decision: dict[str, Any], context: dict[str, Any]
    ) -> tuple[bool, str]:
        equity = context["risk_metrics"]["account_value"]
        share = decision["suggested_amount"] / equity if equity > 0 else 1.0
        leverage = context["risk_metrics"]["leverage_estimate"] + share
        limit = context["max_leverage"]
        if leverage > limit:
            logger.warning("Leverage limit exceeded: %.2f > %s", leverage, limit)
            return False, f"Leverage {leverage:.2f} exceeds max {limit}"
        asset = decision["asset_pair"]
        held = context["position_concentration"]["asset_position_pct"].get(asset, 0.0)
        after = held + share * 100
        most = context["max_concentration"]
        if after > most:
            logger.warning(
                "Position concentration limit exceeded (including reserved): %.1f%% > %s%%",
                after,
                most,
            )
            return False, (
                f"Effective position concentration for {asset} {after:.1f}% exceeds max {most}%"
            )
        return True, "Leverage/concentration check passed"

    def _validate_volatility(
        self, decision: dict[str, Any], context: dict[str, Any]
    ) -> tuple[bool, str]:
        del context
        volatility, confidence = decision["volatility"], decision["confidence"] / 100
        if volatility > _HIGH_VOLATILITY and confidence < _NEEDED_CONFIDENCE:
            logger.warning(
                "Volatility/confidence threshold: vol=%.3f, confidence=%.2f", volatility, confidence
            )
            return False, "Volatility/confidence threshold exceeded"
        return True, "Volatility/confidence check passed"


def _opens(decision: dict[str, Any]) -> bool:
    """Tell whether a decision makes a position larger; a plain BUY or SELL may."""
    intent = INTENTS.get(str(decision.get("policy_action") or decision.get("action")))
    return intent is None or intent.opens
