# SPDX-License-Identifier: Apache-2.0
"""Who gets in, and what a browser is told."""

from __future__ import annotations

import ssl
import subprocess
import urllib.request

import grpc
import pytest
from observe_server import http, make_config

from ffe_otel.observe.addresses import is_loopback
from ffe_otel.observe.errors import ServeError
from ffe_otel.observe.server import run_server

HTML = {"Accept": "text/html,*/*"}


def cookie_of(server):
    """Name and value of the cookie that opens a server's page."""
    cookie = http(server.addresses.page_with_token).headers["Set-Cookie"]
    name, _, value = cookie.partition(";")[0].partition("=")
    return name, value


def test_the_address_with_the_token_opens_the_page_by_a_cookie(shared):
    first = http(f"{shared.addresses.page_with_token}&view=cycles")
    assert first.status == 303
    assert first.headers["Location"] == "/?view=cycles"
    cookie = first.headers["Set-Cookie"]
    name, _, value = cookie.partition(";")[0].partition("=")
    assert name.startswith("ffe_otel_token_")
    assert value == shared.addresses.token
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    page = http(f"{shared.addresses.page}/", Cookie=cookie.partition(";")[0])
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_a_redirect_stays_on_this_server(shared):
    answer = http(f"{shared.addresses.page}//attacker.example/?token={shared.addresses.token}")
    assert (answer.status, answer.headers["Location"]) == (303, "/attacker.example/")


@pytest.mark.parametrize(
    "path", ["/", "/static/index.html", "/api/v1/cycles", "/api/v1/live", "/nothing"]
)
@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, "token needed"),
        ({"Authorization": "Bearer"}, "token needed"),
        ({"Authorization": "Bearer wrong"}, "the token is wrong"),
        ({"Cookie": "NAME=wrong"}, "the token is wrong"),
        ({"Cookie": "ffe_otel_token_00000000=another server's"}, "token needed"),
    ],
)
def test_without_the_token_nothing_is_shown(shared, path, headers, problem):
    name = cookie_of(shared)[0]
    headers = {key: value.replace("NAME", name) for key, value in headers.items()}
    answer = http(shared.addresses.page + path, **headers)
    assert answer.status == 401
    assert answer.json()["error"] == problem
    assert "ffe-otel serve" in answer.json()["hint"]
    shown = http(shared.addresses.page + path, **headers, **HTML)
    assert shown.status == 401
    assert b"ffe-otel serve" in shown.body
    assert (b"<h1>The token is wrong" in shown.body) == (problem == "the token is wrong")


def test_a_wrong_token_in_the_address_is_refused_and_sets_no_cookie(shared):
    answer = http(f"{shared.addresses.page}/?token=wrong")
    assert answer.status == 401
    assert answer.headers["Set-Cookie"] is None
    assert answer.json()["error"] == "the token is wrong"


def test_two_servers_of_one_machine_do_not_log_each_other_out(shared, start):
    other = start(otlp_grpc_port=-1)
    # A browser keeps cookies by host, whatever the port, and sends all of them to both.
    jar = "; ".join("=".join(cookie_of(server)) for server in (shared, other))
    for server in (shared, other):
        assert http(f"{server.addresses.page}/api/v1/cycles", Cookie=jar).status == 200


def test_a_server_that_moved_to_another_port_knows_its_cookie(start):
    first = start(otlp_grpc_port=-1)
    cookie = "=".join(cookie_of(first))
    first.stop()
    again = start(otlp_grpc_port=-1)
    assert http(f"{again.addresses.page}/api/v1/cycles", Cookie=cookie).status == 200


def test_the_api_takes_the_token_in_the_address_too(shared):
    url = f"{shared.addresses.page}/api/v1/cycles?token={shared.addresses.token}"
    assert http(url).json() == {"cycles": [], "next": None}


