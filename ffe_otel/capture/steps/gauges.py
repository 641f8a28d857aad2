# SPDX-License-Identifier: Apache-2.0
"""Readings without a duration: breakers, portfolio, caches."""

from __future__ import annotations

from ffe_otel import semconv
from ffe_otel.capture import runtime
from ffe_otel.capture.steps.arguments import number, text


def _gauge(metric: semconv.Metric, value: float | None, label: str, where: str) -> None:
    rt = runtime.get()
    taken = number(value, where)
    if rt is None or taken is None:
        return
    try:
        rt.instruments.record(metric, taken, text(label, where))
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed(where)


def breaker_state(service: str, state: str) -> None:
    """Record a circuit breaker's state: ``closed``, ``open`` or ``half_open``."""
    value = semconv.BREAKER_STATES.get(text(state, "breaker_state"), -1)
    _gauge(semconv.BREAKER_STATE_GAUGE, value, service, "breaker_state")


def portfolio(
    platform: str, *, value_dollars: float | None = None, active_trades: int | None = None
) -> None:
    """Record the portfolio's value in USD and the number of open positions."""
    _gauge(semconv.PORTFOLIO_VALUE, value_dollars, platform, "portfolio")
    _gauge(semconv.ACTIVE_TRADES, active_trades, platform, "portfolio")


def cache(name: str, hit: bool) -> None:
    """Count a cache look-up."""
    rt = runtime.get()
    if rt is None:
        return
    try:
        label, result = text(name, "cache"), "hit" if hit else "miss"
        rt.instruments.record(semconv.CACHE_REQUESTS, 1, label, result)
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed("cache")
