# SPDX-License-Identifier: Apache-2.0
"""A server that answers writes as InfluxDB 1 does, and fails when it is told to."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse


class Influx:
    """Keeps the lines it took.

    Attributes:
        failing: status and words of every answer while it is set.
        refused: a piece of text; a line with it is refused, its neighbours are written.
        requests: parameters and headers of each write.
    """

    def __init__(self, port: int = 0) -> None:
        self.failing: tuple[int, str] | None = None
        self.refused = "\0"
        self.written: set[str] = set()
        self.batches: list[int] = []
        self.requests: list[tuple[dict[str, list[str]], dict[str, str]]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                url = urlparse(self.path)
                stand_in.requests.append((parse_qs(url.query), dict(self.headers)))
                self._answer(*stand_in.take(body.decode().split("\n")))

            def _answer(self, status: int, text: str) -> None:
                data = json.dumps({"error": text}).encode() if text else b""
                self.send_response(status)
                self.send_header("X-Influxdb-Version", "1.6.7")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def take(self, lines: list[str]) -> tuple[int, str]:
        if self.failing:
            return self.failing
        self.batches.append(len(lines))
        good = [line for line in lines if self.refused not in line]
        self.written.update(good)
        if len(good) == len(lines):
            return 204, ""
        return 400, f"partial write: field type conflict: dropped={len(lines) - len(good)}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
