# SPDX-License-Identifier: Apache-2.0
"""`ffe-otel spool`: what waits, for whom, and sending what dead processes left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from loopback import Endpoint, Reply, free_ports
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# Leaves spans that cannot be sent, and says which process it is; killed, or alive until told.
ENGINE = """
import os, signal, sys
import ffe_otel
handle = ffe_otel.install()
for number in range(3):
    with ffe_otel.cycle([f"{sys.argv[1]}{number}"]):
        pass
handle.tracer_provider.force_flush(10000)
handle.flush(1)
print(os.getpid(), flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


class Collector:
    """An endpoint that keeps what it took."""

    def __init__(self):
        self.status, self.asked = 200, []
        self.endpoint = Endpoint(self._reply)
        self.url = self.endpoint.url

    def _reply(self, request):
        if self.status == 200:
            self.asked.append(request)
        return Reply(self.status, b"no token" if self.status == 401 else b"")

    def spans(self):
        return [
            span.name
            for request in self.asked
            if request.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector():
    found = Collector()
    yield found
    found.endpoint.down()


@pytest.fixture
def engine(home):
    """Starts an engine whose endpoint is away; killed unless it is to live."""
    living = []

    def start(url, name="A", *, kill=True):
        script = home / "engine.py"
        script.write_text(textwrap.dedent(ENGINE))
        environment = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
            "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
        }
        process = subprocess.Popen(
            [sys.executable, script, name], env=environment, cwd=home, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        pid = int(process.stdout.readline())
        if kill:
            process.communicate("\n")
            assert process.returncode == -signal.SIGKILL
        else:
            living.append(process)
        return pid

    yield start
    for process in living:
        process.communicate("\n")


def test_what_the_dead_left_is_sent_and_what_the_living_have_is_not(
    cli, engine, collector, monkeypatch
):
    dead = engine(collector.url, "DEAD")
    # For another endpoint, or it would take over what the first one left.
    alive = engine("http://127.0.0.1:9", "ALIVE", kill=False)
    folders = json.loads(cli("spool", "list", "--json").stdout)["folders"]
    assert {(f["endpoint"], p["process"], p["alive"]) for f in folders for p in f["processes"]} == {
        (f"{collector.url}/v1/traces", str(dead), False),
        ("http://127.0.0.1:9/v1/traces", str(alive), True),
    }
    collector.endpoint.up()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-token=configured")
    sent = cli("spool", "send", "--json")
    said = json.loads(sent.stdout)
    assert (sent.exit_code, said["ok"], said["left_bytes"]) == (0, True, 0)
    assert [(each["items"], each["problem"]) for each in said["sent"]] == [(3, "")]
    assert collector.spans() == ["ffe.cycle"] * 3
    # The configured endpoint is another one, and its headers are for it alone.
    assert "x-token" not in collector.asked[0].headers


def test_with_the_configured_endpoint_go_the_configured_headers(
    cli, engine, collector, monkeypatch
):
    engine(collector.url)
    collector.endpoint.up()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=configured")
    assert cli("spool", "send").exit_code == 0
    assert collector.asked[0].headers["x-token"] == "configured"
    again = cli("spool", "send")
    assert (again.exit_code, "no dead process left anything" in again.stdout) == (0, True)


@pytest.mark.parametrize(("status", "reason"), [(None, "refused"), (401, "401"), (404, "404")])
def test_nothing_is_lost_where_it_is_not_taken(cli, engine, collector, home, status, reason):
    engine(collector.url)
    if status is not None:
        collector.status = status
        collector.endpoint.up()
    failed = cli("spool", "send")
    assert failed.exit_code == 1
    assert reason in failed.stderr
    assert "wait as before" in failed.stderr
    assert list(home.rglob("*.reason")) == []
    if status is None:
        collector.endpoint.up()
    collector.status = 200
    assert cli("spool", "send").exit_code == 0
    assert collector.spans() == ["ffe.cycle"] * 3


def test_it_can_be_sent_elsewhere(cli, engine, collector, monkeypatch):
    engine("http://127.0.0.1:9")
    collector.endpoint.up()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    sent = cli("spool", "send", "--endpoint", collector.url)
    assert sent.exit_code == 0, sent.output
    assert "3 traces in 1 requests" in sent.stdout
    assert collector.spans() == ["ffe.cycle"] * 3


def test_an_endpoint_whose_address_is_a_secret_has_to_be_named(cli, engine, collector, monkeypatch):
    url = collector.url.replace("//", "//user:made-up-password-0123@")
    engine(url)
    collector.endpoint.up()
    failed = cli("spool", "send")
    assert failed.exit_code == 1
    assert "made-up" not in failed.output
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    assert cli("spool", "send").exit_code == 0
    assert collector.spans() == ["ffe.cycle"] * 3


def test_doctor_says_what_waits_and_for_whom(cli, engine, collector):
    dead = engine(collector.url)
    checks = json.loads(cli("doctor", "--json").stdout)["checks"]
    [spool] = [check for check in checks if check["name"] == "spool"]
    assert f"of traces for {collector.url}/v1/traces, of dead process {dead}, " in spool["detail"]
    assert "ffe-otel spool send" in spool["remedy"]
    assert spool["state"] == "warn"


STORED = """
import sys, time
from ffe_otel.cli.client import find_server
from ffe_otel.config import load_config
server = find_server(load_config().config)
deadline = time.monotonic() + 30
while server.get("/api/v1/status")["store"]["spans"] < 3:
    if time.monotonic() > deadline:
        sys.exit("it is not there")
    time.sleep(0.05)
"""


@pytest.mark.parametrize("earlier", [False, True], ids=["its address", "an address it had"])
def test_run_with_a_server_sends_it_what_the_dead_left(
    start, engine, home, any_ports, monkeypatch, earlier
):
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    engine(url)
    if earlier:
        lease = home / "state/ffe_otel/lease"
        lease.mkdir(parents=True)
        (lease / "addresses").write_text(f"{url}\n")
    else:
        monkeypatch.setenv("FFE_OTEL__SERVE__OTLP_HTTP_PORT", str(port))
    process = start("run", "--serve", "--", sys.executable, "-c", STORED)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def test_an_empty_spool(cli):
    listed = cli("spool", "list")
    assert (listed.exit_code, "nothing waits" in listed.stdout) == (0, True)
    assert json.loads(cli("spool", "send", "--json").stdout)["ok"] is True
