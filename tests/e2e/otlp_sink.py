# SPDX-License-Identifier: Apache-2.0
"""OTLP endpoints on loopback that keep what they were sent, as bytes and as messages."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from loopback import Asked, Endpoint, Reply
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}
RESOURCES = {
    "/v1/traces": "resource_spans",
    "/v1/metrics": "resource_metrics",
    "/v1/logs": "resource_logs",
}


class Sink:
    """OTLP/HTTP. Keeps what it acknowledged; ``status`` other than 200 refuses."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self._endpoint = Endpoint(self._take)
        self.url = self._endpoint.url

    def up(self) -> None:
        self._endpoint.up()

    def down(self) -> None:
        self._endpoint.down()

    def _take(self, asked: Asked) -> Reply:
        if self.status == 200:
            self.headers.append(dict(asked.headers))
            self.bodies.append((asked.path, asked.body))
        return Reply(self.status, headers={"Content-Type": "application/x-protobuf"})

    def everything(self) -> bytes:
        return b"\n".join(body for _, body in self.bodies)

    def _messages(self, path: str) -> list[Any]:
        return [MESSAGES[path].FromString(body) for p, body in self.bodies if p == path]

    def spans(self) -> list[Any]:
        return [
            span
            for message in self._messages("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def logs(self) -> list[Any]:
        return [
            record
            for message in self._messages("/v1/logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def resources(self) -> list[dict[str, Any]]:
        """Attributes of the resource of every request, whatever its signal."""
        return [
            attributes(part.resource)
            for path, parts in RESOURCES.items()
            for message in self._messages(path)
            for part in getattr(message, parts)
        ]

    def metrics(self) -> list[Any]:
        return [
            metric
            for message in self._messages("/v1/metrics")
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def metric_names(self) -> set[str]:
        return {metric.name for metric in self.metrics()}

    def labels(self, key: str) -> set[Any]:
        """All values of a label of our own metrics."""
        return {
            value
            for metric in self.metrics()
            if metric.name.startswith("ffe.")
            for point in getattr(metric, metric.WhichOneof("data")).data_points
            if (value := attributes(point).get(key)) is not None
        }


def attributes(record: Any) -> dict[str, Any]:
    """Attributes of a span, event or log record as a dictionary."""
    found = {}
    for pair in record.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind) if kind else None
        found[pair.key] = [v.string_value for v in value.values] if kind == "array_value" else value
    return found


@contextlib.contextmanager
def running() -> Iterator[Sink]:
    """A sink that takes telemetry until the block ends."""
    sink = Sink()
    sink.up()
    try:
        yield sink
    finally:
        sink.down()
