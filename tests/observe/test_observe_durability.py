# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged survives SIGKILL, once; SIGTERM ends in order."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from observe_server import http, until
from sample_records import attributes

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from ffe_otel.config.model import Config, Serve
from ffe_otel.observe.server import run_server
serve = Serve(port=0, otlp_http_port=0, otlp_grpc_port=-1)
run_server(Config(state_dir=sys.argv[1], serve=serve),
           ready=lambda addresses: print(addresses.otlp_http, flush=True))
"""


class Process:
    """A backend in a process of its own, that can be killed."""

    def __init__(self, state_dir: Path) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(state_dir)], stdout=subprocess.PIPE, text=True
        )
        assert self.popen.stdout is not None
        self.otlp = self.popen.stdout.readline().strip()
        assert self.otlp.startswith("http://"), "the backend did not start"

    def end(self, number: int) -> int:
        self.popen.send_signal(number)
        code = self.popen.wait(20)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return code


@pytest.fixture
def begin(tmp_path):
    """Start backends on one state directory; none is left over."""
    made: list[Process] = []

    def start() -> Process:
        made.append(Process(tmp_path / "state"))
        return made[-1]

    yield start
    for process in made:
        if process.popen.poll() is None:
            process.end(signal.SIGKILL)


def request(number: int) -> dict[str, bytes]:
    """One request of each signal, all told apart by ``number``."""
    at = str(1_795_400_000_000_000_000 + number * 1000)
    span = {"traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": "s",
            "startTimeUnixNano": at, "endTimeUnixNano": at}  # fmt: skip
    record = {"timeUnixNano": at, "body": {"stringValue": f"record {number}"}}
    point = {"timeUnixNano": at, "asInt": "1", "attributes": attributes({"lane": number % 7})}
    metric = {"name": "n", "gauge": {"dataPoints": [point]}}
    documents = {
        "traces": {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
        "logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]},
        "metrics": {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]},
    }
    return {name: json.dumps(document).encode() for name, document in documents.items()}


def send(otlp: str, number: int) -> set[str]:
    """Send request ``number``; the signals that were acknowledged."""
    taken = set()
    for name, body in request(number).items():
        try:
            answer = http(
                f"{otlp}/v1/{name}", method="POST", body=body, Content_Type="application/json"
            )
        except (OSError, HTTPException):
            continue
        if answer.status == 200:
            taken.add(name)
    return taken


def held(state_dir: Path) -> dict[str, list[Any]]:
    """Keys of what the store holds, after a backend that was ended in order."""
    connection = duckdb.connect(str(state_dir / "store" / "telemetry.duckdb"), read_only=True)
    try:
        queries = {
            "traces": "SELECT span_id - 1 FROM spans",
            "logs": "SELECT CAST(substr(body, 8) AS BIGINT) FROM logs",
            "metrics": "SELECT (time_ns - 1795400000000000000) // 1000 FROM points",
        }
        return {k: [r[0] for r in connection.execute(q).fetchall()] for k, q in queries.items()}
    finally:
        connection.close()


def test_what_was_acknowledged_is_there_once_after_kills(begin, tmp_path):
    rng = random.Random(7)
    acknowledged: dict[str, set[int]] = {"traces": set(), "logs": set(), "metrics": set()}
    lock, numbers = threading.Lock(), iter(range(1_000_000))

    def pump(otlp: str, dead: threading.Event) -> None:
        while not dead.is_set():
            with lock:
                number = next(numbers)
            for name in send(otlp, number):
                acknowledged[name].add(number)

    for _ in range(3):
        process, dead = begin(), threading.Event()
        goal = len(acknowledged["traces"]) + 20
        with ThreadPoolExecutor(3) as pool:
            senders = [pool.submit(pump, process.otlp, dead) for _ in range(3)]
            until(lambda goal=goal: len(acknowledged["traces"]) > goal, "an acknowledgement")
            dead.wait(rng.random() * 0.7)
            process.end(signal.SIGKILL)
            dead.set()
        for sender in senders:
            sender.result()
    process = begin()
    again = rng.sample(sorted(acknowledged["traces"] & acknowledged["logs"]), 20)
    assert all(send(process.otlp, number) == set(acknowledged) for number in again)
    assert process.end(signal.SIGTERM) == 0

    for name, keys in held(tmp_path / "state").items():
        assert len(keys) == len(set(keys)), f"{name} are held twice"
        assert acknowledged[name] <= set(keys), f"acknowledged {name} are missing"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_by_signal_loads_everything_and_cleans_up(begin, tmp_path, number):
    process = begin()
    assert send(process.otlp, 1) == {"traces", "logs", "metrics"}
    state = tmp_path / "state"
    assert json.loads((state / "serve.json").read_text())["pid"] == process.popen.pid
    assert process.end(number) == 0
    assert not (state / "serve.json").exists()
    assert list((state / "store" / "journal").iterdir()) == []
    assert held(state) == {"traces": [1], "logs": [1], "metrics": [1]}


def test_a_stop_does_not_wait_for_open_live_streams(begin, tmp_path):
    process = begin()
    announced = json.loads((tmp_path / "state" / "serve.json").read_text())
    seen = threading.Event()

    def listen() -> None:
        address = f"{announced['page']}/api/v1/live?token={announced['token']}"
        with (
            contextlib.suppress(OSError, HTTPException),
            urllib.request.urlopen(address, timeout=15) as stream,
        ):
            seen.set()
            stream.read()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert seen.wait(5)
    started = time.monotonic()
    assert process.end(signal.SIGTERM) == 0
    assert time.monotonic() - started < 15
    thread.join(15)
    assert not thread.is_alive()


def test_files_are_this_users_only(begin, tmp_path):
    process = begin()
    send(process.otlp, 1)
    for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]:
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert os.getuid() == (tmp_path / "state").stat().st_uid
    process.end(signal.SIGTERM)
