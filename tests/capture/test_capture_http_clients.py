# SPDX-License-Identifier: Apache-2.0
"""Requests that a cycle makes through each HTTP client are in its trace and carry its ids."""

from __future__ import annotations

import asyncio
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests

import ffe_otel
import ffe_otel.testing
from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ffe_otel._testing.telemetry import Telemetry


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    return True


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web server that remembers the headers it was sent, names in lower case."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{found.server_address[1]}/", seen
    found.shutdown()
    found.server_close()
    thread.join()


def with_requests(url: str) -> None:
    requests.get(url, timeout=10)


def with_httpx(url: str) -> None:
    with httpx.Client(trust_env=False) as client:
        client.get(url)


def with_aiohttp(url: str) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession() as session, session.get(url):
            pass

    asyncio.run(get())


@pytest.mark.parametrize("ask", [with_requests, with_httpx, with_aiohttp])
def test_a_request_is_in_the_trace_under_its_stable_names(
    ffe_telemetry: Telemetry, server: tuple[str, list[dict[str, str]]], ask: Callable[[str], None]
) -> None:
    url, seen = server
    with ffe_otel.cycle(["BTCUSD"]) as cycle:
        ask(url)
    (request,) = [s for s in ffe_telemetry.spans if s.name == "GET"]
    assert request.attributes is not None
    assert request.attributes[semconv.HTTP_METHOD] == "GET"
    assert request.parent is not None
    assert request.parent.span_id == cycle.span.get_span_context().span_id
    assert format(request.context.trace_id, "032x") in seen[-1]["traceparent"]


def test_a_client_is_left_alone_again_afterwards(
    server: tuple[str, list[dict[str, str]]], tmp_path: Any
) -> None:
    url, seen = server
    variables = dict(os.environ)
    handle = ffe_otel.install(ffe_otel.testing.quiet_config(tmp_path), set_global=False)
    handle.uninstall()
    for ask in (with_requests, with_httpx, with_aiohttp):
        ask(url)
        assert "traceparent" not in seen[-1]
    assert dict(os.environ) == variables
