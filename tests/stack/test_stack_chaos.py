# SPDX-License-Identifier: Apache-2.0
"""A captured engine and a Collector that are killed in turn: serve ends up with all, once."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from chaos_engine import DRAIN, Engine, spool_files
from stack_server import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stack_backend import Serve
    from stack_collector import Collector
    from stack_sink import GrpcSink

PROMISED_SECONDS = 0.25

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def collector(make_collector: Callable[..., Collector], serve: Serve, tempo: GrpcSink) -> Collector:
    env = {"FFE_SERVE_OTLP": serve.otlp_http, "FFE_TEMPO_OTLP": tempo.up().address}
    return make_collector(env=env).run()


@pytest.fixture
def start(collector: Collector, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Starts an engine that sends to the Collector."""
    started: list[Engine] = []

    def begin(body: str = "") -> Engine:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.otlp_http,
            "FFE_OTEL__TELEMETRY__OTLP_TIMEOUT_SECONDS": "2",
        }
        started.append(Engine(tmp_path / "engine", len(started), body, settings))
        return started[-1]

    yield begin
    for engine in started:
        engine.close()


def run_on(engine: Engine, cycles: int) -> None:
    engine.wait_for_lines(len(engine.marks()) // 2 + cycles)


def log_bodies(serve: Serve) -> Counter[str]:
    """The marked log lines that serve holds, and how often."""
    counts: Counter[str] = Counter()
    before = ""
    while True:
        page = serve.get(f"/api/v1/logs?limit=1000&level=DEBUG{before}")
        counts.update(r["body"] for r in page["logs"] if r["body"].startswith("log engine"))
        if not page["next"]:
            return counts
        before = f"&before={page['next']}"


def test_each_is_killed_under_load_and_nothing_is_lost(
    start: Callable[..., Engine],
    collector: Collector,
    serve: Serve,
    tempo: GrpcSink,
    tmp_path: Path,
) -> None:
    chance = random.Random()
    engine = start()
    for _ in range(3):
        run_on(engine, 10)
        time.sleep(chance.uniform(0.0, 1.0))  # not to wait for something: it is killed then
        collector.kill()
        run_on(engine, 15)
        collector.run()
    run_on(engine, 10)
    killed = engine.kill()
    wanted = engine.marks(before=killed - PROMISED_SECONDS)

    successor = start()
    run_on(successor, 10)
    collector.kill()
    successor.terminate()
    wanted |= successor.marks()
    collector.run()
    assert start(body=DRAIN).wait() == "flushed True\n"
    assert spool_files(tmp_path / "engine") == []
    assert len(wanted) > 150

    def spans() -> set[tuple[bytes, bytes]]:
        return {(span.trace_id, span.span_id) for span in tempo.spans}

    def arrived() -> set[str]:
        return {span.name for span in tempo.spans} | set(log_bodies(serve))

    until(lambda: wanted <= arrived(), 60, "everything arriving")
    until(lambda: serve.get("/api/v1/status")["store"]["spans"] == len(spans()), 60, "all spans")
    assert set(log_bodies(serve).values()) == {1}
