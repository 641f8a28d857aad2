# SPDX-License-Identifier: Apache-2.0
"""Orders. Of the engine's three levels for one trade the outermost knows the whole answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import venues
from ffe_otel.capture.hooks.about import asset_pair_of, turn_to
from ffe_otel.capture.hooks.facts import UNKNOWN, carrying, field, number, text

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Call
    from ffe_otel.capture.steps.trading import Trade


_ORDER: Final = otel_context.create_key("ffe-otel-order")
_OPENING: Final = frozenset({"OPEN", "ADD"})
_CLOSING: Final = frozenset({"CLOSE", "REDUCE"})


def _execute(call: Call) -> Generator[None, Any, None]:
    engine, decision = call.instance, call.get("modified_decision")
    pair, decision_id = asset_pair_of(decision), text(call.get("decision_id"))
    turn_to(pair, decision_id)  # the agent goes on about it after the order
    with api.trade(
        pair or UNKNOWN,
        _side(decision),
        venues.of(getattr(engine, "trading_platform", None)),
        decision_id=decision_id,
        confidence=number(field(decision, "confidence")),
    ) as step:
        with carrying(_ORDER, step):
            result = yield
        _settle(step, result)


def _routed(_call: Call) -> Generator[None, Any, None]:
    """The venue chosen of several, which an order that fails there does not name."""
    venue = venues.named((yield))
    order: Any = otel_context.get_value(_ORDER)
    if order is not None and venue is not None:
        order.routed(venue)


def _side(decision: Any) -> str:
    """``BUY`` or ``SELL``: a policy action such as ``CLOSE_LONG`` says so in two steps."""
    action = text(field(decision, "policy_action")) or text(field(decision, "action")) or UNKNOWN
    verb, _, rest = action.partition("_")
    if verb not in _OPENING | _CLOSING or not rest.endswith(("LONG", "SHORT")):
        return action
    return "BUY" if (verb in _OPENING) == rest.endswith("LONG") else "SELL"


def _settle(step: Trade, result: Any) -> None:
    if not field(result, "success"):
        reason = text(field(result, "error")) or text(field(result, "message"))
        step.rejected(reason or "the platform did not execute the order")
        return
    slippage = number(field(result, "slippage_applied"))  # in percent of the price
    step.filled(
        order_id=text(field(result, "order_id")),
        status=text(field(result, "order_status")),
        price=number(field(result, "execution_price")),
        size=number(field(result, "filled_size")),
        fee=number(field(result, "fee_amount")),
        slippage=slippage / 100 if slippage is not None else None,
        platform=venues.named(field(result, "platform")),
    )


HOOKS: Final = (
    Hook(
        "execution.trade",
        "finance_feedback_engine.core",
        "FinanceFeedbackEngine.execute_decision_async",
        _execute,
        ("decision_id", "modified_decision"),
    ),
    Hook(
        "execution.routing",
        "finance_feedback_engine.trading_platforms.unified_platform",
        "UnifiedTradingPlatform._resolve_target_platform_name",
        _routed,
        optional=True,
    ),
)
