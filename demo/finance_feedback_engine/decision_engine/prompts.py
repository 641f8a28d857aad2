# SPDX-License-Identifier: Apache-2.0
"""The texts that language models are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finance_feedback_engine.simulation.rules import ANALYST_MARK

from .policy import allowed_actions

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER = (
    "Answer with one JSON object and nothing else. Keys: action and policy_action (the same, one "
    "of the allowed actions), candidate_actions (a list that begins with it), confidence (0 to "
    "100), reasoning (one sentence), amount (a number)."
)
_TASKS = {
    "bull": "Make the best case for higher prices.",
    "bear": "Make the best case for lower prices.",
    "judge": "Weigh both cases and decide.",
}


def facts(asset_pair: str, market: Mapping[str, Any], position: Mapping[str, Any]) -> str:
    """Return what is known of an asset, one fact a line."""
    sentiment = market.get("sentiment", {})
    closes = ", ".join(f"{close:.2f}" for close in market["closes"])
    return "\n".join(
        (
            f"Asset: {asset_pair}",
            f"Trading day: {market['data_date']}",
            f"Last close: {market['close']:.2f}",
            f"Closes: {closes}",
            f"Daily volatility: {market['volatility']:.4f}",
            f"News tone: {sentiment.get('overall_sentiment', 'unknown')}",
            f"Position State: {position['state']}",
            f"Position P&L percent: {position['pnl_pct']:.2f}",
        )
    )


def market_brief_prompt(known: str) -> str:
    """Return the prompt of the query that asks whether there is anything to decide."""
    return (
        f"{ANALYST_MARK}\nYou look at one market before others decide.\n{known}\n"
        "Answer with one JSON object: regime (trending_up, trending_down or ranging), "
        "regime_confidence (0 to 100), actionable (true or false), skip_reason, key_question, "
        "reasoning."
    )


def decision_prompt(known: str, position_state: str, brief: Mapping[str, Any]) -> str:
    """Return the prompt of the query that asks for a decision."""
    return (
        "You advise a paper-trading account.\n"
        f"{known}\n"
        f"Market brief: {brief.get('regime', 'unknown')}; {brief.get('reasoning', '')}\n"
        f"Allowed actions: {', '.join(allowed_actions(position_state))}\n{_ANSWER}"
    )


def role_suffix(role: str, cases: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Return what turns a decision prompt into one for a seat in a debate."""
    lines = ["", f"Debate role: {role}", _TASKS[role]]
    for side, case in (cases or {}).items():
        lines.append(
            f"The {side} says {case.get('action')} ({case.get('confidence')}%): "
            f"{case.get('reasoning')}"
        )
    return "\n".join(lines)
