# SPDX-License-Identifier: Apache-2.0
"""OTLP endpoints that can be down, refuse, and come back on the same port."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from otlp_sink import Sink
from stack_processes import free_ports


class SwitchableSink(Sink):
    """Keeps what it acknowledged. ``status`` other than 200 refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.status = 200
        self.headers: list[dict[str, str]] = []
        self._server: ThreadingHTTPServer | None = None

    def up(self) -> SwitchableSink:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if sink.status == 200:
                    sink.headers.append({k.lower(): v for k, v in self.headers.items()})
                    sink.bodies.append((self.path, body))
                self.send_response(sink.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def everything(self) -> bytes:
        return b"\n".join(body for _, body in self.bodies)


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
