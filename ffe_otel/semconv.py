# SPDX-License-Identifier: Apache-2.0
"""Every name this project puts on the wire, spelled once.

Spans and attributes follow OpenTelemetry's conventions where one exists (GenAI: the
open-telemetry/semantic-conventions-genai repository, state "Development"; HTTP and
process: semantic-conventions 1.4x) and live under ``ffe.`` where none does. Metric
names follow the architecture document: ``Metric.name`` is the OpenTelemetry name,
``Metric.prometheus`` what a Prometheus server shows, with the unit and ``_total``
suffixes its exporters add.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

SCOPE: Final = "ffe_otel"
SCOPE_API: Final = "ffe_otel.api"
DEFAULT_SERVICE_NAME: Final = "finance_feedback_engine"
CORRELATION_HEADER: Final = "X-Correlation-ID"


class Sensitivity(Enum):
    """How careful an exporter has to be with a value."""

    PUBLIC = "public"
    OPERATIONAL = "operational"
    FINANCIAL = "financial"
    CONTENT = "content"
    SECRET = "secret"  # noqa: S105 - a class of data, not a password


# Spans

SPAN_CYCLE: Final = "ffe.cycle"
SPAN_PHASE_PREFIX: Final = "ffe.phase."
SPAN_DATA_FETCH: Final = "ffe.data.fetch"
SPAN_DECISION: Final = "ffe.decision.generate"
SPAN_DEBATE_ROLE: Final = "ffe.debate.role"
SPAN_ENSEMBLE: Final = "ffe.ensemble.aggregate"
SPAN_RISK_CHECK: Final = "ffe.risk.check"
SPAN_RISK_RULE: Final = "ffe.risk.rule"
SPAN_TRADE_EXECUTE: Final = "ffe.trade.execute"
SPAN_TRADE_OUTCOME: Final = "ffe.trade.outcome"
SPAN_AGENT_RUN: Final = "ffe.agent.run"
SPAN_RECOVERY: Final = "ffe.position.recovery"
SPAN_MONITOR: Final = "ffe.trade.monitor"

PHASES: Final = ("perception", "reasoning", "risk_check", "execution", "learning")

# The values of ``ffe.agent.state`` and of the gauge ``ffe_agent_state``. The first six
# are the architecture document's; the engine's own gauge numbers them differently.
AGENT_STATES: Final = {
    "IDLE": 0,
    "LEARNING": 1,
    "PERCEPTION": 2,
    "REASONING": 3,
    "RISK_CHECK": 4,
    "EXECUTION": 5,
    "RECOVERING": 6,
}
BREAKER_STATES: Final = {"closed": 0, "open": 1, "half_open": 2}

GEN_AI_OPERATION_CHAT: Final = "chat"


# Attributes


@dataclass(frozen=True, slots=True)
class Attribute:
    """A span, log or resource attribute: wire name, type, meaning, sensitivity."""

    name: str
    type: str
    description: str
    sensitivity: Sensitivity = Sensitivity.OPERATIONAL


AGENT_ID: Final = "ffe.agent.id"
AGENT_STATE: Final = "ffe.agent.state"
CYCLE_NUMBER: Final = "ffe.cycle.number"
CYCLE_ID: Final = "ffe.cycle.id"
CYCLE_OUTCOME: Final = "ffe.cycle.outcome"
CYCLE_REASON: Final = "ffe.cycle.reason"
CYCLE_ERRORS: Final = "ffe.cycle.errors"
CYCLE_TRADES: Final = "ffe.cycle.trades"
PHASE: Final = "ffe.phase"
ASSET_PAIR: Final = "ffe.asset_pair"
ASSET_PAIRS: Final = "ffe.asset_pairs"
CORRELATION_ID: Final = "ffe.correlation_id"
CORRELATION_ID_INCOMING: Final = "ffe.correlation_id.incoming"
RUN_CORRELATION_ID: Final = "ffe.run.correlation_id"
DATA_SERVICE: Final = "ffe.data.service"
DATA_ENDPOINT: Final = "ffe.data.endpoint"
DATA_STALE: Final = "ffe.data.stale"
DATA_AGE_SECONDS: Final = "ffe.data.age_seconds"
DECISION_ID: Final = "ffe.decision.id"
DECISION_ACTION: Final = "ffe.decision.action"
DECISION_CONFIDENCE: Final = "ffe.decision.confidence"
DECISION_ORIGIN: Final = "ffe.decision.origin"
DECISION_PROVIDER: Final = "ffe.decision.provider"
DECISION_MARKET_REGIME: Final = "ffe.decision.market_regime"
DECISION_REASONING: Final = "ffe.decision.reasoning"
DEBATE_ROLE: Final = "ffe.debate.role"
DEBATE_FAILED: Final = "ffe.debate.failed"
ENSEMBLE_AGREEMENT: Final = "ffe.ensemble.agreement_score"
ENSEMBLE_STRATEGY: Final = "ffe.ensemble.voting_strategy"
LLM_PROVIDER: Final = "ffe.llm.provider"
LLM_PHASE: Final = "ffe.llm.phase"
LLM_COST_USD: Final = "ffe.llm.cost_usd"
LLM_TOKENS: Final = "ffe.llm.tokens"
LLM_STATUS: Final = "ffe.llm.status"
RISK_VERDICT: Final = "ffe.risk.verdict"
RISK_ACTION: Final = "ffe.risk.action"
RISK_REASON: Final = "ffe.risk.reason"
RISK_REASON_CODE: Final = "ffe.risk.reason_code"
RISK_LAYER: Final = "ffe.risk.layer"
RISK_RULE: Final = "ffe.risk.rule"
# The venue, as the label ``platform`` of metrics and events: ``paper``, ``coinbase``,
# ``oanda``, which is what the engine's unified platform calls those behind it, whatever
# they call themselves (``mock``, ``coinbase_advanced``). ``unified`` is for what concerns
# several at once, such as recovery, and for an order that was routed to none of several.
TRADE_PLATFORM: Final = "ffe.trade.platform"
TRADE_ACTION: Final = "ffe.trade.action"
TRADE_SUCCESS: Final = "ffe.trade.success"
TRADE_ORDER_ID: Final = "ffe.trade.order_id"
TRADE_ORDER_STATUS: Final = "ffe.trade.order_status"
TRADE_FILL_PRICE: Final = "ffe.trade.fill_price"
TRADE_FILLED_SIZE: Final = "ffe.trade.filled_size"
TRADE_FEE: Final = "ffe.trade.fee"
TRADE_SLIPPAGE: Final = "ffe.trade.slippage"
TRADE_PNL_DOLLARS: Final = "ffe.trade.pnl_dollars"
TRADE_HELD_SECONDS: Final = "ffe.trade.held_seconds"
TRADE_OUTCOME: Final = "ffe.trade.outcome"
RECOVERY_POSITIONS: Final = "ffe.position.recovery.count"
BREAKER_SERVICE: Final = "ffe.circuit_breaker.service"
BREAKER_STATE: Final = "ffe.circuit_breaker.state"
DURATION_MS: Final = "ffe.duration_ms"
ABORTED: Final = "ffe.aborted"
PROCESS_ENDED: Final = "the process ended"  # status of what is aborted

ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
CODE_FILE_PATH: Final = "code.file.path"
CODE_FUNCTION_NAME: Final = "code.function.name"
CODE_LINE_NUMBER: Final = "code.line.number"
THREAD_ID: Final = "thread.id"
THREAD_NAME: Final = "thread.name"
OTEL_EVENT_NAME: Final = "otel.event.name"
LOG_RECORD_UID: Final = "log.record.uid"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
COMMON: Final = (
    CODE_FILE_PATH, CODE_FUNCTION_NAME, CODE_LINE_NUMBER, ERROR_TYPE, EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE, EXCEPTION_TYPE, HTTP_METHOD, HTTP_STATUS, "http.route",
    "network.protocol.version", SERVER_ADDRESS, SERVER_PORT, "service.name", "service.version",
    "telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version", THREAD_ID, THREAD_NAME,
    "url.full", "url.path", "url.query", "url.scheme",
)  # fmt: skip
"""Attributes of OpenTelemetry's conventions that nearly every program's records have."""
GEN_AI_OPERATION: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - an attribute's name
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

_P, _O, _F, _C = (
    Sensitivity.PUBLIC,
    Sensitivity.OPERATIONAL,
    Sensitivity.FINANCIAL,
    Sensitivity.CONTENT,
)
ATTRIBUTES: Final[dict[str, Attribute]] = {
    a.name: a
    for a in (
        Attribute(AGENT_ID, "string", "which agent of the process began the cycle"),
        Attribute(AGENT_STATE, "string", "state of the agent's OODA state machine"),
        Attribute(CYCLE_NUMBER, "int", "which cycle of its agent it is, failed ones counted"),
        Attribute(CYCLE_ID, "string", "the engine's own short cycle id"),
        Attribute(
            CYCLE_OUTCOME,
            "string",
            "executed, rejected, no_trade, failed, stopped, cancelled or aborted",
        ),
        Attribute(CYCLE_REASON, "string", "reason code of the layer that decided the outcome"),
        Attribute(CYCLE_ERRORS, "int", "failures under the cycle, swallowed ones included"),
        Attribute(
            CYCLE_TRADES, "int", "orders executed; the cycle's own ffe.trade.* are of the last"
        ),
        Attribute(PHASE, "string", "OODA phase the span belongs to"),
        Attribute(ASSET_PAIR, "string", "instrument, for example BTCUSD", _P),
        Attribute(ASSET_PAIRS, "string[]", "all instruments of the cycle", _P),
        Attribute(CORRELATION_ID, "string", "the trace id as UUID, or redacted free text"),
        Attribute(
            CORRELATION_ID_INCOMING, "string", "an X-Correlation-ID that lost to traceparent"
        ),
        Attribute(RUN_CORRELATION_ID, "string", "an id that covers a whole run"),
        Attribute(DATA_SERVICE, "string", "data provider asked"),
        Attribute(DATA_ENDPOINT, "string", "operation asked of it"),
        Attribute(DATA_STALE, "boolean", "the provider flagged the data as stale"),
        Attribute(DATA_AGE_SECONDS, "double", "age of the newest datum, seconds"),
        Attribute(DECISION_ID, "string", "the engine's decision id"),
        Attribute(DECISION_ACTION, "string", "action decided"),
        Attribute(DECISION_CONFIDENCE, "double", "confidence, 0 to 100"),
        Attribute(DECISION_ORIGIN, "string", "judge, pre_reasoner, fallback, ..."),
        Attribute(DECISION_PROVIDER, "string", "AI provider of the decision"),
        Attribute(DECISION_MARKET_REGIME, "string", "market regime of the decision"),
        Attribute(DECISION_REASONING, "string", "the model's words", _C),
        Attribute(DEBATE_ROLE, "string", "bull, bear or judge"),
        Attribute(DEBATE_FAILED, "boolean", "the role gave no usable case"),
        Attribute(ENSEMBLE_AGREEMENT, "double", "agreement of the providers, 0 to 1"),
        Attribute(ENSEMBLE_STRATEGY, "string", "voting strategy"),
        Attribute(LLM_PROVIDER, "string", "LLM provider as in the price table"),
        Attribute(LLM_PHASE, "string", "pre_reason, bull, bear, judge, single, ..."),
        Attribute(LLM_COST_USD, "double", "cost of the call in USD, absent when unknown"),
        Attribute(LLM_TOKENS, "int", "input plus output tokens"),
        Attribute(LLM_STATUS, "string", "success, failure (an unusable answer, too) or timeout"),
        Attribute(RISK_VERDICT, "string", "approved or rejected"),
        Attribute(RISK_ACTION, "string", "what was enforced: allow or deny"),
        Attribute(RISK_REASON, "string", "the check's own words"),
        Attribute(RISK_REASON_CODE, "string", "bounded reason, the label of the counter"),
        Attribute(RISK_LAYER, "string", "which of the engine's rejection layers spoke"),
        Attribute(RISK_RULE, "string", "sub-check of the gatekeeper"),
        Attribute(TRADE_PLATFORM, "string", "venue: paper, coinbase, oanda, or unified"),
        Attribute(
            TRADE_ACTION,
            "string",
            "BUY or SELL of an order, CLOSE_LONG or CLOSE_SHORT of an outcome",
        ),
        Attribute(TRADE_SUCCESS, "boolean", "the platform accepted the order"),
        Attribute(TRADE_ORDER_ID, "string", "order id of the platform"),
        Attribute(TRADE_ORDER_STATUS, "string", "order status of the platform"),
        Attribute(TRADE_FILL_PRICE, "double", "execution price", _F),
        Attribute(TRADE_FILLED_SIZE, "double", "filled size in units of the base asset", _F),
        Attribute(TRADE_FEE, "double", "fee in account currency", _F),
        Attribute(TRADE_SLIPPAGE, "double", "slippage as a fraction of price", _F),
        Attribute(TRADE_PNL_DOLLARS, "double", "realised profit or loss, USD", _F),
        Attribute(TRADE_HELD_SECONDS, "double", "how long the closed position was held, seconds"),
        Attribute(TRADE_OUTCOME, "string", "win, loss or breakeven"),
        Attribute(RECOVERY_POSITIONS, "int", "positions recovered at start"),
        Attribute(BREAKER_SERVICE, "string", "circuit breaker's service"),
        Attribute(BREAKER_STATE, "string", "closed, open or half_open"),
        Attribute(DURATION_MS, "double", "duration of an event, milliseconds"),
        Attribute(ABORTED, "boolean", "the process ended while the span was open"),
        Attribute(GEN_AI_INPUT_MESSAGES, "string", "prompt, off by default", _C),
        Attribute(GEN_AI_OUTPUT_MESSAGES, "string", "completion, off by default", _C),
    )
}


# Events: OTLP log records with an event name. The first four are the measurements of
# the InfluxDB schema; the others drive the live view.

EVENT_AGENT_STATE: Final = "agent_states"
EVENT_TRADE: Final = "trade_executions"
EVENT_API_LATENCY: Final = "api_latencies"
EVENT_LLM_CALL: Final = "llm_calls"
EVENT_CYCLE_STARTED: Final = "ffe.cycle.started"

# Events of spans.
SPAN_EVENT_CYCLE_ERROR: Final = "ffe.cycle.error"
SPAN_EVENT_RISK_VETO: Final = "ffe.risk.veto"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event record: ``tags`` are strings, ``fields`` maps a name to ``int`` or ``float``."""

    name: str
    tags: tuple[str, ...]
    fields: dict[str, type[int | float]]


