# SPDX-License-Identifier: Apache-2.0
"""Processes that a captured one forks: each sends its own, once. Real processes."""

from __future__ import annotations

import os
import signal
import textwrap
from typing import TYPE_CHECKING

import pytest
from otlp_sink import attributes
from programs import run

from ffe_otel import semconv

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

HEAD = """
import logging, multiprocessing, os, signal, threading, time
from concurrent.futures import ProcessPoolExecutor
import ffe_otel, psutil
from opentelemetry import trace

logging.lastResort = None
log = logging.getLogger("engine")
log.setLevel("INFO")
tracer = trace.get_tracer("engine")

def work(number=0):
    with ffe_otel.cycle([f"CHILD{number}"]), tracer.start_as_current_span("own"):
        log.info("in child %s", number)

def stuck(pipe):
    with ffe_otel.cycle(["CHILD"]), tracer.start_as_current_span("own"):
        os.write(pipe, b"x")
        while True:
            threading.Event().wait(0.05)

"""


def output_of(tmp_path: Path, sink: Sink, body: str) -> str:
    program = (
        f"{HEAD}if __name__ == '__main__':\n    handle = ffe_otel.install()\n"
        + textwrap.indent(textwrap.dedent(body), "    ")
    )
    done = run(
        program,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    return done.stdout.strip()


def counts(sink: Sink) -> dict[str, int]:
    """How often each span arrived, by name and asset."""
    found: dict[str, int] = {}
    for span in sink.spans():
        asset = "".join(attributes(span).get(semconv.ASSET_PAIRS, ()))
        name = f"{span.name} {asset}".strip()
        found[name] = found.get(name, 0) + 1
    return found


def bodies(sink: Sink) -> list[str]:
    """What was logged, without our event records."""
    return sorted(r.body.string_value for r in sink.logs() if not r.event_name)


def test_spans_that_are_open_at_a_fork_are_the_parent_s(tmp_path: Path, sink: Sink) -> None:
    output_of(
        tmp_path,
        sink,
        """
        with ffe_otel.cycle(["PARENT"]), ffe_otel.phase("reasoning"):
            with tracer.start_as_current_span("engine") as span, ffe_otel.data_fetch("s", "e"):
                pid = os.fork()
                if pid == 0:
                    span.set_attribute("who", "child")
                    with ffe_otel.llm_call("ollama", "child"):
                        log.info("child")
                else:
                    os.waitpid(pid, 0)
        log.info("after")
        """,
    )
    assert counts(sink) == {
        "ffe.cycle PARENT": 1,
        "ffe.phase.reasoning": 1,
        "engine": 1,
        "ffe.data.fetch": 1,
        "chat child": 1,
    }
    (engine,) = [s for s in sink.spans() if s.name == "engine"]
    assert "who" not in attributes(engine)
    events = [r.event_name for r in sink.logs() if r.event_name]
    assert sorted(events) == ["api_latencies", "ffe.cycle.started", "llm_calls"]
    assert bodies(sink) == ["after", "after", "child"]


@pytest.mark.parametrize(
    "start",
    [
        """
        worker = multiprocessing.get_context("fork").Process(target=work)
        worker.start()
        worker.join()
        """,
        """
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            list(pool.map(work, [0]))
        """,
        """
        # Nobody but atexit holds this handle, and a worker clears atexit.
        handle.uninstall()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ffe_otel.install()
        del handle
        worker = multiprocessing.get_context("fork").Process(target=work)
        worker.start()
        worker.join()
        """,
    ],
    ids=["Process", "ProcessPoolExecutor", "handle not kept"],
)
def test_a_worker_of_multiprocessing_sends_spans_and_log_records(
    tmp_path: Path, sink: Sink, start: str
) -> None:
    output_of(tmp_path, sink, start)
    assert counts(sink) == {"ffe.cycle CHILD0": 1, "own": 1}
    assert bodies(sink) == ["in child 0"]


def test_a_worker_sends_what_it_has_open_when_it_leaves(tmp_path: Path, sink: Sink) -> None:
    output_of(
        tmp_path,
        sink,
        """
        def leave():
            ffe_otel.cycle(["CHILD"]).__enter__()

        worker = multiprocessing.get_context("fork").Process(target=leave)
        worker.start()
        worker.join()
        """,
    )
    assert counts(sink) == {"ffe.cycle CHILD": 1}
    assert attributes(sink.spans()[0])[semconv.CYCLE_OUTCOME] == "aborted"


@pytest.mark.parametrize("how", ["os.fork", "multiprocessing"])
def test_sigterm_sends_what_a_child_has_open(tmp_path: Path, sink: Sink, how: str) -> None:
    start = {
        "os.fork": """
        pid = os.fork()
        if pid == 0:
            stuck(writer)
        os.read(reader, 1)
        os.kill(pid, signal.SIGTERM)
        print(-os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        "multiprocessing": """
        worker = multiprocessing.get_context("fork").Process(target=stuck, args=(writer,))
        worker.start()
        os.read(reader, 1)
        worker.terminate()
        worker.join()
        print(-worker.exitcode)
        """,
    }[how]
    body = 'reader, writer = os.pipe()\nwith ffe_otel.cycle(["PARENT"]):\n'
    status = output_of(tmp_path, sink, body + textwrap.indent(textwrap.dedent(start), "    "))
    assert int(status) == signal.SIGTERM
    assert counts(sink) == {"ffe.cycle PARENT": 1, "ffe.cycle CHILD": 1, "own": 1}
    aborted = {s.name for s in sink.spans() if attributes(s).get(semconv.ABORTED)}
    assert aborted == {"ffe.cycle", "own"}
    assert [attributes(s).get(semconv.CYCLE_OUTCOME) for s in sink.spans()].count("aborted") == 1


def test_after_uninstall_a_child_is_left_alone(tmp_path: Path, sink: Sink) -> None:
    status = output_of(
        tmp_path,
        sink,
        """
        handle.uninstall()
        pid = os.fork()
        if pid == 0:
            # The SDK's providers have theirs for a moment: they look at the resource anew.
            end = time.monotonic() + 20
            while (threads := psutil.Process().num_threads()) > 1 and time.monotonic() < end:
                time.sleep(0.01)
            os._exit(threads > 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    )
    assert status == "0"


def test_a_handler_of_the_program_has_the_last_word_in_a_child_too(
    tmp_path: Path, sink: Sink
) -> None:
    status = output_of(
        tmp_path,
        sink,
        """
        handle.uninstall()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        handle = ffe_otel.install()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            work()
            stuck(writer)
        os.read(reader, 1)
        os.kill(pid, signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    )
    assert status == "7"
    assert counts(sink) == {"ffe.cycle CHILD0": 1, "own": 1}
