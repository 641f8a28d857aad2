# SPDX-License-Identifier: Apache-2.0
"""Closed trades and their profit or loss, once a close.

The engine tells of one close several times, with different decision ids and amounts: the
direct hand-over at execution (priced before the fill is known, often zero), the outcome
recorder, and the agent's own tally fed by whichever came last. The recorder's outcome is
the one taken: it is made once for each position that disappears, from entry price, exit
price and size, and it is what the engine keeps on disk. Its records of single orders are
left out, since they are made for entries as well, priced against the current market.
An engine without a recorder has only the agent's tally.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import venues
from ffe_otel.capture.hooks.about import about_trade, asset_pair_of
from ffe_otel.capture.hooks.facts import UNKNOWN, field, number, text

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Call

VENUE: Final = otel_context.create_key("ffe-otel-venue")
_ORDER_RECORD: Final = "order_id_tracking"
_HELD: Final = {"LONG": "LONG", "BUY": "LONG", "SHORT": "SHORT", "SELL": "SHORT"}


def _saved(call: Call) -> Generator[None, Any, None]:
    outcome = call.get("outcome")
    with about_trade(outcome):
        yield
    if field(outcome, "recorded_via") != _ORDER_RECORD:
        _report(outcome)


def _tallied(call: Call) -> Generator[None, Any, None]:
    outcome = call.get("trade_outcome")
    with about_trade(outcome):
        yield
    engine = getattr(call.instance, "engine", None)
    if getattr(engine, "trade_outcome_recorder", None) is None:
        _report(outcome)


def _report(outcome: Any) -> None:
    pnl = number(field(outcome, "realized_pnl"))
    if pnl is None:
        return
    venue = venues.named(field(outcome, "platform")) or text(otel_context.get_value(VENUE))
    api.trade_outcome(
        asset_pair_of(outcome) or UNKNOWN,
        pnl,
        action=_action(field(outcome, "side")),
        platform=venue or UNKNOWN,
        decision_id=text(field(outcome, "decision_id")),
        duration_seconds=number(field(outcome, "holding_duration_seconds")),
    )


def _action(side: Any) -> str:
    """What was closed, in words that no order has: both are ``trade_executions``."""
    held = _HELD.get((text(side) or "").upper())
    return f"CLOSE_{held}" if held else "CLOSE"


HOOKS: Final = (
    Hook(
        "outcome.saved",
        "finance_feedback_engine.monitoring.trade_outcome_recorder",
        "TradeOutcomeRecorder._save_outcome",
        _saved,
        ("outcome",),
    ),
    Hook(
        "outcome.tallied",
        "finance_feedback_engine.agent.trading_loop_agent",
        "TradingLoopAgent._update_performance_metrics",
        _tallied,
        ("trade_outcome",),
    ),
)
