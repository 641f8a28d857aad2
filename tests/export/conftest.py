# SPDX-License-Identifier: Apache-2.0
"""An OTLP receiver that keeps every byte, and redaction installed for one test."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ffe_otel.export import seams
from ffe_otel.export.stats import ExportStats
from ffe_otel.redaction import Redactor, load_catalogue


class Receiver:
    """Answers OTLP requests; ``requests`` holds (path, headers, body as sent)."""

    def __init__(self):
        self.requests = []
        self.answers = []  # (status, headers) for the next requests, 200 when empty
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), body))
                status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def bodies(self):
        """All bodies, uncompressed, in one piece."""
        return b"\n".join(
            gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
            for _, headers, body in self.requests
        )

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def redactor():
    return Redactor(load_catalogue(), ["literal-secret-of-the-test"])


@pytest.fixture
def stats():
    return ExportStats()


@pytest.fixture
def installed(redactor, stats):
    found = seams.install(redactor, stats, attribute_length=4096, shutdown_seconds=2.0)
    yield found
    found.undo()
