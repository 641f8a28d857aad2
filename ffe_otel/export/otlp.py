# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP: exporters, processors and the reader, made from the configuration.

Standard ``OTEL_*`` variables win and mean what OpenTelemetry says; the configuration fills
in what they leave open. The exporters are those of opentelemetry-exporter-otlp-proto-http
with a session that keeps deadlines.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import weakref
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.re import parse_env_headers

from ffe_otel import semconv
from ffe_otel.config.urls import completed
from ffe_otel.export.families import prometheus_name
from ffe_otel.export.prometheus import is_ours, keep
from ffe_otel.export.session import COMPRESSIONS, DeadlineSession
from ffe_otel.export.spool.grpc import GrpcTransport
from ffe_otel.export.spool.http import HttpTransport
from ffe_otel.export.stats import Signal
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import Metric, MetricExporter, MetricReader, MetricsData
    from opentelemetry.sdk.trace.export import SpanExporter

    from ffe_otel.config.model import Config
    from ffe_otel.export.spool.answers import Transport

_logger = logging.getLogger("ffe_otel.export")
_BATCH: Final = 512
_SDK_QUEUE: Final = 65_536
_GRPC_ENDPOINT: Final = "http://localhost:4317"
_SDK_INTERVAL_MILLIS: Final = 60_000
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class _Settings:
    """How one signal is sent."""

    endpoint: str
    headers: dict[str, str]
    timeout: float
    compression: str

    @property
    def loopback(self) -> bool:
        host = urlsplit(self.endpoint).hostname or ""
        return host in _LOOPBACK or host.startswith("127.")

    @property
    def packing(self) -> str:
        """How bodies are compressed: on this machine that costs more than it saves."""
        return self.compression or ("none" if self.loopback else "gzip")

    @property
    def target(self) -> str:
        """Scheme, host and port: what is up or down."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def endpoint(config: Config, signal: str) -> str:
    """The URL that ``traces``, ``metrics`` or ``logs`` are sent to."""
    own = environment(signal, "ENDPOINT", common=False)
    if own:
        return completed(own)[0] or own
    base = environment(signal, "ENDPOINT") or config.telemetry.otlp_endpoint
    return f"{(completed(base)[0] or base).rstrip('/')}/v1/{signal}"


def environment(signal: str, name: str, *, common: bool = True) -> str:
    """The variable of the signal, else that of all signals; empty means not set."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
    return own or (os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip() if common else "")


def _settings(config: Config, signal: Signal) -> _Settings:
    url = endpoint(config, signal)
    given = parse_env_headers(environment(signal, "HEADERS"), liberal=True)
    configured = config.telemetry.otlp_headers
    headers = {**{key.lower(): value for key, value in configured.items()}, **given}
    timeout = config.telemetry.otlp_timeout_seconds
    if text := environment(signal, "TIMEOUT"):
        try:
            timeout = float(text)
        except ValueError:
            _logger.warning(
                "OTEL_EXPORTER_OTLP_TIMEOUT is %r, not a number of seconds: %s are sent with a "
                "deadline of %s s",
                text,
                signal,
                timeout,
            )
    return _Settings(url, headers, timeout, compression(signal))


def compression(signal: str) -> str:
    """What the standard variables say: ``gzip``, ``deflate``, ``none``, or nothing."""
    text = environment(signal, "COMPRESSION").lower()
    if not text or text == "none" or text in COMPRESSIONS:
        return text
    _say_unknown(text)
    return "none"


@cache
def _say_unknown(text: str) -> None:
    _logger.warning(
        "OTEL_EXPORTER_OTLP_COMPRESSION is %r, not %s: telemetry is sent as it is",
        text,
        " or ".join((", ".join(COMPRESSIONS), "none")),
    )


def grpc_options(signal: str) -> dict[str, Any]:
    """Arguments for an exporter of OTLP over gRPC, which knows fewer compressions than gRPC."""
    # Whoever asks has that exporter, which brings it; we depend on neither.
    known: Any = importlib.import_module("grpc").Compression
    kinds = {"gzip": known.Gzip, "deflate": known.Deflate}
    return {"compression": kinds.get(compression(signal), known.NoCompression)}


