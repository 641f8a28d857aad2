# SPDX-License-Identifier: Apache-2.0
"""Threads, pools, tasks, loops: exceptions nobody catches, and capture that begins in one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from otlp_sink import attributes
from programs import run

from ffe_otel import semconv

if TYPE_CHECKING:
    from otlp_sink import Sink

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
ERROR = 2

HEAD = """
import asyncio, logging, multiprocessing, os, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
import ffe_otel
from opentelemetry import trace

logging.lastResort = None
log = logging.getLogger("engine")
log.setLevel("INFO")
tracer = trace.get_tracer("engine")
"""
FAILING = """
def fail():
    with ffe_otel.cycle(["BTCUSD"]), tracer.start_as_current_span("own"):
        log.info("about to fail")
        raise ZeroDivisionError("nobody catches this")
"""


def output_of(tmp_path: Path, sink: Sink, body: str, **env: str) -> str:
    done = run(
        HEAD + textwrap.dedent(body),
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
        **env,
    )
    return done.stdout.strip()


def outcomes(sink: Sink) -> list[str]:
    return [attributes(s)[semconv.CYCLE_OUTCOME] for s in sink.spans() if s.name == "ffe.cycle"]


THREAD = """
thread = threading.Thread(target=fail)
thread.start()
thread.join()
"""
POOL = """
with ThreadPoolExecutor(1) as pool:
    pool.submit(fail)
"""
TASK = """
async def task():
    fail()

async def main():
    asyncio.get_running_loop().set_exception_handler(lambda *_: print("loop"))
    asyncio.create_task(task())
    await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("start", "told"),
    [(THREAD, "hook"), (POOL, ""), (TASK, "loop")],
    ids=["thread", "pool", "task"],
)
def test_an_exception_that_nobody_catches_is_in_the_trace(
    tmp_path: Path, sink: Sink, start: str, told: str
) -> None:
    own_hook = 'threading.excepthook = lambda _: print("hook")\nhandle = ffe_otel.install()'
    said = output_of(tmp_path, sink, own_hook + FAILING + start)
    assert said == told
    assert outcomes(sink) == ["failed"]
    (own,) = [s for s in sink.spans() if s.name == "own"]
    assert own.status.code == ERROR
    assert own.status.message == "ZeroDivisionError: nobody catches this"
    (line,) = [r for r in sink.logs() if r.body.string_value == "about to fail"]
    assert line.span_id == own.span_id


def test_what_a_failed_thread_left_open_ends_as_aborted(tmp_path: Path, sink: Sink) -> None:
    output_of(
        tmp_path,
        sink,
        """
        handle = ffe_otel.install()
        kept = []

        def leave():
            ffe_otel.cycle(["BTCUSD"]).__enter__()
            kept.append(tracer.start_span("own"))
            raise ZeroDivisionError

        threading.excepthook = lambda _: None
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
        """,
    )
    assert outcomes(sink) == ["aborted"]
    assert {s.name for s in sink.spans() if attributes(s)[semconv.ABORTED]} == {"ffe.cycle", "own"}


INSTALLED_ELSEWHERE = """
thread = threading.Thread(target=ffe_otel.install)
thread.start()
thread.join()
"""


def test_capture_may_begin_off_the_main_thread(tmp_path: Path, sink: Sink) -> None:
    body = """
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with ffe_otel.cycle(["BTCUSD"]):
        log.info("at work")
    ffe_otel.cycle(["BTCUSD"]).__enter__()
    """
    output_of(tmp_path, sink, INSTALLED_ELSEWHERE + textwrap.dedent(body))
    assert sorted(outcomes(sink)) == ["aborted", "no_trade"]
    assert "at work" in [r.body.string_value for r in sink.logs()]


def test_a_signal_that_is_not_ours_leaves_what_had_ended_to_the_next(
    tmp_path: Path, sink: Sink
) -> None:
    body = """
    with ffe_otel.cycle(["BTCUSD"]):
        log.info("at work")
    trace.get_tracer_provider().force_flush()
    os.kill(os.getpid(), signal.SIGTERM)
    """
    script = tmp_path / "killed.py"
    script.write_text(HEAD + INSTALLED_ELSEWHERE + textwrap.dedent(body))
    env = os.environ | {
        "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
        "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
    }
    sink.down()
    killed = subprocess.run([sys.executable, str(script)], env=env, timeout=60, check=False)
    assert killed.returncode == -signal.SIGTERM
    assert outcomes(sink) == []
    sink.up()
    output_of(tmp_path, sink, "handle = ffe_otel.install()")
    assert outcomes(sink) == ["no_trade"]


def test_a_loop_that_takes_sigterm_for_itself_ends_as_it_wants(tmp_path: Path, sink: Sink) -> None:
    said = output_of(
        tmp_path,
        sink,
        """
        handle = ffe_otel.install()

        async def main():
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, stop.set)
            with ffe_otel.cycle(["BTCUSD"]), tracer.start_as_current_span("own"):
                os.kill(os.getpid(), signal.SIGTERM)
                await stop.wait()
            loop.remove_signal_handler(signal.SIGTERM)
            ffe_otel.cycle(["BTCUSD"]).__enter__()

        asyncio.run(main())
        print("stopped")
        """,
    )
    assert said == "stopped"
    assert sorted(outcomes(sink)) == ["aborted", "no_trade"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_sigterm_sends_what_a_started_worker_has_open(
    tmp_path: Path, sink: Sink, method: str
) -> None:
    done = run(
        HEAD
        + textwrap.dedent(f"""
        def stuck(writer):
            with ffe_otel.cycle(["WORKER"]), tracer.start_as_current_span("own"):
                writer.send("ready")
                while True:
                    threading.Event().wait(0.05)

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            reader, writer = context.Pipe()
            worker = context.Process(target=stuck, args=(writer,), name="w-1")
            worker.start()
            reader.recv()
            worker.terminate()
            worker.join()
            print(-worker.exitcode)
        """),
        tmp_path,
        starter=[str(INSTRUMENT)],
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    assert int(done.stdout) == signal.SIGTERM
    aborted = {s.name for s in sink.spans() if attributes(s).get(semconv.ABORTED)}
    assert aborted == {"ffe.cycle", "own"}
    assert outcomes(sink) == ["aborted"]