EVENT_RECORDS: Final = {
    e.name: e
    for e in (
        EventRecord(
            EVENT_AGENT_STATE,
            ("agent_id", "environment"),
            {"state_value": int, "cycle_count": int},
        ),
        # One for each executed order: its action is BUY or SELL, its duration the time from
        # order to answer. And one for each outcome: its action is CLOSE_LONG or CLOSE_SHORT,
        # and it alone has a profit or loss. How long the position was held is on the span.
        EventRecord(
            EVENT_TRADE,
            ("asset_pair", "action", "platform", "decision_id"),
            {"pnl_dollars": float, "duration_seconds": float, "confidence": float},
        ),
        EventRecord(
            EVENT_API_LATENCY,
            ("service", "endpoint", "method"),
            {"duration_ms": float, "status_code": int},
        ),
        EventRecord(
            EVENT_LLM_CALL,
            ("provider", "model", "phase"),
            {"duration_ms": float, "tokens_used": int, "cost_usd": float},
        ),
    )
}


# Metrics


class Kind(Enum):
    """Instrument kinds, named as in the OpenTelemetry metrics API."""

    COUNTER = "counter"
    UP_DOWN_COUNTER = "up_down_counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    OBSERVABLE_COUNTER = "observable_counter"
    OBSERVABLE_GAUGE = "observable_gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument.

    ``labels`` are attribute keys on the wire and label names in Prometheus (dots become
    underscores there). ``buckets`` are upper bounds in ``unit``. ``prometheus`` is the
    base family name as a Prometheus server shows it.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    prometheus: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None


