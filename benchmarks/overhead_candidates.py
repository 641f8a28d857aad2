# SPDX-License-Identifier: Apache-2.0
"""The candidates of ``overhead.py``, each set up as its users do, and one run of one of them.

Queues are as long as the run needs, so that nobody gains by dropping.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
from overhead_cycle import PACKAGE, Engine, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE = 400_000
WARM_UP = 50
FLUSH_SECONDS = 120


def bare(_url: str) -> Surface:
    """The engine without telemetry; its log lines go nowhere."""
    return Surface()


def sdk(url: str) -> Surface:
    """opentelemetry-sdk as its documentation wires it up."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.logging.handler import LoggingHandler
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    traces = TracerProvider()
    traces.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces"), max_queue_size=QUEUE)
    )
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"), 10_000)
    meters = MeterProvider([reader])
    logs = LoggerProvider()
    logs.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs"), max_queue_size=QUEUE)
    )
    logging.getLogger(PACKAGE).addHandler(LoggingHandler(logger_provider=logs))

    def flush() -> None:
        for provider in (traces, logs, meters):
            provider.force_flush()

    return by_api(traces.get_tracer("engine"), meters.get_meter("engine"), flush)


def ffe(url: str) -> Surface:
    """ffe_otel as it comes with the start, with all that is on by default."""
    from opentelemetry import metrics, trace

    flush = installed(url)
    return by_api(trace.get_tracer("engine"), metrics.get_meter("engine"), flush)


def ffe_steps(url: str) -> Surface:
    """ffe_otel by its own API, whose steps also record metrics and events."""
    import ffe_otel

    surface = ffe(url)
    surface.steps = ffe_otel
    return surface


def ffe_python(url: str) -> Surface:
    """ffe_otel where google-re2 is not installed."""
    sys.modules["re2"] = None  # type: ignore[assignment]
    return ffe(url)


def installed(url: str) -> Callable[[], Any]:
    """Bring ffe_otel up as ``opentelemetry-instrument`` does; state and port are the run's own."""
    import ffe_otel
    from ffe_otel.capture.distro import FfeConfigurator

    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
    os.environ["FFE_OTEL__LIMITS__QUEUE_SIZE"] = str(QUEUE)
    os.environ["FFE_OTEL__LIMITS__QUEUE_BYTES"] = str(1 << 32)
    os.environ["FFE_OTEL__LOGGING__BUFFER_SIZE"] = str(QUEUE)
    os.environ["FFE_OTEL__METRICS__PROMETHEUS__PORT"] = "0"
    os.environ["FFE_OTEL__LOGGING__OUTPUTS__CONSOLE"] = "false"
    FfeConfigurator().configure()
    handle = ffe_otel.install()
    return lambda: handle.flush(FLUSH_SECONDS)


def logfire(url: str) -> Surface:
    """logfire without its own backend, for the same endpoint."""
    import logfire as peer
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    spans = BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces"), max_queue_size=QUEUE)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"), 10_000)
    peer.configure(
        send_to_logfire=False,
        console=False,
        inspect_arguments=False,
        additional_span_processors=[spans],
        metrics=peer.MetricsOptions(additional_readers=[reader]),
    )
    logging.getLogger(PACKAGE).addHandler(peer.LogfireLoggingHandler())
    return by_api(trace.get_tracer("engine"), metrics.get_meter("engine"), peer.force_flush)


def ddtrace(url: str) -> Surface:
    """ddtrace: spans only; its metrics go by another way and its logs stay with the engine."""
    os.environ.update(
        DD_TRACE_AGENT_URL=url,
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
        DD_TRACE_STARTUP_LOGS="false",
        DD_TRACE_WRITER_BUFFER_SIZE_BYTES=str(500 << 20),
    )
    from ddtrace.trace import Span, tracer

    Span.set_attributes = Span.set_tags
    return Surface(span=tracer.trace, flush=tracer.flush)


def by_api(tracer: Any, meter: Any, flush: Callable[[], Any]) -> Surface:
    """OpenTelemetry's calls of a tracer and a meter."""
    return Surface(
        span=tracer.start_as_current_span,
        counters=[meter.create_counter(f"engine.counter.{n}").add for n in range(6)],
        histograms=[meter.create_histogram(f"engine.histogram.{n}").record for n in range(6)],
        flush=flush,
    )


CANDIDATES: dict[str, Callable[[str], Surface]] = {
    "nothing": bare,
    "sdk": sdk,
    "ffe_otel": ffe,
    "ffe_otel-no-re2": ffe_python,
    "ffe_otel-own-api": ffe_steps,
    "logfire": logfire,
    "ddtrace": ddtrace,
}


def available() -> list[str]:
    """Candidates that can be imported here."""
    peers = {"logfire", "ddtrace"}
    return [n for n in CANDIDATES if n not in peers or importlib.util.find_spec(n) is not None]


def prepared(name: str, url: str) -> tuple[Engine, Surface]:
    """A candidate that is warm and has sent everything."""
    surface = CANDIDATES[name](url)
    engine = Engine(surface)
    for _ in range(WARM_UP):
        engine.cycle()
    surface.flush()
    gc.collect()
    return engine, surface


def saturated(name: str, url: str, cycles: int) -> dict[str, float]:
    """Cycles back to back; microseconds."""
    engine, surface = prepared(name, url)
    walls = []
    process, thread = time.process_time(), time.thread_time()
    for _ in range(cycles):
        began = time.perf_counter()
        engine.cycle()
        walls.append(time.perf_counter() - began)
    thread = time.thread_time() - thread
    surface.flush()
    process = time.process_time() - process
    walls.sort()
    return {
        "thread_us": thread / cycles * 1e6,
        "process_us": process / cycles * 1e6,
        "p50_us": walls[cycles // 2] * 1e6,
        "p99_us": walls[int(cycles * 0.99)] * 1e6,
    }


def paced(name: str, url: str, cycles: int) -> dict[str, float]:
    """Ten cycles a second; resident memory in MB at its highest, and at the end."""
    engine, surface = prepared(name, url)
    memory = psutil.Process().memory_info
    highest = 0
    due = time.monotonic()
    for _ in range(cycles):
        engine.cycle()
        highest = max(highest, memory().rss)
        due += 0.1
        time.sleep(max(0.0, due - time.monotonic()))
    surface.flush()
    return {"rss_peak_mb": highest / 1e6, "rss_end_mb": memory().rss / 1e6}
