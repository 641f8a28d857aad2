# SPDX-License-Identifier: Apache-2.0
"""Risk: the gatekeeper, its rules, and the other layers that keep a decision from trading.

The gatekeeper is one of four layers. The agent marks every decision it does not execute,
whichever layer stopped it; a rejection by the gatekeeper or by the performance rules was
counted where it was made and is not counted again when it is marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks.about import about_decision, asset_pair_of, turn_to
from ffe_otel.capture.hooks.facts import carrying, field, text
from ffe_otel.capture.hooks.reasons import MARKET_HOURS, OTHER, STALE_DATA, engine_code, risk_code

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Body, Call

_GATEKEEPER: Final = "finance_feedback_engine.risk.gatekeeper"
_AGENT: Final = "finance_feedback_engine.agent.trading_loop_agent"
_CHECK: Final = otel_context.create_key("ffe-otel-risk-check")
_COUNTED_ALREADY: Final = "RISK_REJECTED"
_LAYERS: Final = {
    "INVALID_POLICY_ACTION": "policy",
    "RISK_VETO": "policy",
    "DUPLICATE_ENTRY_GUARD": "duplicate_guard",
}


class _Check:
    """What a rule tells the check it is part of."""

    __slots__ = ("code",)

    def __init__(self) -> None:
        self.code: str | None = None


def _verdict(result: Any) -> tuple[bool, str | None]:
    allowed, reason = result
    return bool(allowed), text(reason)


def _validate(call: Call) -> Generator[None, Any, None]:
    check, decision = _Check(), call.get("decision")
    pair = asset_pair_of(decision)
    turn_to(pair, text(field(decision, "id")))
    with api.risk_check(pair) as step, carrying(_CHECK, check):
        allowed, reason = _verdict((yield))
        if allowed:
            step.approve(reason)
        else:
            step.reject(reason or "rejected", check.code or risk_code(reason))


def _rule(name: str, code: str) -> Body:
    def body(_call: Call) -> Generator[None, Any, None]:
        with api.risk_rule(name) as step:
            allowed, reason = _verdict((yield))
            if allowed:
                step.approve(reason)
            else:
                found = risk_code(reason)
                step.reject(reason or name, found if found != OTHER else code)

    return body


def _market_hours(call: Call) -> Generator[None, Any, None]:
    """The gatekeeper's text names both reasons at once; the decision says which it was."""
    with api.risk_rule(MARKET_HOURS) as step:
        needs_override, _ = yield
        if not needs_override:
            step.approve()
            return
        data = field(call.get("decision"), "market_data")
        is_open = field(field(data, "market_status"), "is_open", True)
        code = STALE_DATA if is_open else MARKET_HOURS
        step.reject("the data is stale" if is_open else "the market is closed", code)
        check: Any = otel_context.get_value(_CHECK)
        if check is not None:
            check.code = code


def _warning_only(name: str) -> Body:
    def body(_call: Call) -> Generator[None, Any, None]:
        with api.risk_rule(name) as step:
            yield
            step.approve()

    return body


def _performance(call: Call) -> Generator[None, Any, None]:
    allowed, reason = _verdict((yield))
    if not allowed:
        api.risk_veto(
            "performance", "performance", reason or "rejected", asset_pair_of(call.get("decision"))
        )


def _gate(call: Call) -> Generator[None, Any, None]:
    with about_decision(call.get("decision")):
        yield


def _not_executed(call: Call) -> Generator[None, Any, None]:
    decision, code = call.get("decision"), str(call.get("reason_code"))
    reason, pair = text(call.get("reason")), asset_pair_of(decision)
    with about_decision(decision):
        yield
    if code != _COUNTED_ALREADY:
        layer = _LAYERS.get(code, "execution_gate")
        api.risk_veto(layer, engine_code(code), reason or code, pair)


def _gatekeeper(method: str, wrapper: Body, *parameters: str) -> Hook:
    name = "risk." + method.strip("_")
    return Hook(name, _GATEKEEPER, f"RiskGatekeeper.{method}", wrapper, parameters)


HOOKS: Final = (
    _gatekeeper("validate_trade", _validate, "decision"),
    _gatekeeper("check_market_hours", _market_hours, "decision"),
    _gatekeeper("_validate_correlation", _rule("correlation", "correlation")),
    _gatekeeper("_validate_var", _rule("var", "var")),
    _gatekeeper(
        "_validate_leverage_and_concentration", _rule("leverage_concentration", "leverage")
    ),
    _gatekeeper("_check_cross_platform_correlation", _warning_only("cross_platform_correlation")),
    Hook(
        "risk.performance",
        _AGENT,
        "TradingLoopAgent._check_performance_based_risks",
        _performance,
        ("decision",),
    ),
    Hook(
        "risk.execution_gate",
        _AGENT,
        "TradingLoopAgent._should_execute_with_reason",
        _gate,
        ("decision",),
    ),
    Hook(
        "risk.not_executed",
        _AGENT,
        "TradingLoopAgent._mark_decision_not_executed",
        _not_executed,
        ("decision", "reason_code", "reason"),
    ),
)
