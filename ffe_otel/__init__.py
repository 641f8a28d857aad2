# SPDX-License-Identifier: Apache-2.0
"""Observability for autonomous trading agents, built on OpenTelemetry.

``opentelemetry-instrument python -m finance_feedback_engine`` needs no code. For an
agent of your own: ``install()`` once, then ``cycle``, ``phase`` and the other steps as
context managers or decorators.
"""

from ffe_otel.capture.api import (
    agent_run,
    breaker_state,
    cache,
    current_cycle,
    cycle,
    data_fetch,
    debate_role,
    decision,
    ensemble,
    llm_call,
    monitor,
    phase,
    portfolio,
    recovery,
    risk_check,
    risk_rule,
    risk_veto,
    trade,
    trade_outcome,
    transition,
)
from ffe_otel.capture.install import Handle, install

__all__ = [
    "Handle",
    "agent_run",
    "breaker_state",
    "cache",
    "current_cycle",
    "cycle",
    "data_fetch",
    "debate_role",
    "decision",
    "ensemble",
    "install",
    "llm_call",
    "monitor",
    "phase",
    "portfolio",
    "recovery",
    "risk_check",
    "risk_rule",
    "risk_veto",
    "trade",
    "trade_outcome",
    "transition",
]
