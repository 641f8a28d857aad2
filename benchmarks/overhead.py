# SPDX-License-Identifier: Apache-2.0
"""What telemetry costs an engine: CPU of its thread, of its process, time at p99, memory.

    python benchmarks/overhead.py [--repetitions 5] [--cycles 1000] [--only sdk,ffe_otel] [--json]

Every run is a process of its own, and candidates take turns, so that a machine that gets
slower is slower for all of them; ratios are of runs of the same turn. benchmarks/README.md
says what the columns mean.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import overhead_candidates as candidates
from overhead_cycle import LOGS, SPANS

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
BASE, FLOOR = "sdk", "nothing"
Runs = dict[str, list[dict[str, float]]]


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """The URL of an OTLP endpoint in a process of its own."""
    command = [sys.executable, HERE / "otlp_counter.py"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"  # type: ignore[union-attr]
    finally:
        process.terminate()
        process.wait(20)


def received(url: str) -> dict[str, int]:
    """What the endpoint got since the last time."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def missing(kind: str, expected: int, got: dict[str, int], name: str) -> int:
    """How many records did not arrive; nothing where none are sent."""
    unsent = name in {FLOOR, "ddtrace"} or (name == "logfire" and kind == "logs")
    return 0 if unsent else max(0, expected - got.get(kind, 0))


def run(name: str, url: str, mode: str, cycles: int) -> dict[str, float]:
    """Run one candidate in a process of its own."""
    received(url)
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, __file__, "--child", name, "--mode", mode, "--url", url]
        done = subprocess.run(
            [*command, "--cycles", str(cycles)],
            env=os.environ | {"FFE_OTEL__STATE_DIR": state},
            cwd=state,
            stdout=subprocess.PIPE,
            check=True,
            timeout=900,
            text=True,
        )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    got, sent = received(url), cycles + candidates.WARM_UP
    measured["missing_spans"] = missing("traces", SPANS * sent, got, name)
    measured["missing_logs"] = missing("logs", LOGS * sent, got, name)
    return measured


def measure(names: list[str], mode: str, repetitions: int, cycles: int) -> Runs:
    """Run all candidates in turns."""
    runs: Runs = {name: [] for name in names}
    with sink() as url:
        for repetition in range(repetitions):
            for name in names:
                runs[name].append(run(name, url, mode, cycles))
                print(f"{mode} {repetition + 1}/{repetitions}: {name}", file=sys.stderr)
    return runs


def spread(values: list[float], digits: int = 0) -> str:
    """Median, lowest and highest."""
    low, middle, high = (
        f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return f"{middle} ({low} to {high})"


def ratios(runs: Runs, name: str, key: str, *, added: bool = False) -> list[float]:
    """Ratios to the SDK of the same turn; ``added`` takes off what the bare cycle needs."""
    result = []
    for index, (own, base) in enumerate(zip(runs[name], runs[BASE], strict=True)):
        floor = runs[FLOOR][index][key] if added else 0.0
        result.append((own[key] - floor) / (base[key] - floor))
    return result


def table(runs: Runs) -> None:
    """Print what was measured back to back."""
    print("| | thread µs | process µs | p50 µs | p99 µs | missing spans, logs |")
    print("|---|---|---|---|---|---|")
    for name, turns in runs.items():
        cells = [
            spread([turn[key] for turn in turns])
            for key in ("thread_us", "process_us", "p50_us", "p99_us")
        ]
        lost = [max(int(turn[f"missing_{kind}"]) for turn in turns) for kind in ("spans", "logs")]
        print(f"| {name} | {' | '.join(cells)} | {lost[0]}, {lost[1]} |")
    print(
        "\n| ratio to sdk | thread | process | added at p50 | added at p99 |\n|---|---|---|---|---|"
    )
    for name in runs:
        if name in {BASE, FLOOR}:
            continue
        cells = [
            spread(ratios(runs, name, "thread_us"), 3),
            spread(ratios(runs, name, "process_us"), 3),
            spread(ratios(runs, name, "p50_us", added=True), 3),
            spread(ratios(runs, name, "p99_us", added=True), 3),
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def memory_table(runs: Runs) -> None:
    """Print what was measured at ten cycles a second."""
    print("\n| ten cycles a second | peak MB | MB at the end | peak more than sdk |")
    print("|---|---|---|---|")
    for name, turns in runs.items():
        more = [
            own["rss_peak_mb"] - base["rss_peak_mb"]
            for own, base in zip(turns, runs[BASE], strict=True)
        ]
        cells = [spread([turn[key] for turn in turns], 1) for key in ("rss_peak_mb", "rss_end_mb")]
        print(f"| {name} | {' | '.join(cells)} | {spread(more, 1)} |")


def child(name: str, url: str, mode: str, cycles: int) -> None:
    """Be one run; the result is the last line of the output."""
    measured: dict[str, Any] = getattr(candidates, mode)(name, url, cycles)
    print(json.dumps(measured), flush=True)
    os._exit(0)


def main() -> None:
    """Measure and print tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--paced-cycles", type=int, default=300, help="0 leaves memory out")
    parser.add_argument("--only", default="", help="candidates beside nothing and sdk")
    parser.add_argument("--json", action="store_true")
    for name in ("--child", "--mode", "--url"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.url, options.mode, options.cycles)
    wanted = options.only.split(",") if options.only else candidates.available()
    names = [FLOOR, BASE, *(name for name in wanted if name not in {FLOOR, BASE})]
    back_to_back = measure(names, "saturated", options.repetitions, options.cycles)
    steady: Runs = {}
    if options.paced_cycles:
        steady = measure(names, "paced", min(3, options.repetitions), options.paced_cycles)
    if options.json:
        print(json.dumps({"saturated": back_to_back, "paced": steady}))
        return
    table(back_to_back)
    if steady:
        memory_table(steady)


if __name__ == "__main__":
    main()
