# SPDX-License-Identifier: Apache-2.0
"""A backend that is killed again and again: it ends up with everything, once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chaos_engine import spool_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chaos_endpoint import Endpoint
    from conftest import Start

COMMAND = (sys.executable, "-m", "ffe_otel.cli")


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [*COMMAND, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def stored(environment: dict[str, str]) -> dict[str, Any]:
    """What the running server has stored; empty while it does not answer."""
    done = subprocess.run(
        [*COMMAND, "status", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout).get("store", {}) if done.stdout else {}
    return found


# It waits five seconds at most, and not at all where nobody answered a moment ago.
FLUSHED = """
end = time.monotonic() + 60
while not (flushed := handle.flush(60)) and time.monotonic() < end:
    time.sleep(0.2)
say(f"flushed {flushed}")
"""


def test_serve_holds_everything_once(endpoint: Endpoint, start: Start, tmp_path: Path) -> None:
    environment = os.environ | {
        "FFE_OTEL__STATE_DIR": str(tmp_path / "serve"),
        "FFE_OTEL__SERVE__PORT": "0",
        "FFE_OTEL__SERVE__OTLP_HTTP_PORT": str(endpoint.port),
        "FFE_OTEL__SERVE__OTLP_GRPC_PORT": "-1",
        "FFE_OTEL__METRICS__INFLUXDB__ENABLED": "false",
    }
    engine = start(state=tmp_path / "engine")
    chance = random.Random()
    for _ in range(3):
        with serving(environment):
            engine.wait_for_lines(len(engine.marks()) // 2 + 15)
            time.sleep(chance.uniform(0.5, 2.5))  # not to wait for something: it is killed then
    engine.terminate()
    with serving(environment):
        other = start(state=tmp_path / "engine", body=FLUSHED)
        deadline = time.monotonic() + 60
        while "spans" not in stored(environment):
            assert time.monotonic() < deadline
        assert other.wait() == "flushed True\n"
        made = len(engine.marks()) // 2
        # Beside each mark's span a cycle's and a phase's.
        while stored(environment).get("spans", 0) < 3 * made:
            assert time.monotonic() < deadline, (stored(environment), made)
        assert made >= 45
        # The last cycle may have ended as aborted before its mark was written down.
        assert 0 <= stored(environment)["spans"] - 3 * made <= 3
    assert spool_files(tmp_path / "engine") == []
