# SPDX-License-Identifier: Apache-2.0
"""Which exporters a process uses, by the standard variables.

``OTEL_TRACES_EXPORTER``, ``OTEL_METRICS_EXPORTER`` and ``OTEL_LOGS_EXPORTER`` mean what
OpenTelemetry says; without them everything goes out by OTLP. Redaction is not named
here: the seams of ``ffe_otel.export`` stand before every exporter.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from ffe_otel.capture.start import say
from ffe_otel.export import otlp

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace.export import SpanExporter

    from ffe_otel.config import Config
    from ffe_otel.export.spool.outbox import Outbox

OTLP_NAMES = ("otlp", "otlp_proto_http")
GRPC = "otlp_proto_grpc"


def span_exporters(config: Config, outbox: Outbox | None) -> list[SpanExporter]:
    """The exporters of ``OTEL_TRACES_EXPORTER``.

    Args:
        config: the configuration.
        outbox: what OTLP goes through; ``None`` sends it without a spool.
    """
    spooled = None if outbox is None else outbox.span_exporter
    return _exporters("traces", spooled, lambda: otlp.span_exporter(config))


def log_exporters(config: Config, outbox: Outbox | None) -> list[LogRecordExporter]:
    """The exporters of ``OTEL_LOGS_EXPORTER``; see ``span_exporters``."""
    spooled = None if outbox is None else outbox.log_exporter
    return _exporters("logs", spooled, lambda: otlp.log_exporter(config))


def _exporters(
    signal: str, spooled: Callable[..., Any] | None, direct: Callable[[], Any]
) -> list[Any]:
    def make(name: str) -> Any:
        if spooled is not None and name == GRPC:
            return spooled(_load(signal, name))
        if name in OTLP_NAMES:
            return (spooled or direct)()
        return _load(signal, name)(**_options(signal, name))

    return _made(signal, make)


def _made(signal: str, make: Callable[[str], Any]) -> list[Any]:
    """What is made of each name; OTLP where none of them gives anything."""
    names = _names(signal)
    made: list[Any] = []
    for name in names:
        try:
            made.append(make(name))
        except Exception as error:  # noqa: BLE001 - code of others, and the engine has to start
            say(
                f"OTEL_{signal.upper()}_EXPORTER: {name} cannot be used ({type(error).__name__}), "
                f"{signal} go without it"
            )
    if names and not made:
        made.append(make(OTLP_NAMES[0]))
    return [each for each in made if each is not None]


def _options(signal: str, name: str) -> dict[str, Any]:
    return otlp.grpc_options(signal) if name == GRPC else {}


def metric_readers(config: Config, outbox: Outbox | None) -> list[MetricReader]:
    """The readers of ``OTEL_METRICS_EXPORTER``; ``prometheus`` is our own page.

    See ``span_exporters`` for the arguments.
    """
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

    def make(name: str) -> MetricReader | None:
        if outbox is not None and name in (*OTLP_NAMES, GRPC):
            grpc = _load("metrics", name) if name == GRPC else None
            return otlp.metric_reader(config, outbox.metric_exporter(grpc))
        if name in OTLP_NAMES:
            return otlp.metric_reader(config)
        if name == "prometheus":
            return None
        made = _load("metrics", name)(**_options("metrics", name))
        return made if isinstance(made, MetricReader) else PeriodicExportingMetricReader(made)

    return _made("metrics", make)


def _names(signal: str) -> list[str]:
    chosen = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or "otlp"
    names = [name.strip() for name in chosen.split(",")]
    if otlp.environment(signal, "PROTOCOL").lower() == "grpc":
        names = ["otlp_proto_grpc" if name == "otlp" else name for name in names]
    return [name for name in names if name and name.lower() != "none"]


def _load(signal: str, name: str) -> Any:
    group = f"opentelemetry_{signal}_exporter"
    for entry in entry_points(group=group, name=name):
        return entry.load()
    known = sorted({entry.name for entry in entry_points(group=group)} | {"otlp", "none"})
    raise LookupError(
        f"OTEL_{signal.upper()}_EXPORTER names {name!r}, which is not installed; there are: "
        f"{', '.join(known)}"
        + ("; pip install 'ffe-otel[grpc]' brings OTLP over gRPC" if "grpc" in name else "")
    )
