# SPDX-License-Identifier: Apache-2.0
"""The configuration as one frozen typed tree.

Sections ``logging``, ``metrics``, ``dashboards``, ``alerting`` and ``optimization`` are
the architecture document's, with its keys and defaults. ``telemetry``, ``llm``,
``redaction``, ``limits``, ``spool``, ``retention`` and ``serve`` are this project's own. A
field's ``help`` metadata is what ``ffe-otel config show`` and the documentation print;
``secret`` marks values that are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, help: str, *, secret: bool = False, choices: tuple[str, ...] = (),  # noqa: A002
           minimum: float | None = None, maximum: float | None = None,
           unused: bool = False) -> Any:  # fmt: skip
    """A field with its documentation and the limits the loader checks.

    ``unused`` is for keys that are accepted and have no effect yet.
    """
    metadata = {
        "help": help,
        "secret": secret,
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
        "unused": unused,
    }
    if isinstance(default, type) or callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
ENGINE_HANDLERS = ("console", "all", "off")


@dataclass(frozen=True, slots=True)
class LogFile:
    enabled: bool = option(True, "write log records to a file")
    path: str = option("logs/ffe.log", "log file; relative paths are under state_dir")


@dataclass(frozen=True, slots=True)
class Syslog:
    enabled: bool = option(False, "send log records to syslog")
    address: str = option("localhost:514", "host:port (UDP) or a socket path")


@dataclass(frozen=True, slots=True)
class LogOutputs:
    console: bool = option(
        True, "write to standard error unless the engine has a console handler of its own"
    )
    file: LogFile = option(LogFile, "log file")
    syslog: Syslog = option(Syslog, "syslog")
    otlp: bool = option(True, "send log records over OTLP")


@dataclass(frozen=True, slots=True)
class Rotation:
    max_bytes: int = option(10_485_760, "roll the file over at this size, bytes", minimum=1024)
    backup_count: int = option(30, "rolled files to keep", minimum=0)
    compression: str = option("gzip", "compression of rolled files", choices=("gzip", "none"))


@dataclass(frozen=True, slots=True)
class LogTiers:
    hot_tier_days: int = option(7, "days in fast storage", minimum=1, unused=True)
    warm_tier_days: int = option(30, "days in archive", minimum=1, unused=True)
    cold_tier_days: int = option(365, "days in deep archive", minimum=1, unused=True)


@dataclass(frozen=True, slots=True)
class Logging:
    level: str = option("INFO", "least severe level captured", choices=LEVELS)
    format: str = option("json", "format of file and console", choices=("json", "text"))
    outputs: LogOutputs = option(LogOutputs, "destinations")
    rotation: Rotation = option(Rotation, "rotation of the log file")
    retention: LogTiers = option(LogTiers, "retention tiers")
    async_logging: bool = option(True, "write on a thread of our own")
    buffer_size: int = option(
        8192, "log records waiting; from a quarter of them on, the writer hurries", minimum=1
    )
    correlation_id_header: str = option("X-Correlation-ID", "correlation header")


@dataclass(frozen=True, slots=True)
class Prometheus:
    enabled: bool = option(True, "serve metrics for Prometheus in the engine's process")
    host: str = option("127.0.0.1", "address to listen on (OTEL_EXPORTER_PROMETHEUS_HOST)")
    port: int = option(
        8000,
        "port; the next free one when taken (OTEL_EXPORTER_PROMETHEUS_PORT)",
        minimum=0,
        maximum=65535,
    )
    path: str = option("/metrics", "path")


@dataclass(frozen=True, slots=True)
class InfluxDB:
    enabled: bool = option(True, "let ffe-otel serve write event measurements when reachable")
    url: str = option("http://localhost:8086", "server")
    database: str = option("ffe_metrics", "database")
    retention_policy: str = option("hot", "retention policy written to")
    batch_size: int = option(100, "points a write", minimum=1)
    flush_interval_seconds: float = option(10.0, "longest wait before a write", minimum=0.1)
    queue_bytes: int = option(256 * 1024**2, "points kept while it is away", minimum=1 << 20)
    hot_days: int = option(7, "days in the retention policy hot, the default one", minimum=1)
    warm_days: int = option(30, "days in the retention policy warm", minimum=1)
    cold_days: int = option(365, "days in the retention policy cold", minimum=1)
    username: str = option("", "user with write rights")
    password: str = option("", "its password", secret=True)
    reader_username: str = option("", "user with read rights, for dashboards")
    reader_password: str = option("", "its password", secret=True)


@dataclass(frozen=True, slots=True)
class Intervals:
    agent_state: float = option(5.0, "seconds between agent state events", minimum=0.1, unused=True)
    api_metrics: float = option(1.0, "seconds between exports of traces and logs", minimum=0.1)
    resource_metrics: float = option(10.0, "seconds between exports of metrics", minimum=0.1)


@dataclass(frozen=True, slots=True)
class Metrics:
    prometheus: Prometheus = option(Prometheus, "metrics page")
    influxdb: InfluxDB = option(InfluxDB, "event time series")
    intervals: Intervals = option(Intervals, "collection intervals")


@dataclass(frozen=True, slots=True)
class RefreshRates:
    fast: float = option(2.0, "active trades, agent state; seconds", minimum=0.1, unused=True)
    medium: float = option(5.0, "portfolio, risk checks; seconds", minimum=0.1, unused=True)
    slow: float = option(10.0, "market data; seconds", minimum=0.1, unused=True)
    lazy: float = option(30.0, "performance; seconds", minimum=0.1, unused=True)


@dataclass(frozen=True, slots=True)
class Grafana:
    enabled: bool = option(True, "Grafana is used", unused=True)
    url: str = option("http://localhost:3000", "server", unused=True)
    refresh_rates: RefreshRates = option(RefreshRates, "refresh rates")


@dataclass(frozen=True, slots=True)
class Dashboards:
    grafana: Grafana = option(Grafana, "Grafana")


@dataclass(frozen=True, slots=True)
class Telegram:
    enabled: bool = option(False, "send alerts to Telegram", unused=True)
    bot_token: str = option("", "bot token", secret=True, unused=True)
    chat_id: str = option("", "chat", secret=True, unused=True)


@dataclass(frozen=True, slots=True)
class Email:
    enabled: bool = option(False, "send alerts by e-mail", unused=True)
    smtp_host: str = option("smtp.gmail.com", "SMTP server", unused=True)
    smtp_port: int = option(587, "SMTP port", minimum=1, maximum=65535, unused=True)
    from_address: str = option("alerts@ffe.local", "sender", unused=True)
    to_addresses: tuple[str, ...] = option(("admin@example.com",), "recipients", unused=True)
    username: str = option("", "SMTP user", unused=True)
    password: str = option("", "SMTP password", secret=True, unused=True)


@dataclass(frozen=True, slots=True)
class PagerDuty:
    enabled: bool = option(False, "page through PagerDuty", unused=True)
    routing_key: str = option("", "Events API v2 routing key", secret=True, unused=True)
    service_key: str = option(
        "", "the original document's name of routing_key", secret=True, unused=True
    )


@dataclass(frozen=True, slots=True)
class Channels:
    telegram: Telegram = option(Telegram, "Telegram")
    email: Email = option(Email, "e-mail")
    pagerduty: PagerDuty = option(PagerDuty, "PagerDuty")


@dataclass(frozen=True, slots=True)
class Thresholds:
    api_latency_p95_seconds: float = option(10.0, "p95 of API calls", minimum=0, unused=True)
    agent_stuck_duration_seconds: float = option(300.0, "no transition for so long", minimum=0)
    memory_usage_percent: float = option(90.0, "memory", minimum=0, maximum=100, unused=True)
    disk_usage_percent: float = option(90.0, "disk", minimum=0, maximum=100, unused=True)
    failure_rate_percent: float = option(
        10.0, "failed requests", minimum=0, maximum=100, unused=True
    )


@dataclass(frozen=True, slots=True)
class Alerting:
    enabled: bool = option(True, "alerting", unused=True)
    channels: Channels = option(Channels, "channels")
    thresholds: Thresholds = option(Thresholds, "thresholds")


@dataclass(frozen=True, slots=True)
class Cache:
    redis_url: str = option("redis://localhost:6379", "Redis", secret=True, unused=True)
    market_data_ttl: int = option(60, "seconds", minimum=0, unused=True)
    llm_response_ttl: int = option(300, "seconds", minimum=0, unused=True)


@dataclass(frozen=True, slots=True)
class AutoTuning:
    enabled: bool = option(True, "suggest configuration changes", unused=True)
    learning_rate: float = option(0.1, "step of a suggestion", minimum=0, maximum=1, unused=True)


@dataclass(frozen=True, slots=True)
class Resources:
    auto_scale_thread_pool: bool = option(True, "scale concurrent trades with load", unused=True)
    min_concurrent_trades: int = option(1, "lower bound", minimum=1, unused=True)
    max_concurrent_trades: int = option(5, "upper bound", minimum=1, unused=True)


@dataclass(frozen=True, slots=True)
class AnomalyDetection:
    enabled: bool = option(True, "anomaly detection", unused=True)
    model_path: str = option("models/anomaly_detector.pkl", "model file", unused=True)
    sensitivity: float = option(0.7, "0 (quiet) to 1 (eager)", minimum=0, maximum=1, unused=True)


@dataclass(frozen=True, slots=True)
class FailurePrediction:
    enabled: bool = option(False, "failure prediction", unused=True)
    lookback_hours: float = option(24.0, "history used", minimum=0, unused=True)


@dataclass(frozen=True, slots=True)
class MachineLearning:
    anomaly_detection: AnomalyDetection = option(AnomalyDetection, "anomaly detection")
    failure_prediction: FailurePrediction = option(FailurePrediction, "failure prediction")


@dataclass(frozen=True, slots=True)
class Optimization:
    enabled: bool = option(True, "optimization engine", unused=True)
    cache: Cache = option(Cache, "cache")
    auto_tuning: AutoTuning = option(AutoTuning, "tuning")
    resources: Resources = option(Resources, "resources")
    ml: MachineLearning = option(MachineLearning, "models")


@dataclass(frozen=True, slots=True)
class Telemetry:
    service_name: str = option("finance_feedback_engine", "service.name (OTEL_SERVICE_NAME)")
    environment: str = option("development", "deployment.environment.name, tag of events")
    agent_id: str = option("agent-1", "ffe.agent.id where the engine names none")
    sampling_ratio: float = option(1.0, "share of cycles traced", minimum=0, maximum=1)
    otlp_endpoint: str = option(
        "http://127.0.0.1:4318", "OTLP/HTTP base URL (OTEL_EXPORTER_OTLP_ENDPOINT)"
    )
    otlp_headers: dict[str, str] = option(dict, "headers of OTLP requests", secret=True)
    otlp_timeout_seconds: float = option(5.0, "deadline of one request", minimum=0.1)


@dataclass(frozen=True, slots=True)
class Price:
    provider: str = option("", "provider, or * for any")
    model: str = option("", "model name; a trailing * matches a prefix")
    input_usd_per_million: float = option(0.0, "USD a million input tokens", minimum=0)
    output_usd_per_million: float = option(0.0, "USD a million output tokens", minimum=0)
    since: str = option("", "date the price holds from, YYYY-MM-DD")


@dataclass(frozen=True, slots=True)
class LLM:
    capture_content: bool = option(False, "record prompts and completions, redacted")
    prices: tuple[Price, ...] = option(
        (Price(provider="local", model="*"), Price(provider="ollama", model="*")),
        "price table; a model without a row has no cost",
    )


@dataclass(frozen=True, slots=True)
class Redaction:
    disabled_rules: tuple[str, ...] = option((), "ids of rules that are switched off")
    enabled_rules: tuple[str, ...] = option((), "ids of rules, off by default, that are on")
    classes: tuple[str, ...] = option((), "sensitivities all of whose rules are on")
    jurisdiction: str = option("", "name of a list of classes in the rule files")
    rules_file: str = option("", "YAML file with additional rules")
    allow_query_parameters: tuple[str, ...] = option((), "query parameters kept as they are")
    secrets: tuple[str, ...] = option((), "literal values to mask wherever they occur", secret=True)
    skeletons_only: bool = option(False, "send only ids, times, names of ours and statuses")
    engine_handlers: str = option(
        "console", "which of the engine's log handlers are redacted", choices=ENGINE_HANDLERS
    )


@dataclass(frozen=True, slots=True)
class Limits:
    label_sets: int = option(200, "label sets an instrument before folding", minimum=1)
    attribute_length: int = option(8192, "characters a value, cut after redaction", minimum=16)
    queue_bytes: int = option(
        64 * 1024**2, "memory of what waits there, all signals together", minimum=1 << 20
    )
    queue_size: int = option(
        0,
        "spans or log records that wait at most; 0: as queue_bytes has room",
        minimum=0,
    )
    flush_seconds: float = option(5.0, "longest a force_flush of a provider waits", minimum=0)
    shutdown_seconds: float = option(2.0, "longest our exit may take", minimum=0)


@dataclass(frozen=True, slots=True)
class Spool:
    enabled: bool = option(True, "store what is exported until the endpoint has taken it")
    directory: str = option("spool", "folder; relative paths are under state_dir")
    max_bytes: int = option(
        256 * 1024**2, "bytes a signal keeps, then the oldest go", minimum=64 * 1024
    )
    max_age_days: float = option(7.0, "age that is kept", minimum=0.001)
    memory_bytes: int = option(
        8 * 1024**2, "bytes a signal keeps while the disk takes none", minimum=0
    )
    quarantine_bytes: int = option(
        16 * 1024**2, "bytes a signal keeps of what was refused", minimum=0
    )
    request_bytes: int = option(
        1024**2, "bytes joined to one request, before compression", minimum=1024
    )
    sync_seconds: float = option(5.0, "longest wait until the disk has it for good", minimum=0.1)


@dataclass(frozen=True, slots=True)
class Retention:
    clock_grace: float = option(
        86_400.0, "seconds in which a clock that jumped deletes nothing", minimum=0
    )


@dataclass(frozen=True, slots=True)
class Serve:
    host: str = option("127.0.0.1", "address of the page and of OTLP")
    port: int = option(4319, "page and API", minimum=0, maximum=65535)
    otlp_http_port: int = option(4318, "OTLP/HTTP", minimum=0, maximum=65535)
    otlp_grpc_port: int = option(4317, "OTLP/gRPC; -1 switches it off", minimum=-1, maximum=65535)
    token: str = option("", "token of the page; made and kept in state_dir when empty", secret=True)
    tls_terminated_by: str = option("", "who terminates TLS when host is not loopback")
    tls_certificate: str = option("", "PEM certificate file")
    tls_key: str = option("", "PEM key file")
    store_path: str = option("", "store directory; state_dir/store when empty")
    retention_bytes: int = option(2 * 1024**3, "size of the store, bytes", minimum=32 << 20)
    retention_days: float = option(7.0, "age the store keeps", minimum=0)
    max_request_bytes: int = option(64 * 1024**2, "largest OTLP request, bytes", minimum=1024)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. ``state_dir`` is resolved by the loader."""

    state_dir: str = option("", "spool, store, tokens, logs (XDG_STATE_HOME/ffe_otel)")
    telemetry: Telemetry = option(Telemetry, "what the engine's process sends, and where")
    llm: LLM = option(LLM, "LLM calls")
    redaction: Redaction = option(Redaction, "redaction")
    limits: Limits = option(Limits, "bounds in the engine's process")
    spool: Spool = option(Spool, "what waits on disk for its endpoint")
    retention: Retention = option(Retention, "what holds for everything that is kept by age")
    serve: Serve = option(Serve, "the embedded backend")
    logging: Logging = option(Logging, "logs")
    metrics: Metrics = option(Metrics, "metrics")
    dashboards: Dashboards = option(Dashboards, "dashboards")
    alerting: Alerting = option(Alerting, "alerts")
    optimization: Optimization = option(Optimization, "optimization")
