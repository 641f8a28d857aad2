# SPDX-License-Identifier: Apache-2.0
"""Decisions: their generation, the debate's roles, the ensemble's vote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import about, provider_request
from ffe_otel.capture.hooks.facts import UNKNOWN, field, number, text
from ffe_otel.capture.hooks.reasons import engine_code

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Call
    from ffe_otel.capture.steps.reasoning import Decision

_PACKAGE: Final = "finance_feedback_engine.decision_engine"
_MANAGER: Final = f"{_PACKAGE}.ai_decision_manager"
_ENSEMBLE: Final = f"{_PACKAGE}.ensemble_manager"
_NOT_ASKED: Final = frozenset({"ensemble", "mock"})
_DEBATE: Final = "debate:"
_JUDGE: Final = "judge"


def _generate(call: Call) -> Generator[None, Any, None]:
    provider = call.get("provider_override") or getattr(call.instance, "ai_provider", None)
    with api.decision(about.standard(call.get("asset_pair")) or UNKNOWN, text(provider)) as step:
        decision = yield
        if isinstance(decision, dict):
            _describe(step, decision)


def _describe(step: Decision, decision: dict[str, Any]) -> None:
    code, decision_id = _reason_code(decision), text(decision.get("id"))
    about.decided(decision_id)
    if provider_request.is_fallback(decision):
        _made_up(step, code)
    step.result(
        text(decision.get("policy_action")) or text(decision.get("action")),
        number(decision.get("confidence")),
        decision_id=decision_id,
        provider=text(decision.get("ai_provider")),
        origin=text(decision.get("decision_origin")),
        market_regime=text(decision.get("market_regime")),
        reasoning=text(decision.get("reasoning")),
        reason_code=code,
    )


def _made_up(step: Decision, code: str | None) -> None:
    """The engine goes on with a HOLD of its own making when its provider failed."""
    step.fail(f"fallback decision: {code}")
    cycle = api.current_cycle()
    if cycle is not None:
        cycle.outcome("failed", code)


def _reason_code(decision: dict[str, Any]) -> str | None:
    """Why a decision holds; ``None`` for one that acts or simply holds."""
    if decision.get("filtered_reason_code"):
        return engine_code(decision["filtered_reason_code"])
    if decision.get("position_state_violation"):
        return "position_rule"
    if decision.get("decision_origin") == "pre_reasoner":
        return "pre_reasoner"
    return None


def _query_ai(call: Call) -> Generator[None, Any, None]:
    """A provider asked directly; the ensemble's providers are asked one by one below."""
    provider = text(call.get("provider_override") or getattr(call.instance, "ai_provider", None))
    if provider is None or provider in _NOT_ASKED:
        yield
        return
    yield from provider_request.asking(provider, "single")


def _single_provider(call: Call) -> Generator[None, Any, None]:
    provider = text(call.get("provider_name")) or UNKNOWN
    label = text(call.get("request_label")) or ""
    role = label.removeprefix(_DEBATE) if label.startswith(_DEBATE) else None
    timeout = number(call.get("request_timeout_s"))
    if role != _JUDGE:
        yield from provider_request.asking(provider, role or "ensemble", timeout_seconds=timeout)
        return
    # The judge has no method of its own as the other two have.
    with api.debate_role(_JUDGE, provider) as step:
        answer = yield from provider_request.asking(provider, _JUDGE, timeout_seconds=timeout)
        if provider_request.is_fallback(answer):
            step.failed(provider_request.fallback_reason(answer))


def _raw_provider(call: Call) -> Generator[None, Any, None]:
    provider = text(call.get("provider_name")) or UNKNOWN
    yield from provider_request.asking(provider, "pre_reason")


def _debate_role(call: Call) -> Generator[None, Any, None]:
    role = text(call.get("role")) or UNKNOWN
    with api.debate_role(role, text(call.get("provider"))) as step:
        result = yield
        if field(result, "case") is None:
            failed = field(result, "failed") or ()
            step.failed(f"no usable case from {', '.join(map(str, failed)) or 'the provider'}")


def _council(call: Call) -> Generator[None, Any, None]:
    """The agent's words on who said what in the debate."""
    decision = call.get("decision")
    pair = about.standard(call.get("asset_pair")) or about.asset_pair_of(decision)
    with about.about(pair, text(field(decision, "id"))):
        yield


def _aggregate(_call: Call) -> Generator[None, Any, None]:
    with api.ensemble() as step:
        result = yield
        metadata = field(result, "ensemble_metadata")
        step.set(
            {
                semconv.ENSEMBLE_AGREEMENT: number(field(metadata, "agreement_score")),
                semconv.ENSEMBLE_STRATEGY: text(field(metadata, "voting_strategy")),
            }
        )


def _manager(method: str, wrapper: Any, *parameters: str) -> Hook:
    name = "decision." + method.strip("_")
    return Hook(name, _MANAGER, f"AIDecisionManager.{method}", wrapper, parameters)


HOOKS: Final = (
    Hook(
        "decision.generate",
        f"{_PACKAGE}.engine",
        "DecisionEngine.generate_decision",
        _generate,
        ("asset_pair", "provider_override"),
    ),
    _manager("query_ai", _query_ai, "provider_override"),
    _manager(
        "_query_single_provider",
        _single_provider,
        "provider_name",
        "request_label",
        "request_timeout_s",
    ),
    _manager("_query_single_provider_raw", _raw_provider, "provider_name"),
    _manager("_query_debate_role", _debate_role, "role", "provider"),
    *(
        Hook(f"decision.{method}", _ENSEMBLE, f"EnsembleDecisionManager.{method}", _aggregate)
        for method in ("aggregate_decisions", "aggregate_decisions_two_phase", "debate_decisions")
    ),
    Hook(
        "decision.council",
        "finance_feedback_engine.agent.trading_loop_agent",
        "TradingLoopAgent._log_council_summary",
        _council,
        ("decision", "asset_pair"),
        optional=True,
    ),
)
