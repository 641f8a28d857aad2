# SPDX-License-Identifier: Apache-2.0
"""What stands in Tempo's place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from loopback import free_ports
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


class GrpcSink:
    """OTLP/gRPC for traces, in Tempo's place; down and up again on the same port."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.spans: list[Any] = []
        self._server: grpc.Server | None = None

    def up(self) -> GrpcSink:
        self._server = grpc.server(ThreadPoolExecutor(2))
        add_TraceServiceServicer_to_server(_Traces(self.spans), self._server)
        self._server.add_insecure_port(self.address)
        self._server.start()
        return self

    def down(self) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None


class _Traces(TraceServiceServicer):
    def __init__(self, spans: list[Any]) -> None:
        self._spans = spans

    def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self._spans += scope.spans
        return ExportTraceServiceResponse()