_CYCLE_BUCKETS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_DECISION_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0)
_API_BUCKETS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_RECOVERY_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0)
_PNL_BUCKETS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0)
_GEN_AI_SECONDS = tuple(0.01 * 2**n for n in range(14))
_GEN_AI_TOKENS = tuple(4.0**n for n in range(14))

CYCLE_DURATION: Final = Metric(
    "ffe.ooda.cycle.duration", Kind.HISTOGRAM, "s", "Duration of one whole OODA cycle",
    "ffe_ooda_cycle_duration_seconds", (), _CYCLE_BUCKETS,
)  # fmt: skip
PHASE_DURATION: Final = Metric(
    "ffe.agent.cycle.duration", Kind.HISTOGRAM, "s", "Time an OODA cycle spent in one state",
    "ffe_agent_cycle_duration_seconds", ("state",), _CYCLE_BUCKETS,
)  # fmt: skip
DECISION_GENERATION: Final = Metric(
    "ffe.decision.generation.latency", Kind.HISTOGRAM, "s", "Time of one stage of a decision",
    "ffe_decision_generation_latency_seconds", ("provider", "phase"), _DECISION_BUCKETS,
)  # fmt: skip
API_CALL_DURATION: Final = Metric(
    "ffe.api.call.duration", Kind.HISTOGRAM, "s", "Duration of a call to a data or trading API",
    "ffe_api_call_duration_seconds", ("service", "endpoint"), _API_BUCKETS,
)  # fmt: skip
RISK_CHECK_RESULT: Final = Metric(
    "ffe.risk.check.result", Kind.COUNTER, "", "Verdicts of the risk checks",
    "ffe_risk_check_result_total", ("result", "reason"),
)  # fmt: skip
RECOVERY_DURATION: Final = Metric(
    "ffe.position.recovery.duration", Kind.HISTOGRAM, "s", "Time to recover positions at start",
    "ffe_position_recovery_duration_seconds", ("platform",), _RECOVERY_BUCKETS,
)  # fmt: skip
AGENT_STATE_GAUGE: Final = Metric(
    "ffe.agent.state", Kind.GAUGE, "",
    "OODA state: " + ", ".join(f"{v} {k}" for k, v in AGENT_STATES.items()),
    "ffe_agent_state",
)  # fmt: skip
AGENT_TRANSITIONS: Final = Metric(
    "ffe.agent.state.transitions", Kind.COUNTER, "", "Transitions of the OODA state machine",
    "ffe_agent_state_transitions_total", ("from", "to"),
)  # fmt: skip
DECISION_LATENCY: Final = Metric(
    "ffe.decision.latency", Kind.HISTOGRAM, "s", "Time to generate a trading decision",
    "ffe_decision_latency_seconds", ("provider", "asset_pair"), _DECISION_BUCKETS,
)  # fmt: skip
DECISION_CONFIDENCE_GAUGE: Final = Metric(
    "ffe.decision.confidence", Kind.GAUGE, "", "Confidence of the latest decision, 0 to 100",
    "ffe_decision_confidence", ("asset_pair", "action"),
)  # fmt: skip
PROVIDER_REQUESTS: Final = Metric(
    "ffe.provider.requests", Kind.COUNTER, "", "Requests to AI and data providers",
    "ffe_provider_requests_total", ("provider", "status"),
)  # fmt: skip
TRADE_PNL_SUM: Final = Metric(
    "ffe.trade.pnl.dollars.summary.sum", Kind.UP_DOWN_COUNTER, "",
    "Sum of realised profit and loss, USD",
    "ffe_trade_pnl_dollars_summary_sum", ("asset_pair",),
)  # fmt: skip
TRADE_PNL_COUNT: Final = Metric(
    "ffe.trade.pnl.dollars.summary.count", Kind.UP_DOWN_COUNTER, "",
    "Closed trades in ffe_trade_pnl_dollars_summary_sum",
    "ffe_trade_pnl_dollars_summary_count", ("asset_pair",),
)  # fmt: skip
TRADE_PNL_ABS: Final = Metric(
    "ffe.trade.pnl.abs.dollars", Kind.HISTOGRAM, "", "Size of realised profit or loss, USD",
    "ffe_trade_pnl_abs_dollars", ("asset_pair", "outcome"), _PNL_BUCKETS,
)  # fmt: skip
TRADES_CLOSED: Final = Metric(
    "ffe.trades.closed", Kind.COUNTER, "", "Closed trades by outcome",
    "ffe_trades_closed_total", ("asset_pair", "outcome"),
)  # fmt: skip
TRADE_EXECUTION: Final = Metric(
    "ffe.trade.execution.duration", Kind.HISTOGRAM, "s", "Time from order to answer",
    "ffe_trade_execution_duration_seconds", ("platform", "action"), _API_BUCKETS,
)  # fmt: skip
BREAKER_STATE_GAUGE: Final = Metric(
    "ffe.circuit_breaker.state", Kind.GAUGE, "", "0 closed, 1 open, 2 half-open",
    "ffe_circuit_breaker_state", ("service",),
)  # fmt: skip
PORTFOLIO_VALUE: Final = Metric(
    "ffe.portfolio.value.dollars", Kind.GAUGE, "", "Portfolio value, USD",
    "ffe_portfolio_value_dollars", ("platform",),
)  # fmt: skip
ACTIVE_TRADES: Final = Metric(
    "ffe.active.trades", Kind.GAUGE, "", "Open positions",
    "ffe_active_trades", ("platform",),
)  # fmt: skip
LLM_TOKENS_TOTAL: Final = Metric(
    "ffe.llm.tokens", Kind.COUNTER, "", "Tokens by direction (input, output)",
    "ffe_llm_tokens_total", ("provider", "model", "direction"),
)  # fmt: skip
LLM_COST_TOTAL: Final = Metric(
    "ffe.llm.cost.usd", Kind.COUNTER, "", "Cost of LLM calls by the price table, USD",
    "ffe_llm_cost_usd_total", ("provider", "model"),
)  # fmt: skip
CACHE_REQUESTS: Final = Metric(
    "ffe.cache.requests", Kind.COUNTER, "", "Cache look-ups by result (hit, miss)",
    "ffe_cache_requests_total", ("cache", "result"),
)  # fmt: skip
GEN_AI_DURATION: Final = Metric(
    "gen_ai.client.operation.duration", Kind.HISTOGRAM, "s", "GenAI operation duration",
    "gen_ai_client_operation_duration_seconds",
    (GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_REQUEST_MODEL, ERROR_TYPE), _GEN_AI_SECONDS,
)  # fmt: skip
GEN_AI_TOKEN_USAGE: Final = Metric(
    "gen_ai.client.token.usage", Kind.HISTOGRAM, "{token}", "Tokens of a GenAI operation",
    "gen_ai_client_token_usage",
    (GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_REQUEST_MODEL, GEN_AI_TOKEN_TYPE), _GEN_AI_TOKENS,
)  # fmt: skip

