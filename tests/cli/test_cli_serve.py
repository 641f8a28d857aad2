# SPDX-License-Identifier: Apache-2.0
"""`ffe-otel serve` and `run --serve` with the real server."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from ffe_otel.cli import backend, serve
from ffe_otel.cli.client import find_server
from ffe_otel.cli.ports import holder
from ffe_otel.config import load_config

TRACE_ID = "0123456789abcdef0123456789abcdef"
SENDING = f"""
import json, os, time, urllib.request
now = time.time_ns()
span = {{"traceId": "{TRACE_ID}", "spanId": "0123456789abcdef", "name": "ffe.cycle", "kind": 1,
        "startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now)}}
scope = {{"scope": {{"name": "ffe_otel"}}, "spans": [span]}}
body = {{"resourceSpans": [{{"scopeSpans": [scope]}}]}}
request = urllib.request.Request(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces",
    json.dumps(body).encode(), {{"Content-Type": "application/json"}})
print(urllib.request.urlopen(request).status, flush=True)
raise SystemExit(6)
"""
LISTENING = """
import socket, sys
with socket.create_server(("127.0.0.2", int(sys.argv[1]))):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_serve_says_where_it_is_and_ends_at_ctrl_c(start, home, cli):
    process = start("serve", "--ephemeral-ports", "--store", str(home / "store"))
    lines = [process.stdout.readline().split(maxsplit=1) for _ in range(4)]

    assert [line[0] for line in lines] == ["page", "OTLP/HTTP", "OTLP/gRPC", "store"]
    assert lines[3][1].strip() == str(home / "store")
    server = find_server(load_config().config)
    assert lines[0][1].strip() == server.page_with_token
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(server.page_with_token) as page:
        assert page.status == 200
    assert cli("status").exit_code == 1

    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 0
    assert process.stderr.read() == ""
    assert cli("status").exit_code == 2


def test_serve_as_json(start, home):
    process = start("serve", "--ephemeral-ports", "--otlp-grpc-port", "-1", "--json")
    text = ""
    while not text.endswith("}\n"):
        text += process.stdout.readline()

    said = json.loads(text)

    assert said["page"].startswith("http://127.0.0.1:")
    assert said["otlp_grpc"] is None


def test_a_port_that_is_taken(cli):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = cli("serve", "--ephemeral-ports", "--port", str(port))

    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port} for the page: Address already in use" in (
        result.output
    )
    assert f"it is held by process {os.getpid()}" in result.output
    assert "choose another with --port" in result.output


@pytest.mark.parametrize("ports", [(), ("--ephemeral-ports",)])
@pytest.mark.parametrize(
    ("host", "reason"),
    [("203.0.113.9", "Cannot assign requested address"), ("no-such-host.invalid", "not known")],
)
def test_an_address_that_is_not_this_machines(cli, host, reason, ports):
    result = cli("serve", "--host", host, *ports)

    assert result.exit_code == 1
    assert f"cannot listen on {host}: " in result.output
    assert reason in result.output
    assert "choose an address of this machine with --host" in result.output
    assert "held by" not in result.output
    assert "--port" not in result.output


def test_a_port_that_is_wanted_twice(cli):
    result = cli("serve", "--port", "47205", "--otlp-http-port", "47205")

    assert result.exit_code == 2
    assert "serve.otlp_http_port: is 47205, which serve.port is too" in result.output
    assert "stop the program" not in result.output


def test_a_port_that_this_user_may_not_have(cli, monkeypatch):
    refused = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(serve, "bind_error", lambda _, port: refused if port == 80 else None)

    result = cli("serve", "--ephemeral-ports", "--port", "80")

    assert result.exit_code == 1
    assert "cannot listen on 127.0.0.1:80 for the page: Permission denied" in result.output
    assert "choose one above 1023 with --port" in result.output
    assert "held by" not in result.output


