# SPDX-License-Identifier: Apache-2.0
"""Every way to ask passes the guards: WebSockets too, and pages that a browser has open."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
import uvicorn
from observe_server import http
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from ffe_otel.observe.guard import HostGuard, SecurityHeaders, TokenGuard

TOKEN = "the-token-of-this-test"


async def page(_request):
    return PlainTextResponse("the secret page")


async def live(websocket):
    await websocket.accept()
    await websocket.send_text("the secret stream")
    await websocket.close()


def guarded():
    app = Starlette(
        routes=[
            Route("/", page, methods=["GET", "POST"]),
            WebSocketRoute("/live", live),
        ]
    )
    return SecurityHeaders(HostGuard(TokenGuard(app, TOKEN, secure=False), frozenset()))


def converse(scope):
    """What the guarded application sends for a scope."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(guarded()(scope, receive, send))
    return sent


def websocket(*headers, query=b"", extensions=None):
    host = [] if any(n == b"host" for n, _ in headers) else [(b"host", b"127.0.0.1:4319")]
    return {
        "type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": query,
        "headers": [*host, *headers], "subprotocols": [], "scheme": "ws",
        "extensions": extensions or {}, "server": ("127.0.0.1", 4319), "root_path": "",
    }  # fmt: skip


BEARER = (b"authorization", f"Bearer {TOKEN}".encode())


@pytest.mark.parametrize(
    "scope",
    [
        websocket(),
        websocket((b"authorization", b"Bearer wrong")),
        websocket(query=b"token=wrong"),
        websocket((b"host", b"attacker.example"), BEARER),
        websocket((b"origin", b"https://attacker.example"), BEARER),
        websocket((b"origin", b"http://127.0.0.1:9"), query=b"token=" + TOKEN.encode()),
    ],
    ids=["no token", "wrong", "wrong in the address", "host", "origin", "another port's page"],
)
def test_a_websocket_without_the_right_to_it_is_closed(scope):
    (only,) = converse(scope)
    assert only == {"type": "websocket.close", "code": 1008, "reason": "refused"}


def test_a_server_that_can_is_told_why():
    sent = converse(websocket(extensions={"websocket.http.response": {}}))
    assert sent[0]["type"] == "websocket.http.response.start"
    assert sent[0]["status"] == 401
    assert b"token needed" in sent[1]["body"]


@pytest.mark.parametrize(
    "scope",
    [
        websocket(BEARER),
        websocket(query=b"token=" + TOKEN.encode()),
        websocket((b"origin", b"http://127.0.0.1:4319"), query=b"token=" + TOKEN.encode()),
    ],
    ids=["bearer", "address", "own page"],
)
def test_a_websocket_with_the_token_is_opened(scope):
    sent = converse(scope)
    assert sent[0]["type"] == "websocket.accept"
    assert sent[1]["text"] == "the secret stream"


def test_a_kind_of_scope_that_nobody_has_thought_of_gets_nothing():
    assert converse({"type": "webtransport", "headers": [], "path": "/"}) == []


@pytest.fixture
def running():
    """A real server with the guarded application; its port."""
    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(guarded(), log_level="error", lifespan="off", ws="none", http="h11")
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([sock])), daemon=True)
    thread.start()
    yield sock.getsockname()[1]
    server.should_exit = True
    thread.join(20)
    sock.close()


def raw(port, *lines):
    """The answer to a request sent as it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


UPGRADE = (
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: YWJjZGVmZ2hpamtsbW5vcA==",
)


def test_an_upgrade_over_loopback_is_answered_like_any_request(running, shared):
    for port in (running, int(shared.addresses.page.rpartition(":")[2])):
        for path in ("/", "/live", "/api/v1/live"):
            answer = raw(port, f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *UPGRADE)
            assert answer.startswith(b"HTTP/1.1 401"), answer
            assert b"secret" not in answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE"])
@pytest.mark.parametrize(
    "path", ["/", "//", "/%2e%2e/", "/api/v1/..;/cycles", "/API/v1/cycles", "/static/%2e%2e/x", "*"]
)
def test_no_method_and_no_path_comes_by_without_the_token(shared, method, path):
    port = int(shared.addresses.page.rpartition(":")[2])
    answer = raw(port, f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Length: 0")
    assert answer.partition(b"\r\n")[0].split(b" ")[1] in {b"401", b"400"}


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (["localhost.:4319"], b"200"),
        (["[::1]:4319"], b"200"),
        (["127.0.0.1.attacker.example"], b"421"),
        (["attacker.example."], b"421"),
        (["attacker.example:127.0.0.1"], b"421"),
        ([""], b"421"),
        (["127.0.0.1@attacker.example"], b"421"),
    ],
)
def test_host_names_however_they_are_written(shared, hosts, status):
    port = int(shared.addresses.page.rpartition(":")[2])
    answer = raw(
        port, "GET /api/v1/cycles HTTP/1.1", *(f"Host: {h}" for h in hosts),
        f"Authorization: Bearer {shared.addresses.token}",
    )  # fmt: skip
    assert answer.split(b" ")[1] == status, answer


@pytest.mark.parametrize(
    "origin", ["https://attacker.example", "null", "http://127.0.0.1.a.example"]
)
def test_a_page_elsewhere_cannot_have_a_browser_send_telemetry(shared, origin):
    assert shared.post("logs", {}, Origin=origin).status == 403
    assert shared.post("logs", {}).status == 200
    assert shared.post("logs", {}, Origin="http://localhost:3000").status == 200


def test_a_token_with_odd_bytes_is_wrong_and_no_error(shared):
    url = f"{shared.addresses.page}/api/v1/cycles?token="
    for odd in ("%ed%a0%80", "%ff", "%00", "%f0%9f"):
        assert http(url + odd).status == 401


def test_a_damaged_token_file_is_made_anew(start, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "token").write_bytes(b"\xff\x00" * 40)
    server = start(state, otlp_grpc_port=-1)
    assert server.addresses.token.isascii()
    assert server.get("cycles") == {"cycles": [], "next": None}