# Process names are those of Prometheus' client libraries: the architecture document's
# alert rules and features query them.
PROCESS_CPU: Final = Metric(
    "process.cpu", Kind.OBSERVABLE_COUNTER, "s", "User and system CPU time of the process",
    "process_cpu_seconds_total",
)  # fmt: skip
PROCESS_MEMORY: Final = Metric(
    "process.resident_memory", Kind.OBSERVABLE_GAUGE, "By", "Resident memory of the process",
    "process_resident_memory_bytes",
)  # fmt: skip
PROCESS_THREADS: Final = Metric(
    "process.threads", Kind.OBSERVABLE_GAUGE, "", "Threads of the process", "process_threads",
)  # fmt: skip
PROCESS_OPEN_FILES: Final = Metric(
    "process.open_fds", Kind.OBSERVABLE_GAUGE, "", "Open file descriptors", "process_open_fds",
)  # fmt: skip
PROCESS_DISK_IO: Final = Metric(
    "process.disk.io", Kind.OBSERVABLE_COUNTER, "By", "Bytes read and written by the process",
    "process_disk_io_bytes_total", ("direction",),
)  # fmt: skip
DISK_SPACE: Final = Metric(
    "system.filesystem.usage", Kind.OBSERVABLE_GAUGE, "By",
    "Space of the file system the state directory is on, by state (used, free)",
    "system_filesystem_usage_bytes", ("state",),
)  # fmt: skip
HOST_MEMORY: Final = Metric(
    "system.memory.usage", Kind.OBSERVABLE_GAUGE, "By", "Host memory by state (used, available)",
    "system_memory_usage_bytes", ("state",),
)  # fmt: skip
HOST_MEMORY_LIMIT: Final = Metric(
    "system.memory.limit", Kind.OBSERVABLE_GAUGE, "By", "Host memory in all",
    "system_memory_limit_bytes",
)  # fmt: skip