def test_a_configured_token_is_used_and_not_written_to_a_file_of_its_own(start, tmp_path):
    server = start(token="our-own-token", otlp_grpc_port=-1)
    assert server.get("cycles") == {"cycles": [], "next": None}
    assert server.addresses.token == "our-own-token"
    assert not (tmp_path / "state" / "token").exists()


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:4319", "[2001:db8::1]:80"])
def test_another_host_name_is_refused_against_dns_rebinding(shared, host):
    auth = {"Authorization": f"Bearer {shared.addresses.token}"}
    assert http(f"{shared.addresses.page}/api/v1/cycles", Host=host, **auth).status == 421


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:4319", "LOCALHOST"])
def test_names_of_this_machine_are_taken(shared, host):
    auth = {"Authorization": f"Bearer {shared.addresses.token}"}
    assert http(f"{shared.addresses.page}/api/v1/cycles", Host=host, **auth).status == 200


def test_static_files_are_served_and_nothing_beside_them(shared):
    auth = {"Authorization": f"Bearer {shared.addresses.token}"}
    base = shared.addresses.page
    page = http(f"{base}/static/index.html", **auth)
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-cache")
    assert (
        http(f"{base}/static/index.html", If_None_Match=page.headers["ETag"], **auth).status == 304
    )
    for path in ("/static/../__init__.py", "/static/%2e%2e/__init__.py", "/static/none.js"):
        answer = http(base + path, **auth)
        assert answer.status == 404
        assert answer.json()["error"]


def test_a_host_others_can_reach_needs_encryption(tmp_path):
    with pytest.raises(
        ServeError, match=r"serve\.tls_certificate and serve\.tls_key, or name what"
    ):
        run_server(make_config(tmp_path, host="0.0.0.0"))
    with pytest.raises(ServeError, match="belong together"):
        run_server(make_config(tmp_path, tls_certificate="cert.pem"))
    with pytest.raises(ServeError, match=r"serve\.tls_certificate: .* does not exist"):
        run_server(make_config(tmp_path, tls_certificate="none.pem", tls_key="none.pem"))
    with pytest.raises(ServeError, match=r"serve\.host: no\.such\.host is no address"):
        run_server(make_config(tmp_path, host="no.such.host", tls_terminated_by="nginx"))


def test_behind_a_proxy_otlp_needs_the_token_and_cookies_are_secure(start):
    server = start(host="0.0.0.0", tls_terminated_by="nginx")
    assert server.post("traces", {}).status == 401
    token = {"Authorization": f"Bearer {server.addresses.token}"}
    assert server.post("traces", {}, Authorization="Bearer no").json()["error"] == (
        "the token is wrong"
    )
    remembered = "=".join(cookie_of(server))
    assert server.post("traces", {}, Cookie=remembered).status == 401
    assert server.post("traces", {}, Host="telemetry.example", **token).status == 200
    cookie = http(server.addresses.page_with_token, Host="telemetry.example").headers["Set-Cookie"]
    assert "Secure" in cookie
    # The browser's port is the proxy's; the cookie does not depend on either.
    page = f"{server.addresses.page}/api/v1/cycles"
    assert http(page, Host="telemetry.example:8443", Cookie=remembered).status == 200
    target = server.addresses.otlp_grpc.removeprefix("http://")
    with grpc.insecure_channel(target) as channel:
        send = channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            send(b"")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert send(b"", metadata=[("authorization", token["Authorization"])]) == b""


def test_tls_on_all_ports(start, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    server = start(tls_certificate=str(certificate), tls_key=str(key))
    assert server.addresses.page.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=str(certificate))
    with urllib.request.urlopen(
        f"{server.addresses.page}/api/v1/cycles?token={server.addresses.token}", context=context
    ) as answer:
        assert answer.status == 200
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    target = server.addresses.otlp_grpc.removeprefix("https://")
    with grpc.secure_channel(target, credentials) as channel:
        export = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
        assert channel.unary_unary(export)(b"") == b""


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False)],
)  # fmt: skip
def test_what_counts_as_loopback(host, loopback):
    assert is_loopback(host) is loopback
