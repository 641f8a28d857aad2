# SPDX-License-Identifier: Apache-2.0
"""What an outage of the endpoint does to the engine: its cycles' time, its memory, its telemetry.

    python benchmarks/outage.py [--rounds 12] [--cycles 600] [--pause 0.02] [--hang] [--json]

Two engines take turns, a cycle each, so that whatever else the machine does meets both. In
every round the endpoint of one of them is away; in the next that of the other. What waited
in the spool is sent between two rounds. benchmarks/README.md says what the columns mean.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

HERE = Path(__file__).parent
# A tenth of the spans and of the log records that 600 cycles make.
SPAN_QUEUE, LOG_QUEUE = 1200, 2400
WARM_UP: Final = 500
RESAMPLES: Final = 4000
FLUSH_SECONDS: Final = 120
CLOCKS: Final = ("wall", "cpu")
SHARES: Final = (0.5, 0.99)
Block = dict[str, Any]


class Endpoint:
    """An OTLP endpoint in a process of its own, that goes away and comes back."""

    def __init__(self, *, hang: bool) -> None:
        """Begin; ``hang``: when it is gone, requests are not refused but never answered."""
        self._hang = hang
        self._port = 0
        self.counts = {"traces": 0, "logs": 0}
        self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "otlp_counter.py", str(self._port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = int(self._process.stdout.readline())  # type: ignore[union-attr]

    def go(self) -> None:
        if self._hang:
            self._process.send_signal(signal.SIGSTOP)
        else:
            self.stop()

    def come(self) -> None:
        if self._hang:
            self._process.send_signal(signal.SIGCONT)
        else:
            self._start()

    def stop(self) -> None:
        """End, after adding up what it got."""
        with urllib.request.urlopen(self.url, timeout=60) as answer:
            got = json.load(answer)
        for kind in self.counts:
            self.counts[kind] += got.get(kind, 0)
        self._process.terminate()
        self._process.communicate(timeout=20)


class Engine:
    """A captured engine in a process of its own, and the endpoint it sends to."""

    def __init__(self, state: Path, *, hang: bool) -> None:
        self.endpoint = Endpoint(hang=hang)
        self.cycles = WARM_UP
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child"],
            env=os.environ
            | {
                "FFE_OTEL__STATE_DIR": str(state),
                "FFE_OTEL__TELEMETRY__OTLP_TIMEOUT_SECONDS": "2",
                "FFE_OTEL__LIMITS__QUEUE_SIZE": str(SPAN_QUEUE),
                "FFE_OTEL__LOGGING__BUFFER_SIZE": str(LOG_QUEUE),
                "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
                "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint.url,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def ask(self, **what: float) -> None:
        self._process.stdin.write(json.dumps(what) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]

    def answer(self) -> Any:
        return json.loads(self._process.stdout.readline())  # type: ignore[union-attr]

    def close(self) -> int:
        """End it; records that its queues in memory had no room for."""
        self.ask()
        dropped = self.answer()["dropped"]
        self._process.communicate(timeout=60)
        self.endpoint.stop()
        return int(dropped)


def child() -> None:
    """Be an engine: run blocks of cycles, and send what is left, as asked on standard input."""
    import overhead_cycle
    import psutil
    from opentelemetry import metrics, trace
    from overhead_candidates import by_api

    import ffe_otel

    handle = ffe_otel.install()
    engine = overhead_cycle.Engine(
        by_api(trace.get_tracer("engine"), metrics.get_meter("engine"), lambda: None)
    )
    memory = psutil.Process().memory_info
    for _ in range(WARM_UP // 50):  # in pieces, because the queues are short
        block(engine, 50, 0.0, time.monotonic())
        handle.flush(FLUSH_SECONDS)
    print("{}", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        measured: Block
        if asked:
            gc.collect()
            before = memory().rss
            measured = block(engine, **asked)
            gc.collect()
            measured["mb"] = (memory().rss - before) / 1e6
        else:
            sent = handle.flush(FLUSH_SECONDS)
            dropped = sum(handle.stats.snapshot().dropped.values()) if handle.stats else 0
            measured = {"sent": sent, "dropped": dropped}
        print(json.dumps(measured), flush=True)


def block(engine: Any, cycles: int, pause: float, begin: float) -> Block:
    """Cycles at a steady pace; microseconds each, by the clock and by the thread's CPU."""
    walls, cpus = [], []
    for number in range(cycles):
        time.sleep(max(0.0, begin + number * pause - time.monotonic()))
        cpu, wall = time.thread_time(), time.perf_counter()
        engine.cycle()
        walls.append((time.perf_counter() - wall) * 1e6)
        cpus.append((time.thread_time() - cpu) * 1e6)
    return {"wall": walls, "cpu": cpus}


