# SPDX-License-Identifier: Apache-2.0
"""The engine's own Prometheus families, in the default registry."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Summary, generate_latest

decision_latency_seconds = Histogram(
    "ffe_decision_latency_seconds", "Time to reach a trading decision", ["provider", "asset_pair"]
)
provider_requests_total = Counter(
    "ffe_provider_requests_total", "Requests to AI providers", ["provider", "status"]
)
trade_pnl_dollars_summary = Summary(
    "ffe_trade_pnl_dollars_summary", "Profit or loss of closed trades", ["asset_pair"]
)
circuit_breaker_state = Gauge(
    "ffe_circuit_breaker_state", "0 closed, 1 open, 2 half open", ["service"]
)
portfolio_value_dollars = Gauge(
    "ffe_portfolio_value_dollars", "What the portfolio is worth", ["platform"]
)
active_trades_total = Gauge("ffe_active_trades_total", "Open positions", ["platform"])
agent_state = Gauge("ffe_agent_state", "The state of the trading loop as a number")
decision_confidence = Gauge(
    "ffe_decision_confidence", "Confidence of the latest decision", ["asset_pair", "action"]
)
dashboard_queue_depth = Gauge(
    "ffe_dashboard_queue_depth", "Events that wait for a dashboard", ["queue"]
)
dashboard_events_dropped_total = Counter(
    "ffe_dashboard_events_dropped_total", "Events that no dashboard took in time", ["queue"]
)


def generate_metrics() -> str:
    """Return the default registry in Prometheus text format."""
    return generate_latest().decode()


def record_decision_latency(provider: str, asset_pair: str, duration_seconds: float) -> None:
    decision_latency_seconds.labels(provider, asset_pair).observe(duration_seconds)


def increment_provider_request(provider: str, status: str) -> None:
    provider_requests_total.labels(provider, status).inc()


def update_trade_pnl_trade(asset_pair: str, trade_id: str, pnl_dollars: float) -> None:
    """Record a closed trade; its id is not a label, or every trade would be a series."""
    del trade_id
    trade_pnl_dollars_summary.labels(asset_pair).observe(pnl_dollars)


def update_circuit_breaker_state(service: str, state: int) -> None:
    circuit_breaker_state.labels(service).set(state)


def update_portfolio_value(platform: str, value_dollars: float) -> None:
    portfolio_value_dollars.labels(platform).set(value_dollars)


def update_active_trades(platform: str, count: int) -> None:
    active_trades_total.labels(platform).set(count)


def update_agent_state(state_value: int) -> None:
    agent_state.set(state_value)


def update_decision_confidence(asset_pair: str, action: str, confidence: float) -> None:
    decision_confidence.labels(asset_pair, action).set(confidence)


def update_dashboard_queue_metrics(queue_name: str, depth: int, max_size: int) -> None:
    """Record how full a queue is; ``max_size`` belongs to the signature and is not shown."""
    del max_size
    dashboard_queue_depth.labels(queue_name).set(depth)


def increment_dashboard_events_dropped(queue_name: str) -> None:
    dashboard_events_dropped_total.labels(queue_name).inc()