def transport(config: Config, signal: Signal, grpc: Callable[[], Any] | None = None) -> Transport:
    """What takes ready requests of one signal to their endpoint.

    Args:
        config: the configuration.
        signal: what is sent.
        grpc: makes the exporter whose channel is used; without it, it is HTTP.
    """
    settings = _settings(config, signal)
    if grpc is not None:
        endpoint = environment(signal, "ENDPOINT") or _GRPC_ENDPOINT
        make = partial(grpc, **grpc_options(signal))
        return GrpcTransport(signal, endpoint.rpartition("@")[2], settings.timeout, make)
    session = DeadlineSession(compression=settings.packing, loopback=settings.loopback)
    if certificate := environment(signal, "CERTIFICATE"):
        session.verify = certificate
    if client := environment(signal, "CLIENT_CERTIFICATE"):
        key = environment(signal, "CLIENT_KEY")
        session.cert = (client, key) if key else client
    return HttpTransport(
        signal, settings.endpoint, settings.target, settings.headers, settings.timeout, session
    )


def transport_to(
    config: Config,
    signal: Signal,
    url: str,
    headers: Mapping[str, str] | None = None,
    certificate: str = "",
) -> Transport:
    """What takes requests of one signal to a URL of OTLP/HTTP that is not the configured one.

    The configured headers and certificates do not go there.
    """
    timeout = config.telemetry.otlp_timeout_seconds
    settings = _Settings(url, dict(headers or {}), timeout, compression(signal))
    session = DeadlineSession(compression=settings.packing, loopback=settings.loopback)
    if certificate:
        session.verify = certificate
    return HttpTransport(signal, url, settings.target, settings.headers, timeout, session)


def grpc_transport_to(
    config: Config, signal: Signal, endpoint: str, grpc: Callable[..., Any]
) -> Transport:
    """The same for OTLP over gRPC; ``grpc`` makes the exporter whose channel is used."""
    make = partial(grpc, endpoint=endpoint, headers={}, **grpc_options(signal))
    return GrpcTransport(signal, endpoint, config.telemetry.otlp_timeout_seconds, make)


def interval(config: Config, signal: Signal) -> float:
    """Seconds between two requests of a signal that has little to send."""
    if signal is Signal.METRICS:
        return config.metrics.intervals.api_metrics
    variable = "OTEL_BSP_SCHEDULE_DELAY" if signal is Signal.TRACES else "OTEL_BLRP_SCHEDULE_DELAY"
    try:
        return max(0.01, float(os.environ[variable]) / 1000)
    except (KeyError, ValueError):
        return config.metrics.intervals.api_metrics


class _Bounded:
    """What our exporters add: where they send to, and an end that can be hastened."""

    def __init__(self, settings: _Settings) -> None:
        self._deadline_session = DeadlineSession(
            compression=settings.packing, loopback=settings.loopback
        )
        self.target = settings.target
        arguments: dict[str, Any] = {
            "endpoint": settings.endpoint,
            "headers": settings.headers,
            "timeout": settings.timeout,
            "compression": Compression.NoCompression,
            "session": self._deadline_session,
        }
        super().__init__(**arguments)

    @property
    def closing(self) -> bool:
        """Whether a shutdown has begun."""
        return self._deadline_session.closing

    @property
    def problem(self) -> str:
        """Why the last request got no answer; empty when it got one."""
        return self._deadline_session.problem

    def begin_shutdown(self, seconds: float) -> None:
        """End what is under way within ``seconds``; pauses between attempts end at once."""
        self._deadline_session.begin_shutdown(seconds)


class OtlpSpanExporter(_Bounded, OTLPSpanExporter):
    """The SDK's exporter with deadlines that hold."""


class OtlpLogExporter(_Bounded, OTLPLogExporter):
    """The SDK's exporter with deadlines that hold."""


class OtlpMetricExporter(_Bounded, OTLPMetricExporter):
    """The SDK's exporter with deadlines that hold."""


def span_exporter(config: Config) -> SpanExporter:
    """An OTLP/HTTP exporter of spans."""
    return OtlpSpanExporter(_settings(config, Signal.TRACES))


def log_exporter(config: Config) -> LogRecordExporter:
    """An OTLP/HTTP exporter of log records."""
    return OtlpLogExporter(_settings(config, Signal.LOGS))


def metric_exporter(config: Config) -> MetricExporter:
    """An OTLP/HTTP exporter of metrics."""
    return OtlpMetricExporter(_settings(config, Signal.METRICS))


def span_processor(config: Config, exporter: SpanExporter | None = None) -> BatchSpanProcessor:
    """A batch processor in the configured bounds; ``OTEL_BSP_*`` wins."""
    return BatchSpanProcessor(
        exporter or span_exporter(config), **_batch_arguments(config, "OTEL_BSP")
    )


def log_processor(
    config: Config, exporter: LogRecordExporter | None = None
) -> BatchLogRecordProcessor:
    """A batch processor in the configured bounds; ``OTEL_BLRP_*`` wins."""
    return BatchLogRecordProcessor(
        exporter or log_exporter(config), **_batch_arguments(config, "OTEL_BLRP")
    )


