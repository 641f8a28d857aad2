# SPDX-License-Identifier: Apache-2.0
"""SIGINT between an order sent and an order recorded: recorded, exactly as without us."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from chaos_engine import DRAIN

if TYPE_CHECKING:
    from chaos_endpoint import Endpoint
    from chaos_engine import Engine
    from conftest import Start

FULL = os.environ.get("CHAOS") == "full"
PROCESSES = 10 if FULL else 1
ORDERS = 10

pytestmark = pytest.mark.timeout(600 if FULL else 120)

# What is sent and not recorded is money nobody knows of. Between the two there are work that a
# KeyboardInterrupt in the wrong place would cut short, and waiting that asyncio cancels.
TRADING = f"""
import asyncio

def work(number):
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        with tracer.start_as_current_span("settle", attributes={{"order": number}}):
            log.info("settling %d", sum(range(2_000)))

async def order(number):
    with ffe_otel.cycle(["BTCUSD"]), ffe_otel.trade("BTCUSD", "BUY", "mock") as trade:
        say(f"sent {{number}}")
        work(number)
        try:
            await asyncio.sleep(0.02)
        finally:
            work(number)
            trade.filled(order_id=str(number))
            with tracer.start_as_current_span(f"span {{name}} {{number}}"):
                log.info(f"log {{name}} {{number}}")
            say(f"recorded {{number}}")
    await asyncio.sleep(60)

for number in range({ORDERS}):
    try:
        asyncio.run(order(number))
    except KeyboardInterrupt:
        say(f"interrupted {{number}}")
"""


def interrupted(engine: Engine) -> list[str]:
    """Interrupt each order at some moment; what the engine says of it."""
    chance = random.Random()
    for number in range(ORDERS):
        engine.wait_for_lines(3 * number + 1)
        time.sleep(chance.uniform(0.0, 0.06))  # not to wait for something: the moment is random
        engine.process.send_signal(signal.SIGINT)
    return engine.wait().splitlines()


@pytest.mark.parametrize("captured", [True, False], ids=["captured", "control"])
def test_an_order_that_was_sent_is_recorded(
    endpoint: Endpoint, start: Start, *, captured: bool
) -> None:
    endpoint.up()
    wanted: set[str] = set()
    for _ in range(PROCESSES):
        engine = start(body=TRADING, OTEL_SDK_DISABLED=str(not captured))
        words = ("sent", "recorded", "interrupted")
        assert interrupted(engine) == [f"{w} {n}" for n in range(ORDERS) for w in words]
        assert engine.messages == ""
        wanted |= {f"{kind} {engine.name} {n}" for kind in ("span", "log") for n in range(ORDERS)}
    start(body=DRAIN).wait()
    assert endpoint.marks() == (wanted if captured else set())
