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
        reading_pause: seconds before every kilobyte of a request is read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.always: tuple[int, dict[str, str]] | None = None
        self.attempts: list[float] = []
        self.reading_pause = 0.0
        self._server: _Server | None = None
        self._listeners: list[socket.socket] = []
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
                body = self._read(int(self.headers["Content-Length"]))
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

            def _read(self, size: int) -> bytes:
                body = b""
                while endpoint.reading_pause and len(body) < size:
                    time.sleep(endpoint.reading_pause)
                    body += self.rfile.read(min(1024, size - len(body)))
                return body + self.rfile.read(size - len(body))

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def slow(self) -> None:
        """Answer, and read so slowly that no request is done in time."""
        self.up()
        self.reading_pause = 0.5

    def deaf(self) -> None:
        """Take connections and never read from them."""
        self.down()
        self._listen(64)

    def black_hole(self) -> None:
        """Leave connections without any answer, as a firewall that drops them does."""
        self.down()
        self._listen(0)
        for _ in range(2):  # nobody accepts them: with these the queue is full
            waiting = socket.socket()
            self._listeners.append(waiting)
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", self.port))

    def _listen(self, backlog: int) -> None:
        listener = socket.socket()
        self._listeners.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(backlog)

    def down(self) -> None:
        """Refuse connections."""
        self.reading_pause = 0.0
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        while self._listeners:
            self._listeners.pop().close()

    def close(self) -> None:
        self.down()
        self._holder.close()

    def marks(self) -> set[str]:
        """The marks of all spans and log records that arrived."""
        spans = {s.name for s in self.spans() if s.name.startswith("span ")}
        return spans | {
            r.body.string_value for r in self.logs() if r.body.string_value.startswith("log ")
        }