def queue_size(config: Config, prefix: str) -> int:
    """Records that wait at most in front of the spool, 0 for as many as have room.

    ``<prefix>_MAX_QUEUE_SIZE`` wins.
    """
    return _whole(os.environ.get(f"{prefix}_MAX_QUEUE_SIZE", ""), config.limits.queue_size)


def _whole(text: str, otherwise: int) -> int:
    try:
        return max(1, int(text))
    except ValueError:
        return otherwise


def _batch_arguments(config: Config, prefix: str) -> dict[str, Any]:
    # The SDK's queues know no bytes.
    size = queue_size(config, prefix) or _SDK_QUEUE
    arguments: dict[str, Any] = {"max_queue_size": size}
    # The SDK makes no processor whose batches are larger than its queue.
    batch = _whole(os.environ.get(f"{prefix}_MAX_EXPORT_BATCH_SIZE", ""), _BATCH)
    arguments["max_export_batch_size"] = min(batch, size)
    if not os.environ.get(f"{prefix}_SCHEDULE_DELAY"):
        arguments["schedule_delay_millis"] = config.metrics.intervals.api_metrics * 1000
    return arguments


def metric_reader(
    config: Config, exporter: MetricExporter | None = None
) -> PeriodicExportingMetricReader:
    """A periodic reader in the configured interval; ``OTEL_METRIC_EXPORT_*`` wins."""
    arguments: dict[str, Any] = {}
    if not os.environ.get("OTEL_METRIC_EXPORT_INTERVAL"):
        interval = config.metrics.intervals.resource_metrics
        arguments["export_interval_millis"] = interval * 1000
    if not os.environ.get("OTEL_METRIC_EXPORT_TIMEOUT"):
        arguments["export_timeout_millis"] = config.telemetry.otlp_timeout_seconds * 1000
    return OtlpMetricReader(exporter or metric_exporter(config), **arguments)


class OneNameReader(PeriodicExportingMetricReader):
    """Leaves out metrics of the engine that bear one of our names.

    Summed up in a backend, the same events under two sets of labels would count twice.
    """

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        kept = keep(metrics_data, _is_wanted)
        super()._receive_metrics(kept, timeout_millis, **kwargs)


class OtlpMetricReader(OneNameReader):
    """Collects on a thread of the operating system, whatever became of Python's."""

    def __init__(self, exporter: MetricExporter, **arguments: Any) -> None:
        interval = arguments.pop("export_interval_millis", None)
        if interval is None:
            interval = _number("OTEL_METRIC_EXPORT_INTERVAL", _SDK_INTERVAL_MILLIS)
        # Without an interval the SDK starts no thread of its own; what is wrong it refuses.
        asked = math.inf if interval > 0 else interval
        super().__init__(exporter, export_interval_millis=asked, **arguments)
        self._export_interval_millis = interval
        self._seconds = interval / 1000
        self._begin()
        if hasattr(os, "register_at_fork"):
            restart = weakref.WeakMethod(self._begin_anew)

            def after_fork() -> None:
                if method := restart():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    def _begin_anew(self) -> None:
        if not self._ending.is_set():
            self._begin()

    def _begin(self) -> None:
        self._ending = native.Event()
        if self._seconds < math.inf:
            # Where the SDK keeps its own, and waits for it as long as the seam allows.
            self._daemon_thread: Any = native.Thread(self._collect_again)
            native.keep_starting(self._daemon_thread)

    def _collect_again(self) -> None:
        ending = self._ending
        ended = False
        while not ended:
            ended = ending.wait(self._seconds)
            try:
                self.collect(timeout_millis=self._export_timeout_millis)
            except Exception:
                _logger.warning("Metrics could not be collected", exc_info=True)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Collect and send once more, within ``timeout_millis``."""
        self._ending.set()
        super().shutdown(timeout_millis, **kwargs)


def _number(variable: str, default: float) -> float:
    try:
        return float(os.environ[variable])
    except (KeyError, ValueError):
        return default


def leave_out_doubles(reader: MetricReader) -> MetricReader:
    """Make a periodic reader that somebody else built leave out what ours does."""
    if type(reader) is PeriodicExportingMetricReader:
        # Same state, other behaviour.
        reader.__class__ = OneNameReader
    return reader


def _is_wanted(scope: str, metric: Metric) -> bool:
    return is_ours(scope) or prometheus_name(metric) not in semconv.PROMETHEUS_NAMES
