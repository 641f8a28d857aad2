# SPDX-License-Identifier: Apache-2.0
"""Running the command line, and a stand-in for `ffe-otel serve` that answers what it is told."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "page-token"
ANY_PORTS = {
    "FFE_OTEL__SERVE__PORT": "0",
    "FFE_OTEL__SERVE__OTLP_HTTP_PORT": "0",
    "FFE_OTEL__SERVE__OTLP_GRPC_PORT": "0",
}


def _invoke(command, arguments, **options):
    """What a command says, standard error apart and together, as click does from 8.2 on."""
    if "mix_stderr" not in signature(CliRunner).parameters:
        return CliRunner().invoke(command, arguments, prog_name="ffe-otel", **options)
    old = CliRunner(mix_stderr=False).invoke(command, arguments, prog_name="ffe-otel", **options)
    return SimpleNamespace(
        exit_code=old.exit_code,
        exception=old.exception,
        stdout=old.stdout,
        stdout_bytes=old.stdout_bytes,
        stderr=old.stderr,
        output=old.stdout + old.stderr,
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty working directory and state folder, and no variables of OpenTelemetry."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "FFE_OTEL", "NO_COLOR", "PYTHONPATH")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


@pytest.fixture
def any_ports(home, monkeypatch):
    """Servers listen wherever there is room."""
    for name, value in ANY_PORTS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def cli(home):
    """Call the command line in this process."""
    from ffe_otel.cli.main import main

    def _cli(*arguments: str, **options):
        return _invoke(main, arguments, **options)

    return _cli


@pytest.fixture
def start(home):
    """Start the command line as a process; what still runs at the end is killed."""
    started = []

    def _start(*arguments: str, through: tuple[str, ...] = (), **options) -> subprocess.Popen:
        environ = {**os.environ, "OTEL_SDK_DISABLED": "true", **options.pop("env", {})}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        command = [*through, sys.executable, "-m", "ffe_otel.cli", *arguments]
        process = subprocess.Popen(command, env=environ, **options)
        started.append(process)
        return process

    yield _start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            # Not read to the end: a command that its dead starter left behind may hold it.
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class FakeServe:
    """Answers each path of ``answers`` with (status, JSON) and records what was asked."""

    def __init__(self, state_dir: Path) -> None:
        self.answers: dict[str, tuple[int, object]] = {"/api/v1/status": (200, {})}
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append(self.path)
                status, body = fake.answers.get(
                    urlsplit(self.path).path,
                    (404, {"error": "no such trace", "hint": "look at the list of cycles"}),
                )
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    status, body = 401, {"error": "token needed"}
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.page = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.file = state_dir / "serve.json"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        said = {"pid": os.getpid(), "page": self.page, "token": TOKEN, "otlp_http": self.page,
                "otlp_grpc": None}  # fmt: skip
        self.file.write_text(json.dumps(said))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def fake_serve(home):
    """A server that `find_server` finds."""
    server = FakeServe(home / "state" / "ffe_otel")
    yield server
    server.close()


@pytest.fixture
def until():
    """Poll a condition until it holds."""

    def _until(condition, seconds: float = 20.0):
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            threading.Event().wait(0.02)
        return result

    return _until
