# SPDX-License-Identifier: Apache-2.0
"""SIGKILL and SIGTERM at any moment: what had ended is on disk, and the next process sends it."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest
from chaos_engine import DRAIN, spool_files

if TYPE_CHECKING:
    from pathlib import Path

    from chaos_endpoint import Endpoint
    from conftest import Start

FULL = os.environ.get("CHAOS") == "full"
TIMES = 100 if FULL else 5
PROMISED_SECONDS = 0.25

pytestmark = pytest.mark.timeout(3600 if FULL else 180)


def put(endpoint: Endpoint, behaviour: str) -> None:
    endpoint.always = (503, {}) if behaviour == "busy" else None
    {"up": endpoint.up, "busy": endpoint.up, "down": endpoint.down, "deaf": endpoint.deaf}[
        behaviour
    ]()


def test_what_ended_before_a_sigkill_is_delivered(
    endpoint: Endpoint, start: Start, tmp_path: Path
) -> None:
    chance = random.Random()
    wanted: set[str] = set()
    for _ in range(TIMES):
        put(endpoint, chance.choice(["up", "down", "busy", "deaf"]))
        engine = start()
        engine.wait_for_marks(5)
        time.sleep(chance.uniform(0.0, 1.5))  # not to wait for something: the moment is random
        killed = engine.kill()
        wanted |= engine.marks(before=killed - PROMISED_SECONDS)
    put(endpoint, "up")
    assert start(body=DRAIN).wait() == "flushed True\n"
    assert wanted - endpoint.marks() == set()
    assert spool_files(tmp_path) == []


@pytest.mark.parametrize("behaviour", ["up", "down", "busy", "deaf"])
def test_sigterm_loses_nothing_and_takes_two_seconds_at_most(
    endpoint: Endpoint, start: Start, tmp_path: Path, behaviour: str
) -> None:
    wanted: set[str] = set()
    for _ in range(TIMES // 4):
        put(endpoint, behaviour)
        engine = start()
        engine.wait_for_marks(5)
        # The promise is 2 s; as much again is for a machine that is busy with other tests.
        assert engine.terminate() < 4
        wanted |= engine.marks()
        assert "Traceback" not in engine.messages
    put(endpoint, "up")
    assert start(body=DRAIN).wait() == "flushed True\n"
    assert wanted - endpoint.marks() == set()
    assert spool_files(tmp_path) == []
