# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP endpoint that reads what it is sent and counts it; keeps nothing.

``python otlp_counter.py [PORT]`` prints the port it listens on. ``GET /`` answers with the
counts since the last time it was asked.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def spans(body: bytes) -> int:
    """Spans of a request."""
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans)


def logs(body: bytes) -> int:
    """Log records of a request."""
    request = ExportLogsServiceRequest.FromString(body)
    return sum(len(s.log_records) for r in request.resource_logs for s in r.scope_logs)


def metrics(body: bytes) -> int:
    """Metrics of a request."""
    request = ExportMetricsServiceRequest.FromString(body)
    return sum(len(s.metrics) for r in request.resource_metrics for s in r.scope_metrics)


READERS = {"/v1/traces": spans, "/v1/logs": logs, "/v1/metrics": metrics}


class Handler(BaseHTTPRequestHandler):
    """Answers every request with 200."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    counts: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self._answer(json.dumps(self.counts).encode())
        self.counts.clear()

    def do_POST(self) -> None:
        body = self._body()
        self._answer(b"")
        read = READERS.get(self.path)
        if read is not None:
            plain = gzip.decompress(body) if "gzip" in self.headers.values() else body
            self.counts[self.path.rpartition("/")[2]] += read(plain)
            self.counts["bytes"] += len(plain)

    do_PUT = do_POST

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
