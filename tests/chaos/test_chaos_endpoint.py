# SPDX-License-Identifier: Apache-2.0
"""Endpoints that are not there, do not answer, or do not want: nothing is lost, nobody waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from chaos_engine import DRAIN, spool_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaos_endpoint import Endpoint
    from conftest import Start


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("behaviour", ["down", "deaf", "busy", "too many", "timeout"])
def test_everything_arrives_once_it_is_back(
    endpoint: Endpoint, start: Start, tmp_path: Path, behaviour: str
) -> None:
    statuses = {"busy": (503, {}), "too many": (429, {"Retry-After": "1"}), "timeout": (408, {})}
    endpoint.always = statuses.get(behaviour)
    {"down": endpoint.down, "deaf": endpoint.deaf}.get(behaviour, endpoint.up)()
    engine = start(FFE_OTEL__TELEMETRY__OTLP_TIMEOUT_SECONDS="0.5")
    engine.wait_for_lines(25)
    endpoint.always = None
    endpoint.up()
    engine.wait_for_lines(50)
    engine.terminate()
    assert engine.messages.count("Telemetry cannot be sent") <= 3
    start(body=DRAIN).wait()
    assert engine.marks() - endpoint.marks() == set()
    assert spool_files(tmp_path) == []


def test_what_is_refused_goes_to_the_quarantine_with_its_reason(
    endpoint: Endpoint, start: Start, tmp_path: Path
) -> None:
    endpoint.always = (400, {})
    endpoint.up()
    engine = start()
    engine.wait_for_lines(10)
    engine.terminate()
    reasons = [p.read_text() for p in (tmp_path / "spool").rglob("quarantine/*.reason")]
    assert reasons
    assert all("answered 400" in reason for reason in reasons)
    assert "It is kept in" in engine.messages
    assert endpoint.bodies == []


FLUSHES = """
from opentelemetry import metrics
from opentelemetry._logs import get_logger_provider

for number in range(50):
    mark(number, "x" * 100_000)
say("ready")
providers = [trace.get_tracer_provider(), get_logger_provider(), metrics.get_meter_provider()]
for provider in providers:
    provider.force_flush()
for provider in providers:
    provider.shutdown()
"""


@pytest.mark.parametrize("behaviour", ["down", "black hole", "deaf", "busy"])
def test_an_exit_takes_two_seconds_at_most(
    endpoint: Endpoint, start: Start, behaviour: str
) -> None:
    endpoint.always = (503, {"Retry-After": "60"}) if behaviour == "busy" else None
    {
        "down": endpoint.down,
        "black hole": endpoint.black_hole,
        "deaf": endpoint.deaf,
        "busy": endpoint.up,
    }[behaviour]()
    engine = start(body=FLUSHES)
    engine.wait_for_lines(51)
    began = time.monotonic()
    engine.wait()
    assert time.monotonic() - began < 4
    endpoint.always = None
    endpoint.up()
    start(body=DRAIN).wait()
    assert engine.marks() - endpoint.marks() == set()


def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_asks(
    endpoint: Endpoint, start: Start
) -> None:
    endpoint.answers = [(429, {"Retry-After": "2"})]
    endpoint.up()
    engine = start(OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    wait_until(lambda: len(endpoint.attempts) >= 2)
    assert endpoint.attempts[1] - endpoint.attempts[0] >= 2
    engine.terminate()


def test_one_probe_at_a_time(endpoint: Endpoint, start: Start) -> None:
    endpoint.always = (503, {})
    endpoint.up()
    engine = start(OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    engine.wait_for_lines(30)
    # In 3 s: pauses of 0.5, 1, 2 s, each between half and one and a half of that.
    assert 1 <= len(endpoint.attempts) <= 6
    endpoint.always = None
    engine.terminate()
