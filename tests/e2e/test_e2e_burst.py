# SPDX-License-Identifier: Apache-2.0
"""Fifty thousand records at once, and what they may take in memory. Real processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from programs import run

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

HEAD = """
import logging, os, resource, sys, threading, time
import ffe_otel
from opentelemetry import trace

handle = ffe_otel.install()
log = logging.getLogger("engine")
log.setLevel("INFO")
log.addHandler(logging.NullHandler())
tracer = trace.get_tracer("engine")

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
"""
SETTINGS = {
    "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
    "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
    "FFE_OTEL__LOGGING__OUTPUTS__FILE__ENABLED": "false",
}


def result(tmp_path: Path, endpoint: str, body: str, **env: str) -> str:
    done = run(
        HEAD + body,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        FFE_OTEL__STATE_DIR=str(tmp_path / "own state"),
        **(SETTINGS | env),
    )
    return done.stdout


def test_a_burst_of_log_lines_from_many_threads_loses_none(tmp_path: Path, sink: Sink) -> None:
    body = """
def work(name):
    for number in range(6250):
        log.info("line %d %d", name, number)

threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
for each in threads: each.start()
for each in threads: each.join()
print(handle.flush(50), handle.stats.snapshot().dropped, handle.stats.snapshot().queued)
"""
    assert result(tmp_path, sink.url, body) == "True {} {'traces': 0, 'logs': 0}\n"
    lines = {record.body.string_value for record in sink.logs()}
    assert lines == {f"line {name} {number}" for name in range(8) for number in range(6250)}


def test_a_burst_waits_in_the_spool_while_the_endpoint_is_away(tmp_path: Path) -> None:
    body = """
for number in range(12_800):
    log.info("line %d", number)
    with tracer.start_as_current_span("x"):
        pass
for provider in (handle.tracer_provider, handle.logger_provider):
    provider.force_flush(1)
handle.log_capture.flush(40)
handle.flush(1)
waiting = handle.outbox.waiting()
print(waiting["logs"].items, waiting["traces"].items, handle.stats.snapshot().dropped)
"""
    assert result(tmp_path, "http://127.0.0.1:9", body) == "12800 12800 {}\n"


def test_a_forked_child_has_all_of_the_room(tmp_path: Path) -> None:
    body = """
def burst():
    for number in range(6_000):
        log.info("line %d %s", number, "x" * 100)

sys.setswitchinterval(10)  # nothing is delivered meanwhile
burst()
if (child := os.fork()) == 0:
    burst()
    sys.setswitchinterval(0.005)
    handle.log_capture.flush(40)
    os._exit(len(handle.stats.snapshot().dropped))
sys.setswitchinterval(0.005)
handle.log_capture.flush(40)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), handle.stats.snapshot().dropped)
"""
    env = {"FFE_OTEL__LIMITS__QUEUE_BYTES": "8000000"}
    assert result(tmp_path, "http://127.0.0.1:9", body, **env) == "0 {}\n"


@pytest.mark.parametrize(
    "make",
    [
        'log.info("line %d %s", number, f"{number}" + "é☃" * 200)',
        'log.info("line", extra={"deep": {"in": [f"{number}" + "y" * 99, number, number / 7]}})',
        'tracer.start_span("x", attributes={"prompt": f"{number}" + "x" * 2000}).end()',
    ],
)
def test_what_waits_takes_no_more_than_its_room(tmp_path: Path, make: str) -> None:
    """What is written goes to a pipe that nobody reads, and to a spool that is stuck."""
    fifo = tmp_path / "slow.log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    body = f"""
handle.outbox.senders("traces")[0].spool._lock.acquire()  # as a disk that does not answer
before = resident()
for number in range(30_000):
    {make}
print((resident() - before) // 1_000_000)
os._exit(0)
"""
    env = {
        "FFE_OTEL__LIMITS__QUEUE_BYTES": "16000000",
        "FFE_OTEL__LOGGING__OUTPUTS__FILE__ENABLED": "true",
        "FFE_OTEL__LOGGING__OUTPUTS__FILE__PATH": str(fifo),
    }
    grown = int(result(tmp_path, "http://127.0.0.1:9", body, **env))
    os.close(reader)
    assert 8 < grown < 32
