# SPDX-License-Identifier: Apache-2.0
"""How a process ends with capture in it: exit, SIGTERM, dead endpoints. Real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest
from otlp_sink import attributes

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from otlp_sink import Sink

    Start = Callable[[str, str], subprocess.Popen[str]]

# A wait without end that begins just after a signal came never sees it; Python has no better one.
HEAD = """
import ffe_otel, signal, sys, threading, time
handle = ffe_otel.install()
def wait_for_signal():
    while True:
        threading.Event().wait(0.05)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(endpoint: str, body: str) -> subprocess.Popen[str]:
        script = tmp_path / "program.py"
        script.write_text(HEAD + textwrap.dedent(body))
        started.append(
            subprocess.Popen(
                [sys.executable, str(script)],
                env=os.environ
                | {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                    "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout.readline().strip()
    assert said == "ready", said or process.stderr.read()


OPEN_CYCLE = """
with ffe_otel.cycle():
    with ffe_otel.phase("perception"):
        pass
    with ffe_otel.phase("reasoning"):
        print("ready")
        wait_for_signal()
"""


def test_sigterm_sends_what_is_in_memory_and_dies_of_it(sink: Sink, start: Start) -> None:
    process = start(sink.url, OPEN_CYCLE)
    ready(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    spans = {s.name: attributes(s) for s in sink.spans()}
    assert set(spans) == {"ffe.cycle", "ffe.phase.perception", "ffe.phase.reasoning"}
    assert spans["ffe.cycle"][semconv.ABORTED] is True
    assert semconv.ABORTED not in spans["ffe.phase.perception"]


def test_a_sigterm_handler_of_the_program_has_the_last_word(sink: Sink, start: Start) -> None:
    body = """
    def stop(*_):
        raise SystemExit(7)
    handle.uninstall()
    signal.signal(signal.SIGTERM, stop)
    handle = ffe_otel.install()
    """
    process = start(sink.url, textwrap.dedent(body) + OPEN_CYCLE)
    ready(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 7
    spans = {s.name: attributes(s) for s in sink.spans()}
    assert semconv.ABORTED not in spans["ffe.cycle"]
    assert spans["ffe.cycle"][semconv.CYCLE_OUTCOME] == "failed"


def test_sigint_stays_python_s_own(sink: Sink, start: Start) -> None:
    process = start(
        sink.url,
        """
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        try:
            with ffe_otel.cycle():
                print("ready")
                wait_for_signal()
        except KeyboardInterrupt:
            print("order recorded")
        """,
    )
    ready(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out.strip()) == (0, "order recorded")
    assert [s.name for s in sink.spans()] == ["ffe.cycle"]


@pytest.mark.parametrize("kind", ["closed", "black hole"])
def test_a_dead_endpoint_does_not_keep_the_process(start: Start, kind: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == "black hole":
            listener.listen(64)
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = start(
            endpoint,
            """
            import logging
            with ffe_otel.cycle():
                logging.getLogger("engine").warning("hello")
            print("ready")
            """,
        )
        ready(process)
        began = time.monotonic()
        process.communicate(timeout=30)
        # A promise, not a benchmark: two seconds, and as much again for a slow machine.
        assert time.monotonic() - began < 4
    assert process.returncode == 0


def test_an_uncaught_exception_still_sends_its_cycle(sink: Sink, start: Start) -> None:
    process = start(
        sink.url,
        """
        with ffe_otel.cycle(), ffe_otel.phase("execution"):
            raise ZeroDivisionError("one order, nobody to take it")
        """,
    )
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "ZeroDivisionError" in err
    cycle = next(s for s in sink.spans() if s.name == "ffe.cycle")
    assert cycle.status.message == "ZeroDivisionError: one order, nobody to take it"


def test_sigterm_leaves_no_orphan_under_a_span_of_the_engine(sink: Sink, start: Start) -> None:
    process = start(
        sink.url,
        """
        from opentelemetry import trace
        with ffe_otel.cycle(), trace.get_tracer("engine").start_as_current_span("decide"):
            with ffe_otel.llm_call("ollama", "done"):
                pass
            with ffe_otel.llm_call("ollama", "open") as call:
                call.tokens(5, 6)
                print("ready")
                wait_for_signal()
        """,
    )
    ready(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    spans = sink.spans()
    assert {s.name for s in spans} == {"ffe.cycle", "decide", "chat done", "chat open"}
    assert {s.parent_span_id for s in spans} - {b""} <= {s.span_id for s in spans}
    cycle = next(attributes(s) for s in spans if s.name == "ffe.cycle")
    assert cycle[semconv.CYCLE_OUTCOME] == "aborted"
    assert cycle[semconv.LLM_TOKENS] == 11
    assert "ffe.ooda.cycle.duration" in sink.metric_names()
    assert [r.event_name for r in sink.logs()].count("llm_calls") == 2