def one_round(there: Engine, gone: Engine, cycles: int, pause: float) -> dict[str, Block]:
    """A block of both, a cycle in turn, while the endpoint of one of them is away."""
    gone.endpoint.go()
    begin = time.monotonic() + 0.5  # the same clock in all processes
    for engine, offset in ((there, 0.0), (gone, pause / 2)):
        engine.ask(cycles=cycles, pause=pause, begin=begin + offset)
        engine.cycles += cycles
    measured = {"there": there.answer(), "gone": gone.answer()}
    gone.endpoint.come()
    for engine in (there, gone):
        engine.ask()
        if not engine.answer()["sent"]:
            sys.exit("what waited was not sent within two minutes")
    return measured


def at(share: float, values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ratio(rounds: list[dict[str, Block]], clock: str, share: float) -> tuple[float, float, float]:
    """Gone to there, and the 95 % interval of a bootstrap over pairs of rounds.

    In the second of a pair the engines have changed places, so that what one of them is
    slower by is not taken for the outage. Cycles are not resampled: neighbours are alike.
    """
    logs = [math.log(at(share, r["gone"][clock]) / at(share, r["there"][clock])) for r in rounds]
    pairs = [statistics.mean(logs[index : index + 2]) for index in range(0, len(logs), 2)]
    chance = random.Random(7)
    drawn = [statistics.mean(chance.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES)]
    found = (statistics.mean(pairs), at(0.025, drawn), at(0.975, drawn))
    return tuple(map(math.exp, found))  # type: ignore[return-value]


def table(rounds: list[dict[str, Block]]) -> None:
    """Print what was found."""
    columns = [(clock, share) for clock in CLOCKS for share in SHARES]
    print("| endpoint | median µs | p99 µs | median CPU µs | p99 CPU µs | MB more in a block |")
    print("|---|---|---|---|---|---|")
    for state in ("there", "gone"):
        blocks = [r[state] for r in rounds]
        cells = [f"{statistics.median(at(s, b[c]) for b in blocks):,.0f}" for c, s in columns]
        print(f"| {state} | {' | '.join(cells)} | {max(b['mb'] for b in blocks):.1f} at most |")
    found = [ratio(rounds, *column) for column in columns]
    cells = [f"{middle:.3f} ({low:.3f} to {high:.3f})" for middle, low, high in found]
    print(f"| gone to there | {' | '.join(cells)} | |")


def main() -> None:
    """Measure and print a table, or JSON."""
    from overhead_cycle import LOGS, SPANS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="an even number")
    parser.add_argument("--cycles", type=int, default=600, help="of an engine in a round")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds from cycle to cycle")
    parser.add_argument("--hang", action="store_true", help="gone: never answering, not refusing")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child()
        return
    with tempfile.TemporaryDirectory() as folder:
        engines = [Engine(Path(folder) / name, hang=options.hang) for name in ("first", "second")]
        rounds = []
        for number in range(options.rounds):
            there, gone = engines if number % 2 else reversed(engines)
            rounds.append(one_round(there, gone, options.cycles, options.pause))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        dropped = sum(engine.close() for engine in engines)
    missing = {
        kind: sum(each * engine.cycles - engine.endpoint.counts[kind] for engine in engines)
        for kind, each in (("traces", SPANS), ("logs", LOGS))
    }
    if options.json:
        print(json.dumps({"rounds": rounds, "missing": missing, "dropped": dropped}))
        return
    table(rounds)
    print(
        f"\nmissing: {missing['traces']} spans, {missing['logs']} log records; "
        f"{dropped} records found a queue in memory full"
    )


if __name__ == "__main__":
    main()
