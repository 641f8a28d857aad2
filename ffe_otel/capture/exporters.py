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
    made: list[Any] = []
    for name in _names(signal):
        if spooled is not None and name == GRPC:
            made.append(spooled(_load(signal, name)))
        elif name in OTLP_NAMES:
            made.append((spooled or direct)())
        else:
            made.append(_load(signal, name)(**_options(signal, name)))
    return made


def _options(signal: str, name: str) -> dict[str, Any]:
    return otlp.grpc_options(signal) if name == GRPC else {}


def metric_readers(config: Config, outbox: Outbox | None) -> list[MetricReader]:
    """The readers of ``OTEL_METRICS_EXPORTER``; ``prometheus`` is our own page.

    See ``span_exporters`` for the arguments.
    """
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

    readers: list[MetricReader] = []
    for name in _names("metrics"):
        if outbox is not None and name in (*OTLP_NAMES, GRPC):
            grpc = _load("metrics", name) if name == GRPC else None
            readers.append(otlp.metric_reader(config, outbox.metric_exporter(grpc)))
        elif name in OTLP_NAMES:
            readers.append(otlp.metric_reader(config))
        elif name != "prometheus":
            made = _load("metrics", name)(**_options("metrics", name))
            readers.append(
                made if isinstance(made, MetricReader) else PeriodicExportingMetricReader(made)
            )
    return readers


def _names(signal: str) -> list[str]:
    chosen = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or "otlp"
    names = [name.strip() for name in chosen.split(",")]
    protocol = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", ""
    )
    if protocol.strip() == "grpc":
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
