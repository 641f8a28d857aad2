# SPDX-License-Identifier: Apache-2.0
"""Observability for autonomous trading agents, built on OpenTelemetry.

``opentelemetry-instrument python -m finance_feedback_engine`` needs no code. For an
agent of your own: ``install()`` once, then ``cycle``, ``phase`` and the other steps as
context managers or decorators.

Names are loaded when they are first used: pytest imports this package wherever it is
installed, also in runs that have nothing to do with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_INSTALL = ("Handle", "install")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(
        "ffe_otel.capture.install" if name in _INSTALL else "ffe_otel.capture.api"
    )
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
