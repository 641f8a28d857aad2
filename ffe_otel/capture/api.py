# SPDX-License-Identifier: Apache-2.0
"""The manual API: what an agent calls to be seen, and what the hooks call for it.

Each function returns a step that is a context manager and a decorator, for sync and
async code::

    with ffe_otel.cycle(["BTCUSD"]) as cycle:
        with ffe_otel.phase("perception"), ffe_otel.data_fetch("coinbase", "candles"):
            candles = fetch()

Nothing here raises because of telemetry, and everything is a cheap no-op while no
capture is installed. An argument of the wrong kind is left out and counted in
``ffe_otel_hook_errors_total``; the step is measured all the same. Inside a cycle a step
is a span; outside it records metrics and events only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel import semconv
from ffe_otel.capture.steps.cycle import (
    Cycle,
    Phase,
    current_cycle,
    log_context,
    set_state,
    transition,
)
from ffe_otel.capture.steps.data import Fetch
from ffe_otel.capture.steps.gauges import breaker_state, cache, portfolio
from ffe_otel.capture.steps.llm import LLMCall
from ffe_otel.capture.steps.reasoning import DebateRole, Decision, Ensemble
from ffe_otel.capture.steps.risk import Risk, risk_veto
from ffe_otel.capture.steps.roots import AgentRun, Monitor, Recovery
from ffe_otel.capture.steps.trading import Trade, trade_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "agent_run",
    "breaker_state",
    "cache",
    "current_cycle",
    "cycle",
    "data_fetch",
    "debate_role",
    "decision",
    "ensemble",
    "llm_call",
    "log_context",
    "monitor",
    "phase",
    "portfolio",
    "recovery",
    "risk_check",
    "risk_rule",
    "risk_veto",
    "set_state",
    "trade",
    "trade_outcome",
    "transition",
]


def agent_run(agent_id: str | None = None) -> AgentRun:
    """The life of an agent from start to stop, in a trace of its own."""
    return AgentRun(agent_id)


def cycle(
    asset_pairs: Sequence[str] = (),
    *,
    agent_id: str | None = None,
    number: int | None = None,
    cycle_id: str | None = None,
    correlation_id: str | None = None,
) -> Cycle:
    """One OODA cycle: a new trace, linked to whatever was current.

    Args:
        asset_pairs: instruments the cycle looks at.
        agent_id: which agent, when a process runs several.
        number: the agent's own count of the cycle.
        cycle_id: the agent's own id of the cycle.
        correlation_id: 32 hex digits or a UUID become the trace id; any other text is
            hashed to one and kept, redacted.
    """
    return Cycle(
        asset_pairs,
        agent_id=agent_id,
        number=number,
        cycle_id=cycle_id,
        correlation_id=correlation_id,
    )


def phase(name: str) -> Phase:
    """A phase of the cycle, usually one of ``semconv.PHASES``."""
    return Phase(name)


def data_fetch(
    service: str, endpoint: str, *, method: str = "GET", asset_pair: str | None = None
) -> Fetch:
    """A call to a data or trading API.

    Args:
        service: provider, for example ``alpha_vantage``; a metric label, keep it bounded.
        endpoint: operation, not a URL; a metric label, keep it bounded.
        method: HTTP method.
        asset_pair: instrument asked for.
    """
    return Fetch(service, endpoint, method=method, asset_pair=asset_pair)


def decision(asset_pair: str, provider: str | None = None) -> Decision:
    """The generation of one decision by an AI provider."""
    return Decision(asset_pair, provider)


def debate_role(role: str, provider: str | None = None) -> DebateRole:
    """A role's case in a debate: ``bull``, ``bear`` or ``judge``."""
    return DebateRole(role, provider)


def ensemble() -> Ensemble:
    """The aggregation of several providers' answers."""
    return Ensemble()


def llm_call(
    provider: str,
    model: str,
    *,
    phase: str = "single",
    operation: str = semconv.GEN_AI_OPERATION_CHAT,
) -> LLMCall:
    """A call to a model: span ``chat {model}``, tokens, cost by the price table.

    Args:
        provider: as in the price table, for example ``ollama`` or ``openai``.
        model: model asked.
        phase: what the call is for: ``single``, ``bull``, ``judge``, ``phase1``, ...
        operation: GenAI operation name.
    """
    return LLMCall(provider, model, phase=phase, operation=operation)


def risk_check(asset_pair: str | None = None, layer: str = "gatekeeper") -> Risk:
    """A risk check with a verdict: call ``approve`` or ``reject`` on the step."""
    return Risk(semconv.SPAN_RISK_CHECK, layer, asset_pair)


def risk_rule(rule: str) -> Risk:
    """One rule of a risk check; its verdict is not counted on its own."""
    return Risk(semconv.SPAN_RISK_RULE, "gatekeeper", rule=rule)


def trade(
    asset_pair: str,
    action: str,
    platform: str,
    *,
    decision_id: str | None = None,
    confidence: float | None = None,
) -> Trade:
    """One order, from sending it to the platform's answer: call ``filled`` or ``rejected``."""
    return Trade(asset_pair, action, platform, decision_id=decision_id, confidence=confidence)


def recovery(platform: str) -> Recovery:
    """Recovery of open positions at start."""
    return Recovery(platform)


def monitor(name: str) -> Monitor:
    """One pass of a monitor thread, in a trace of its own."""
    return Monitor(name)
