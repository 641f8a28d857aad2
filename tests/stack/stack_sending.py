# SPDX-License-Identifier: Apache-2.0
"""The SDK as it is, without redaction: what another sender's telemetry looks like."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message


PATHS: dict[type[Message], str] = {
    ExportTraceServiceRequest: "/v1/traces",
    ExportLogsServiceRequest: "/v1/logs",
}


@dataclass(frozen=True)
class Event:
    """What becomes a point in InfluxDB; now, unless ``time_ns`` says when."""

    name: str
    attributes: Mapping[str, str | float]
    time_ns: int = 0


class Sender:
    """Three providers that export to one place."""

    def __init__(self, url: str, resource: Resource | None = None, views: Any = ()) -> None:
        resource = resource or Resource({"service.name": "sender"})
        self.traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.traces.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces", timeout=5))
        )
        self.logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self.logs.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs", timeout=5))
        )
        self._reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{url}/v1/metrics", timeout=5), export_interval_millis=3_600_000
        )
        self.metrics = MeterProvider(
            [self._reader], resource=resource, views=views, shutdown_on_exit=False
        )

    def flush(self) -> None:
        for provider in (self.traces, self.logs, self.metrics):
            assert provider.force_flush()

    def close(self) -> None:
        for provider in (self.traces, self.logs, self.metrics):
            provider.shutdown()


def trace_request(
    names: Iterable[str], attributes: Mapping[str, str] | None = None
) -> ExportTraceServiceRequest:
    """A request with one span a name, each in a trace of its own."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for name in names:
        span = spans.add(name=name, trace_id=_id(name, 16), span_id=_id(name, 8))
        span.start_time_unix_nano = span.end_time_unix_nano = 1_800_000_000_000_000_000
        for key, value in (attributes or {}).items():
            span.attributes.add(key=key).value.string_value = value
    return request


def event_request(*events: Event) -> ExportLogsServiceRequest:
    """A request with one event record each."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for event in events:
        record = records.add(event_name=event.name, time_unix_nano=event.time_ns or time.time_ns())
        for key, value in event.attributes.items():
            any_value = record.attributes.add(key=key).value
            if isinstance(value, str):
                any_value.string_value = value
            else:
                any_value.double_value = value
    return request


def post(url: str, request: Message, **options: Any) -> requests.Response:
    """Send a request; the answer's status says whether it was acknowledged."""
    headers = {"Content-Type": "application/x-protobuf", **options.pop("headers", {})}
    return requests.post(
        f"{url}{PATHS[type(request)]}",
        request.SerializeToString(),
        headers=headers,
        timeout=options.pop("timeout", 10),
        **options,
    )


def _id(text: str, length: int) -> bytes:
    import hashlib

    return hashlib.sha256(text.encode()).digest()[:length]
