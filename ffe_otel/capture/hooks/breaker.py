# SPDX-License-Identifier: Apache-2.0
"""Circuit breakers, by watching their state: the half-open one is set by plain assignment."""

from __future__ import annotations

from typing import Any, Final

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks.facts import UNKNOWN, text


def _state_set(breaker: Any, _old: Any, new: Any) -> None:
    state = text(getattr(new, "value", new))
    if state is not None:
        service = text(getattr(breaker, "name", None)) or UNKNOWN
        api.breaker_state(service, state.lower().replace("-", "_"))


HOOKS: Final = (
    Hook(
        "breaker.state",
        "finance_feedback_engine.utils.circuit_breaker",
        "CircuitBreaker.state",
        _state_set,
        attribute=True,
    ),
)