# Telemetry about the telemetry.
OTEL_QUEUED: Final = Metric(
    "ffe.otel.queued", Kind.OBSERVABLE_GAUGE, "", "Records waiting for export",
    "ffe_otel_queued", ("signal",),
)  # fmt: skip
OTEL_EXPORTED: Final = Metric(
    "ffe.otel.exported", Kind.OBSERVABLE_COUNTER, "", "Records an endpoint took",
    "ffe_otel_exported_total", ("signal",),
)  # fmt: skip
OTEL_DROPPED: Final = Metric(
    "ffe.otel.dropped", Kind.OBSERVABLE_COUNTER, "", "Records lost, by signal and reason",
    "ffe_otel_dropped_total", ("signal", "reason"),
)  # fmt: skip
OTEL_QUARANTINED: Final = Metric(
    "ffe.otel.quarantined", Kind.OBSERVABLE_COUNTER, "",
    "Records an endpoint refused, kept aside, by its answer",
    "ffe_otel_quarantined_total", ("signal", "reason"),
)  # fmt: skip
OTEL_SEND_FAILURES: Final = Metric(
    "ffe.otel.send.failures", Kind.OBSERVABLE_COUNTER, "",
    "Requests that were not taken and are sent again, by cause",
    "ffe_otel_send_failures_total", ("signal", "reason"),
)  # fmt: skip
OTEL_SPOOL_SIZE: Final = Metric(
    "ffe.otel.spool.size", Kind.OBSERVABLE_GAUGE, "By", "Bytes that wait in the spool",
    "ffe_otel_spool_size_bytes", ("signal",),
)  # fmt: skip
OTEL_SPOOL_RECORDS: Final = Metric(
    "ffe.otel.spool.records", Kind.OBSERVABLE_GAUGE, "", "Records that wait in the spool",
    "ffe_otel_spool_records", ("signal",),
)  # fmt: skip
OTEL_SPOOL_AGE: Final = Metric(
    "ffe.otel.spool.age", Kind.OBSERVABLE_GAUGE, "s", "Age of the oldest record in the spool",
    "ffe_otel_spool_age_seconds", ("signal",),
)  # fmt: skip
OTEL_SPOOL_LIMIT: Final = Metric(
    "ffe.otel.spool.limit", Kind.OBSERVABLE_GAUGE, "By", "Bytes that the spool may hold",
    "ffe_otel_spool_limit_bytes", ("signal",),
)  # fmt: skip
OTEL_QUARANTINE: Final = Metric(
    "ffe.otel.quarantine.requests", Kind.OBSERVABLE_GAUGE, "", "Refused requests that are kept",
    "ffe_otel_quarantine_requests", ("signal",),
)  # fmt: skip
OTEL_REDACTED: Final = Metric(
    "ffe.otel.redacted", Kind.OBSERVABLE_COUNTER, "", "Values redacted, by rule and surface",
    "ffe_otel_redacted_total", ("rule", "surface"),
)  # fmt: skip
OTEL_REDACTION_FAILURES: Final = Metric(
    "ffe.otel.redaction.failures", Kind.OBSERVABLE_COUNTER, "",
    "Records replaced by a skeleton because redaction failed",
    "ffe_otel_redaction_failures_total", ("surface",),
)  # fmt: skip
OTEL_FOLDED: Final = Metric(
    "ffe.otel.labels.folded", Kind.OBSERVABLE_COUNTER, "",
    "Label sets folded into 'other' by the cardinality limit",
    "ffe_otel_labels_folded_total", ("metric",),
)  # fmt: skip
OTEL_HOOK_ERRORS: Final = Metric(
    "ffe.otel.hook.errors", Kind.OBSERVABLE_COUNTER, "", "Failures inside our own hooks",
    "ffe_otel_hook_errors_total", ("hook",),
)  # fmt: skip

