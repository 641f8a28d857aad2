# SPDX-License-Identifier: Apache-2.0
"""What redaction costs a line that the engine's own handler prints, on the thread that logs.

    python benchmarks/handlers.py [--rounds 15] [--lines 4000] [--json]

A logger with one ``StreamHandler`` to standard output, which keeps nothing, writes such
lines with redaction behind the handler and without it, in turn. No line occurs twice, in any
round; they are 100 to 230 characters long as printed, and clean. Times are CPU time of the
thread, so that other work on the machine counts less.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import random
import statistics
import sys
import time
import uuid
from typing import TYPE_CHECKING

from ffe_otel.capture.printed import Screen, install_screen
from ffe_otel.redaction import Redactor, load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
GATES = ("re2", "python")
_WITHOUT = "without"
_LINES = (
    "Analysed {pair} in {number} ms: regime trending, confidence {share:.4f}, at {price:.2f}",
    "Decision {decision} for {pair}: HOLD, spread {share:.5f}, 5 agree at {price:.1f}, no {number}",
    "GET /v3/instruments/{pair}/candles: 200 in {share:.3f} s, request {number}, last {price:.2f}",
    "Risk check {number} passed: drawdown {share:.3f} of 0.150, exposure {price:.0f}",
)


class _Nowhere(io.TextIOBase):
    """Writing is no work, so that no other process gets the processor by it."""

    def write(self, text: str) -> int:
        return len(text)


def messages(rng: random.Random, count: int) -> Iterator[str]:
    """Lines as the engine logs them, each with numbers of its own."""
    for number in range(count):
        yield rng.choice(_LINES).format(
            pair=rng.choice(("BTCUSD", "ETHUSD", "EURUSD", "XAUUSD")),
            number=number,
            price=rng.uniform(1, 90_000),
            share=rng.random(),
            decision=uuid.UUID(int=rng.getrandbits(128)),
        )


def spent(logger: logging.Logger, lines: Sequence[str]) -> float:
    """CPU microseconds a line."""
    begun = time.thread_time()
    for line in lines:
        logger.info(line)
    return (time.thread_time() - begun) / len(lines) * 1e6


def measure(rounds: int, count: int) -> dict[str, list[float]]:
    """Microseconds a line by way, a figure a round."""
    rng, found = random.Random(7), {name: [] for name in (_WITHOUT, *GATES)}
    logger = logging.getLogger("finance_feedback_engine.decision_engine.engine")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    screens = {gate: Screen(Redactor(load_catalogue(), gate=gate)) for gate in GATES}
    for number in range(rounds + 1):
        for name in rng.sample(list(found), len(found)):
            lines = list(messages(rng, count))
            undo = None
            if name != _WITHOUT:
                undo = install_screen("console", screens[name], lambda _: False)
            took = spent(logger, lines)
            if undo is not None:
                undo()
            if number:  # the first is to get warm
                found[name].append(took)
    logger.removeHandler(handler)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--lines", type=int, default=4000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shown, sys.stdout = sys.stdout, _Nowhere()
    found = measure(options.rounds, options.lines)
    sys.stdout = shown
    if options.json:
        print(json.dumps(found))
        return
    plain = statistics.median(found[_WITHOUT])
    print("| a line | µs of the thread, median (least to most) | more |\n|---|---|---|")
    for name, times in found.items():
        median, span = statistics.median(times), f"{min(times):.1f} to {max(times):.1f}"
        print(f"| {name} | {median:.1f} ({span}) | {median - plain:.1f} |")


if __name__ == "__main__":
    main()
