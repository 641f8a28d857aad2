# SPDX-License-Identifier: Apache-2.0
"""A day's work: memory, threads and descriptors are at the end what they were at the start."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chaos_engine import spool_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Start

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FULL = os.environ.get("CHAOS") == "full"
# Eight hours of a cycle a second; what is in use grows for a while, until every path was taken.
CYCLES, WARM_UP = (28_800, 2_000) if FULL else (3_000, 1_000)
# A short run shows leaks only: of 100 bytes a span, which in the long run would be 2 MB in 1,000.
ALLOWED_MB = (CYCLES - WARM_UP) / 10_000 if FULL else 4.0
STEP = 100
# Of each of three spools the file in use, for writing and for reading, and the connection, which a
# server may close; a log file that is being compressed, and what becomes of it.
OPEN_AT_TIMES = 3 * 3 + 2
SPANS, LOGS = 20, 40

pytestmark = pytest.mark.timeout(3600 if FULL else 300)

WORK = f"""
import gc, json, psutil
sys.path.insert(0, {str(BENCHMARKS)!r})
from overhead_candidates import by_api
from overhead_cycle import Engine
from opentelemetry import metrics

engine = Engine(by_api(tracer, metrics.get_meter("engine"), lambda: None))
process = psutil.Process()
log.setLevel("ERROR")
for number in range(1, {CYCLES} + 1):
    engine.cycle()
    if number % {STEP} == 0:
        # Compressed time: no faster than it is sent, or the queues would be what is measured.
        assert handle.flush(60)
        gc.collect()
        say(json.dumps({{
            "cycle": number,
            "rss": process.memory_info().rss / 1e6,
            "threads": process.num_threads(),
            "descriptors": process.num_fds(),
            "dropped": sum(handle.stats.snapshot().dropped.values()),
        }}))
"""


@pytest.fixture
def counter() -> Iterator[str]:
    """The URL of an endpoint that counts and keeps nothing."""
    process = subprocess.Popen(
        [sys.executable, BENCHMARKS / "otlp_counter.py"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.terminate()
    process.communicate()


def growth(samples: list[dict[str, Any]]) -> float:
    """Megabytes between the first and the last quarter of the samples, by their medians."""
    memory = [sample["rss"] for sample in samples]
    quarter = len(memory) // 4
    return statistics.median(memory[-quarter:]) - statistics.median(memory[:quarter])


def test_nothing_grows(start: Start, counter: str, tmp_path: Path) -> None:
    engine = start(
        body=WORK,
        OTEL_EXPORTER_OTLP_ENDPOINT=counter,
        FFE_OTEL__METRICS__PROMETHEUS__ENABLED="true",
        FFE_OTEL__METRICS__PROMETHEUS__PORT="0",
        FFE_OTEL__METRICS__INTERVALS__RESOURCE_METRICS="1",
        FFE_OTEL__LOGGING__OUTPUTS__FILE__ENABLED="true",
    )
    said = engine.wait(3000)
    samples = [json.loads(line) for line in said.splitlines()]
    assert len(samples) == CYCLES // STEP
    settled = [sample for sample in samples if sample["cycle"] > WARM_UP]
    assert growth(settled) <= ALLOWED_MB, [round(sample["rss"], 1) for sample in samples]
    assert settled[-1]["threads"] == settled[0]["threads"]
    descriptors = [sample["descriptors"] for sample in settled]
    assert max(descriptors) - min(descriptors) <= OPEN_AT_TIMES, descriptors
    assert settled[-1]["dropped"] == 0
    with urllib.request.urlopen(counter, timeout=60) as answer:
        arrived = json.load(answer)
    assert (arrived["traces"], arrived["logs"]) == (SPANS * CYCLES, LOGS * CYCLES)
    assert spool_files(tmp_path) == []