METRICS: Final[tuple[Metric, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
METRIC_NAMES: Final = frozenset(m.name for m in METRICS)
PROMETHEUS_NAMES: Final = frozenset(m.prometheus for m in METRICS)


@dataclass(frozen=True, slots=True)
class ServeMetric:
    """A metric of ``ffe-otel serve`` about itself, on its page ``/metrics``."""

    prometheus: str
    kind: Kind
    description: str
    labels: tuple[str, ...] = ()


SERVE_TAKEN: Final = ServeMetric(
    "ffe_serve_records_taken_total", Kind.COUNTER, "Records acknowledged", ("signal",)
)
SERVE_REJECTED: Final = ServeMetric(
    "ffe_serve_records_rejected_total", Kind.COUNTER, "Records refused in partial successes"
)
SERVE_JOURNAL_BYTES: Final = ServeMetric(
    "ffe_serve_journal_bytes", Kind.GAUGE, "Bytes acknowledged and not in the store yet"
)
SERVE_STORE_BYTES: Final = ServeMetric(
    "ffe_serve_store_bytes", Kind.GAUGE, "Bytes of the store on disk"
)
SERVE_PART_UP: Final = ServeMetric(
    "ffe_serve_part_up", Kind.GAUGE, "1 while a part works: journal, store, influxdb", ("part",)
)
INFLUX_WRITTEN: Final = ServeMetric(
    "ffe_serve_influx_points_written_total", Kind.COUNTER, "Points that InfluxDB took"
)
INFLUX_REFUSED: Final = ServeMetric(
    "ffe_serve_influx_points_refused_total", Kind.COUNTER,
    "Points set aside because InfluxDB will never take them", ("reason",),
)  # fmt: skip
INFLUX_DROPPED: Final = ServeMetric(
    "ffe_serve_influx_points_dropped_total", Kind.COUNTER,
    "Points given up for an InfluxDB that never answered",
)  # fmt: skip
INFLUX_FAILURES: Final = ServeMetric(
    "ffe_serve_influx_write_failures_total", Kind.COUNTER,
    "Writes to be tried again, by reason", ("reason",),
)  # fmt: skip
INFLUX_QUEUE_BYTES: Final = ServeMetric(
    "ffe_serve_influx_queue_bytes", Kind.GAUGE, "Bytes of points that wait for InfluxDB"
)
SERVE_METRICS: Final[tuple[ServeMetric, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, ServeMetric)
)

COLLECTOR_QUEUES_ASIDE: Final = ServeMetric(
    "ffe_collector_queue_files_set_aside", Kind.GAUGE,
    "Damaged files of the Collector's queues that wait for somebody to look at them", ("queue",),
)  # fmt: skip
"""Written by ``ffe-otel collector check-queues`` for node-exporter, not on serve's page."""

OVERFLOW_LABEL: Final = "other"
LOG_FIELDS: Final = (
    "timestamp", "level", "logger", "message", "correlation_id", "trace_id", "span_id",
    "module", "function", "line", "agent_state", "decision_id", "asset_pair", "duration_ms",
)  # fmt: skip
# What stands behind the extras of a JSON log line, and what an extra whose name is taken
# by a field above is called.
LOG_EXCEPTION: Final = "exception"
LOG_STACK: Final = "stack"
LOG_EXTRA_PREFIX: Final = "extra."
