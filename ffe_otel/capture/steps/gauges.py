# SPDX-License-Identifier: Apache-2.0
"""Readings without a duration: breakers, portfolio, caches."""

from __future__ import annotations

from ffe_otel import semconv
from ffe_otel.capture import runtime


def _gauge(metric: semconv.Metric, value: float, label: str) -> None:
    rt = runtime.get()
    if rt is None:
        return
    try:
        rt.instruments.record(metric, value, label)
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed(metric.name)


def breaker_state(service: str, state: str) -> None:
    """Record a circuit breaker's state: ``closed``, ``open`` or ``half_open``."""
    _gauge(semconv.BREAKER_STATE_GAUGE, semconv.BREAKER_STATES.get(state, -1), service)


def portfolio(
    platform: str, *, value_dollars: float | None = None, active_trades: int | None = None
) -> None:
    """Record the portfolio's value in USD and the number of open positions."""
    if value_dollars is not None:
        _gauge(semconv.PORTFOLIO_VALUE, value_dollars, platform)
    if active_trades is not None:
        _gauge(semconv.ACTIVE_TRADES, active_trades, platform)


def cache(name: str, hit: bool) -> None:
    """Count a cache look-up."""
    rt = runtime.get()
    if rt is None:
        return
    try:
        rt.instruments.record(semconv.CACHE_REQUESTS, 1, name, "hit" if hit else "miss")
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed("cache")
