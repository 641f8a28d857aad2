# SPDX-License-Identifier: Apache-2.0
"""A JSON server on a free loopback port with a thread of its own."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, dict[str, Any]]


class Service(Protocol):
    """Answers requests; called from many threads at once."""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        """Return the status code and the JSON object of a reply."""
        ...


class LoopbackServer:
    """Serves one ``Service`` on 127.0.0.1 until it is closed."""

    def __init__(self, service: Service, name: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=name, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; requests under way are left to end by themselves."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2)


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # It speaks HTTP/1.0: a connection a request, so that no client is left with an open one.
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, reply = service.answer(self.command, parts.path, query, body)
            payload = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = _serve  # noqa: N815 - the name http.server looks for
        do_POST = _serve  # noqa: N815 - the name http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            """Keep quiet: the engine's own log says what was asked."""

    return Handler
