# SPDX-License-Identifier: Apache-2.0
"""Serves the page and a stub's answers on a free port of the loopback interface.

``python tests/viewer/viewer_server.py`` serves it for a person to look at.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, Self

from viewer_stub import Stub

from ffe_otel.observe.viewer import CONTENT_SECURITY_POLICY, STATIC_DIR

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}

# A page load asks for some forty files; tests load the page often.
CACHED = {"text/javascript", "text/css", "image/svg+xml"}


class Server(ThreadingHTTPServer):
    """A running server as a context manager."""

    daemon_threads = True

    def __init__(self, stub: Stub, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.stub = stub
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes a connection half way is no error."""

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stub.hang_up()
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers GET as the real server does, headers included."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        stub, target = self.server.stub, urllib.parse.urlsplit(self.path)
        stub.requests.append(self.path)
        if stub.gone:
            self.close_connection = True
        elif not target.path.startswith("/api/v1/"):
            self._static(target.path)
        elif stub.unauthorised:
            self._json(401, {"error": "no valid token"})
        elif target.path == "/api/v1/live":
            self._stream()
        else:
            query = dict(urllib.parse.parse_qsl(target.query))
            path = urllib.parse.unquote(target.path).removeprefix("/api/v1/")
            self._json(*stub.answer(path, query))

    def _static(self, path: str) -> None:
        file = STATIC_DIR / ("index.html" if path == "/" else path.removeprefix("/static/"))
        if file.is_file() and file.suffix in TYPES:
            self._send(200, file.read_bytes(), TYPES[file.suffix])
        else:
            self._send(404, b"not here", "text/plain")

    def _stream(self) -> None:
        mine: Queue[str | None] = Queue()
        self.server.stub.streams.append(mine)
        self.close_connection = True
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b": connected\n\n")
            while (text := mine.get()) is not None:
                self.wfile.write(text.encode())
        except OSError:
            return
        finally:
            self.server.stub.streams.remove(mine)

    def _json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "max-age=600" if kind in CACHED else "no-store")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with Server(Stub(), 4390) as server:
        print(server.url)
        threading.Event().wait()
