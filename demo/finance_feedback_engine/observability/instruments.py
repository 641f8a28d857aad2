# SPDX-License-Identifier: Apache-2.0
"""The engine's own OpenTelemetry tracer and instruments; the API alone, so they may go nowhere."""

from opentelemetry import metrics, trace

tracer = trace.get_tracer("finance_feedback_engine")
_meter = metrics.get_meter("finance_feedback_engine")

decision_generation = _meter.create_histogram(
    "ffe_decision_generation_latency_seconds",
    unit="s",
    description="Time to generate one trading decision",
)
provider_query = _meter.create_histogram(
    "ffe_provider_query_latency_seconds",
    unit="s",
    description="Time of one query to a data or AI provider",
)
execution_latency = _meter.create_histogram(
    "ffe_execution_latency_seconds", unit="s", description="Time to execute one order"
)
decisions_created = _meter.create_counter(
    "ffe_decisions_created_total", description="Decisions created"
)
trades_executed = _meter.create_counter(
    "ffe_trades_executed_total", description="Orders that a platform answered"
)
risk_blocks = _meter.create_counter("ffe_risk_blocks_total", description="Trades blocked by risk")
