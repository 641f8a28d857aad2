# SPDX-License-Identifier: Apache-2.0
"""A real backend on ephemeral ports in a thread of the test, and a client of it."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ffe_otel.config.model import Config, InfluxDB, Metrics, Serve
from ffe_otel.observe.server import Addresses, run_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE = 20.0


def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Poll until ``condition`` gives something true; that."""
    end = time.monotonic() + DEADLINE
    pause = threading.Event()
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        pause.wait(0.02)
    raise AssertionError(f"{what} did not come true within {DEADLINE} s")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def http(url: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """One request, redirects and errors given back as they are."""
    request = urllib.request.Request(url, body, method=method)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=DEADLINE) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Server:
    """A backend that runs in a thread, and a client of it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.addresses: Addresses = None  # type: ignore[assignment]
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            run_server(self.config, ready=self._announce, stop=self._stop)
        except BaseException as error:
            self.error = error
            self._ready.set()

    def _announce(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self._ready.set()

    def start(self) -> Server:
        self._thread.start()
        assert self._ready.wait(DEADLINE)
        if self.error is not None:
            raise self.error
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def post(self, signal: str, payload: Any, **headers: str) -> Answer:
        """Send a JSON document, or bytes with the content type in ``headers``."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        headers = {"Content_Type": "application/json", **headers}
        return http(f"{self.addresses.otlp_http}/v1/{signal}", method="POST", body=body, **headers)

    def ask(self, path: str, **parameters: Any) -> Answer:
        """GET below ``/api/v1/`` with the token."""
        query = urllib.parse.urlencode(parameters)
        url = f"{self.addresses.page}/api/v1/{path}?{query}"
        return http(url, Authorization=f"Bearer {self.addresses.token}")

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.ask(path, **parameters)
        assert answer.status == 200, answer
        return answer.json()

    def stored(self, **counts: int) -> None:
        """Wait until the store holds exactly so many rows."""
        until(lambda: counts.items() <= self.get("status")["store"].items(), f"a store of {counts}")


def make_config(state_dir: Path, *, influxdb: InfluxDB | None = None, **serve: Any) -> Config:
    """A configuration with ephemeral ports."""
    ports = {"port": 0, "otlp_http_port": 0, "otlp_grpc_port": 0}
    return Config(
        state_dir=str(state_dir),
        serve=Serve(**{**ports, **serve}),
        metrics=Metrics(influxdb=influxdb or InfluxDB(enabled=False)),
    )
