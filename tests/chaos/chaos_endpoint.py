# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP endpoint that can be brought down, made deaf, slow or unwilling, on one port."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from otlp_sink import Sink


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: Any) -> None:
        """Clients that are killed are the point here."""


class Endpoint(Sink):
    """Refuses connections until told otherwise.

    Attributes:
        answers: status and headers of the next answers; 200 when there are none.
        always: status and headers of every answer, before ``answers``.
        attempts: when each request came, monotonic seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.always: tuple[int, dict[str, str]] | None = None
        self.attempts: list[float] = []
        self._server: _Server | None = None
        self._deaf: socket.socket | None = None
        # Bound and not listening: connections are refused, and nobody else gets the port.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port = self._holder.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Answer from now on."""
        self.down()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.attempts.append(time.monotonic())
                status, headers = endpoint.always or (
                    endpoint.answers.pop(0) if endpoint.answers else (200, {})
                )
                if status == 200:
                    if self.headers.get("Content-Encoding") == "gzip":
                        body = gzip.decompress(body)
                    endpoint.bodies.append((self.path, body))
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def deaf(self) -> None:
        """Take connections and never read from them."""
        self.down()
        self._deaf = socket.socket()
        self._deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._deaf.bind(("127.0.0.1", self.port))
        self._deaf.listen(64)

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if self._deaf is not None:
            self._deaf.close()
            self._deaf = None

    def close(self) -> None:
        self.down()
        self._holder.close()

    def marks(self) -> set[str]:
        """The marks of all spans and log records that arrived."""
        spans = {s.name for s in self.spans() if s.name.startswith("span ")}
        return spans | {
            r.body.string_value for r in self.logs() if r.body.string_value.startswith("log ")
        }
