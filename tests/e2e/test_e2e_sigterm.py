# SPDX-License-Identifier: Apache-2.0
"""SIGTERM that does not end the process: capture goes on until something else does."""

from __future__ import annotations

import subprocess
import textwrap
from typing import TYPE_CHECKING

import pytest
from otlp_sink import attributes
from programs import run

from ffe_otel import semconv

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

HEAD = """
import logging, os, signal, sys, threading
import ffe_otel

logging.lastResort = None
log = logging.getLogger("engine")
log.setLevel("INFO")

def terminate():
    os.kill(os.getpid(), signal.SIGTERM)

def work(asset):
    with ffe_otel.cycle([asset]):
        log.info("worked on %s", asset)
"""
INSTALL = "handle = ffe_otel.install()\n"
GOES_ON = """
with ffe_otel.cycle(["OPEN"]):
    terminate()
    terminate()
    log.info("still open")
work("AFTER")
print("went on")
"""


def went_on(sink: Sink) -> None:
    cycles = [attributes(s) for s in sink.spans() if s.name == "ffe.cycle"]
    assert sorted(c[semconv.ASSET_PAIRS] for c in cycles) == [["AFTER"], ["OPEN"]]
    assert {c[semconv.CYCLE_OUTCOME] for c in cycles} == {"no_trade"}
    assert not any(semconv.ABORTED in c for c in cycles)
    lines = [r.body.string_value for r in sink.logs()]
    assert {"still open", "worked on AFTER"} <= set(lines)


def output_of(tmp_path: Path, sink: Sink, body: str, *starter: str) -> str:
    done = run(
        HEAD + textwrap.dedent(body),
        tmp_path,
        starter=starter,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    return done.stdout.strip()


def _may_unshare() -> bool:
    made = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False)
    return made.returncode == 0


IN_OWN_NAMESPACE = ("unshare", "--pid", "--fork")


@pytest.mark.skipif(not _may_unshare(), reason="needs the right to make a PID namespace")
def test_the_first_process_of_a_container_goes_on_and_is_captured(
    tmp_path: Path, sink: Sink
) -> None:
    body = INSTALL + "assert os.getpid() == 1\n" + GOES_ON
    assert output_of(tmp_path, sink, body, *IN_OWN_NAMESPACE) == "went on"
    went_on(sink)


NOTING = """
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
"""
CHAINING = """
stopping = []
def stop(number, frame):
    stopping.append(1)
    if callable(before):
        before(number, frame)
before = signal.signal(signal.SIGTERM, stop)
"""


@pytest.mark.parametrize(
    "installed",
    [NOTING + INSTALL, INSTALL + NOTING, INSTALL + CHAINING],
    ids=["before", "after", "after and calls ours"],
)
def test_a_handler_that_only_takes_note_is_followed_by_captured_work(
    tmp_path: Path, sink: Sink, installed: str
) -> None:
    said = output_of(tmp_path, sink, installed + GOES_ON + "assert stopping == [1, 1]\n")
    assert said == "went on"
    went_on(sink)


@pytest.mark.parametrize(
    "installed",
    [
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + INSTALL,
        INSTALL + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
    ],
    ids=["before", "after"],
)
def test_where_it_is_ignored_it_stays_ignored(tmp_path: Path, sink: Sink, installed: str) -> None:
    assert output_of(tmp_path, sink, installed + GOES_ON) == "went on"
    went_on(sink)