def test_the_holder_of_a_port_is_who_has_it_on_that_address():
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        command = [sys.executable, "-c", LISTENING, str(port)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout.readline() == "ready\n"

            assert f"process {os.getpid()} " in holder(port, "127.0.0.1")
            assert f"process {other.pid} " in holder(port, "127.0.0.2")
            other.communicate("\n")


def test_a_store_that_cannot_be_written(cli, home):
    (home / "file").touch()

    result = cli("serve", "--ephemeral-ports", "--store", str(home / "file" / "store"))

    assert result.exit_code == 1
    assert str(home / "file" / "store") in result.output
    assert "Traceback" not in result.output


def test_an_address_others_can_reach_needs_encryption(cli):
    result = cli("serve", "--ephemeral-ports", "--host", "0.0.0.0")

    assert result.exit_code == 1
    assert "serve.tls_certificate" in result.output


@pytest.mark.parametrize("arguments", [("serve",), ("run", "--serve", "--", "true")])
def test_the_extra_is_not_installed(cli, monkeypatch, arguments):
    for module in (serve, backend):
        monkeypatch.setattr(module, "missing", lambda _: ["duckdb"])

    result = cli(*arguments)

    assert result.exit_code == 1
    assert "needs duckdb; install with: pip install 'ffe-otel[serve]'" in result.output


def test_run_brings_a_server_up_and_takes_it_down(start, any_ports, home, cli):
    process = start("run", "--serve", "--", sys.executable, "-c", SENDING)

    out, err = process.communicate(timeout=60)

    assert process.returncode == 6
    assert out == "200\n"
    assert "page  http://127.0.0.1:" in err
    assert not (home / "state" / "ffe_otel" / "serve.json").exists()
    again = start("serve", "--ephemeral-ports")
    again.stdout.readline()
    result = cli("trace", TRACE_ID)
    assert "ffe.cycle" in result.output
    assert "1.00 s" in result.output


@pytest.mark.parametrize(
    ("variable", "key", "purpose"),
    [
        ("FFE_OTEL__SERVE__PORT", "serve.port", "the page"),
        ("FFE_OTEL__SERVE__OTLP_HTTP_PORT", "serve.otlp_http_port", "OTLP/HTTP"),
        ("FFE_OTEL__SERVE__OTLP_GRPC_PORT", "serve.otlp_grpc_port", "OTLP/gRPC"),
    ],
)
def test_run_says_which_port_is_taken_by_whom_and_what_to_set(
    start, any_ports, variable, key, purpose
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("run", "--serve", "--", "true", env={variable: str(port)})
        _, err = process.communicate(timeout=60)

    assert process.returncode == 0
    assert f"cannot listen on 127.0.0.1:{port} for {purpose}: address already in use" in err
    assert f"held by process {os.getpid()}" in err
    assert f"set {key} to another one" in err


class TestCertificate:
    """`serve.tls_certificate`, signed by itself or by a certificate of nobody's list."""

    @pytest.fixture
    def certificate(self, any_ports, home, monkeypatch):
        def _certificate(*names: str) -> None:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", "key.pem", "-out", "certificate.pem", "-days", "2",
                 "-subj", "/CN=test", "-addext", f"subjectAltName={','.join(names)}"],
                check=True, capture_output=True,
            )  # fmt: skip
            monkeypatch.setenv("FFE_OTEL__SERVE__TLS_CERTIFICATE", "certificate.pem")
            monkeypatch.setenv("FFE_OTEL__SERVE__TLS_KEY", "key.pem")

        return _certificate

    def test_the_command_trusts_it(self, start, certificate, cli):
        certificate("IP:127.0.0.1")
        script = "import ffe_otel\nwith ffe_otel.cycle(['X']): pass"

        process = start(
            "run", "--serve", "--", sys.executable, "-c", script,
            env={"OTEL_SDK_DISABLED": "false", "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false"},
        )  # fmt: skip

        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "page  https://127.0.0.1:" in err
        assert "cannot" not in err
        again = start("serve")
        again.stdout.readline()
        assert "ffe.cycle" in cli("trace", "latest").output

    def test_what_the_user_trusts_stays(self, start, certificate):
        certificate("IP:127.0.0.1")
        shutil.copy("certificate.pem", "mine.pem")
        script = "import os; print(os.environ['OTEL_EXPORTER_OTLP_CERTIFICATE'])"
        run = ("run", "--serve", "--", sys.executable, "-c", script)

        ours = start(*run).communicate(timeout=60)[0].strip()
        theirs = start(*run, env={"OTEL_EXPORTER_OTLP_CERTIFICATE": "mine.pem"})

        assert ours == str(Path("certificate.pem").absolute())
        assert theirs.communicate(timeout=60)[0].strip() == "mine.pem"

    def test_one_for_another_host_is_told_at_once(self, start, certificate, cli):
        certificate("DNS:elsewhere")

        process = start("run", "--serve", "--", "touch", "started")

        _, err = process.communicate(timeout=50)
        assert process.returncode == 1
        assert "the certificate of ffe-otel serve at https://127.0.0.1:" in err
        assert "not valid for '127.0.0.1'" in err
        assert "start it with" not in err
        assert not Path("started").exists()


def test_the_server_outlives_a_signal_to_the_command(start, any_ports, until, home):
    script = (
        "import signal, sys, urllib.request, os\n"
        "def end(*_):\n"
        "    url = os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] + '/v1/traces'\n"
        "    ask = urllib.request.Request(url, b'',"
        " {'Content-Type': 'application/x-protobuf'})\n"
        "    print(urllib.request.urlopen(ask).status, flush=True)\n"
        "    sys.exit(9)\n"
        "signal.signal(signal.SIGINT, end)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    process = start("run", "--serve", "--", sys.executable, "-c", script, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    server = find_server(load_config().config)

    os.killpg(process.pid, signal.SIGINT)

    assert process.communicate(timeout=60)[0] == "200\n"
    assert process.returncode == 9
    until(lambda: not alive(server.pid))


def test_a_signal_while_the_server_starts_leaves_nothing_running(start, any_ports, until, home):
    process = start("run", "--serve", "--", sys.executable, "-c", "print('never')")
    log = home / "state" / "ffe_otel" / "serve.log"
    until(log.exists)
    children = until(lambda: psutil.Process(process.pid).children())

    process.send_signal(signal.SIGTERM)

    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) in [(128 + signal.SIGTERM, ""), (-signal.SIGTERM, "")]
    assert not any(alive(child.pid) for child in children)


def test_a_server_that_does_not_come_up(start, any_ports, home):
    (home / "file").touch()
    environ = {"FFE_OTEL__SERVE__STORE_PATH": str(home / "file" / "store")}

    process = start("run", "--serve", "--", "touch", "started", env=environ)

    assert process.wait(60) == 1
    assert "ffe-otel serve ended at once" in process.stderr.read()
    assert not (home / "work" / "started").exists()


def test_ports_that_are_taken_are_replaced(start, any_ports):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environ = {"FFE_OTEL__SERVE__OTLP_HTTP_PORT": str(port)}
        script = "import os; print(os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'])"

        process = start("run", "--serve", "--", sys.executable, "-c", script, env=environ)

        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("http://127.0.0.1:")
    assert out.strip() != f"http://127.0.0.1:{port}"
