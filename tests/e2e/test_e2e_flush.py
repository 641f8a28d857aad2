# SPDX-License-Identifier: Apache-2.0
"""``force_flush`` of each provider: what True means, and how long it takes. Real processes.

Programs end with ``os._exit`` right after the flush: what the sink has then, the flush sent.
"""

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
from loopback import Asked, Endpoint, Reply
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from programs import run

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

HEAD = """
import atexit, json, logging, os, signal, sys, threading, time
import ffe_otel
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider

handle = ffe_otel.install()
log = logging.getLogger("engine")
log.setLevel("INFO")
log.addHandler(logging.NullHandler())
tracer = trace.get_tracer("engine")
counter = metrics.get_meter("engine").create_counter("engine.orders")
providers = [trace.get_tracer_provider(), get_logger_provider(), metrics.get_meter_provider()]

def make(count, name="made"):
    for number in range(count):
        log.info("%s %d", name, number)
        if number % 10 == 0:
            with tracer.start_as_current_span(f"{name} {number}"):
                counter.add(1)

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""
QUIET = {
    "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
    "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
    # Nothing is sent but by a flush, and what comes with it.
    "FFE_OTEL__METRICS__INTERVALS__RESOURCE_METRICS": "600",
}


def said(tmp_path: Path, endpoint: str, body: str, **env: str) -> list[str]:
    """What a program says that sends to an endpoint."""
    done = run(
        HEAD + textwrap.dedent(body),
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        FFE_OTEL__STATE_DIR=str(tmp_path / "own state"),
        **(QUIET | env),
    )
    return done.stdout.splitlines()


def bodies(sink: Sink) -> list[str]:
    return [record.body.string_value for record in sink.logs() if not record.event_name]


def orders(sink: Sink) -> float:
    return max(
        point.as_int
        for metric in sink.metrics()
        if metric.name == "engine.orders"
        for point in metric.sum.data_points
    )


@pytest.mark.parametrize("timeout", ["", "20000"])
def test_true_means_that_everything_before_it_has_arrived(
    tmp_path: Path, sink: Sink, timeout: str
) -> None:
    body = f"""
    make(5000)
    say([provider.force_flush({timeout}) for provider in providers])
    os._exit(0)
    """
    assert said(tmp_path, sink.url, body) == ["[True, True, True]"]
    assert sorted(bodies(sink)) == sorted(f"made {number}" for number in range(5000))
    assert len(sink.spans()) == 500
    assert orders(sink) == 500


def test_a_provider_that_the_engine_brought_flushes_ours_too(tmp_path: Path, sink: Sink) -> None:
    program = """
    import os
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    import ffe_otel
    ffe_otel.install()
    with trace.get_tracer("engine").start_as_current_span("made"):
        pass
    print(trace.get_tracer_provider().force_flush(), flush=True)
    os._exit(0)
    """
    done = run(program, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **QUIET)
    assert done.stdout == "True\n"
    assert [span.name for span in sink.spans()] == ["made"]


def test_declared_providers_flush_what_was_logged(tmp_path: Path, sink: Sink) -> None:
    pytest.importorskip("opentelemetry.configuration")
    declared = tmp_path / "sdk.yaml"
    exporter = f"exporter: {{otlp_http: {{endpoint: '{sink.url}/v1/SIGNAL'}}}}"
    declared.write_text(
        f"""
        file_format: "1.1"
        tracer_provider:
          processors: [{{batch: {{{exporter.replace("SIGNAL", "traces")}}}}}]
        logger_provider:
          processors: [{{batch: {{{exporter.replace("SIGNAL", "logs")}}}}}]
        """
    )
    body = """
    make(1000)
    say([provider.force_flush(20000) for provider in providers])
    os._exit(0)
    """
    assert said(tmp_path, sink.url, body, OTEL_CONFIG_FILE=str(declared)) == ["[True, True, True]"]
    assert len(bodies(sink)) == 1000
    assert len(sink.spans()) == 100


def test_without_an_endpoint_it_is_false_and_at_once_when_that_is_known(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)  # nobody answers
        lines = said(
            tmp_path,
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            """
            def flush():
                began = time.monotonic()
                done = [provider.force_flush(20000) for provider in providers]
                return done, time.monotonic() - began

            make(10)
            first, took = flush()
            say(first, took < 4 + 3)
            second, took = flush()
            say(second, took < 1)
            os._exit(0)
            """,
            FFE_OTEL__TELEMETRY__OTLP_TIMEOUT_SECONDS="1",
            FFE_OTEL__LIMITS__FLUSH_SECONDS="4",
        )
    assert lines == ["[False, False, False] True"] * 2


def test_what_is_refused_is_not_taken(tmp_path: Path, sink: Sink) -> None:
    sink.status = 400
    body = """
    make(10)
    say([provider.force_flush(20000) for provider in providers])
    say([provider.force_flush(20000) for provider in providers[:2]])
    os._exit(0)
    """
    # The second has nothing to send, and nothing was lost since the first.
    assert said(tmp_path, sink.url, body) == ["[False, False, False]", "[True, True]"]


@pytest.mark.parametrize(("status", "taken"), [(200, True), (400, False)])
def test_without_a_spool_it_is_what_the_exporters_say(
    tmp_path: Path, sink: Sink, status: int, taken: bool
) -> None:
    sink.status = status
    body = "make(10); say([provider.force_flush(20000) for provider in providers]); os._exit(0)"
    env = {"FFE_OTEL__SPOOL__ENABLED": "false"}
    assert said(tmp_path, sink.url, body, **env) == [str([taken] * 3)]
    assert len(bodies(sink)) == (10 if taken else 0)


def test_what_is_taken_but_for_a_part_is_not_taken(tmp_path: Path) -> None:
    def reply(asked: Asked) -> Reply:
        if asked.path != "/v1/logs":
            return Reply()
        partial = ExportLogsPartialSuccess(rejected_log_records=1, error_message="too old")
        return Reply(body=ExportLogsServiceResponse(partial_success=partial).SerializeToString())

    with Endpoint(reply) as endpoint:
        body = "make(10); say([provider.force_flush(20000) for provider in providers]); os._exit(0)"
        assert said(tmp_path, endpoint.url, body) == ["[True, False, True]"]


def test_what_was_dropped_before_is_not_taken(tmp_path: Path, sink: Sink) -> None:
    body = """
    make(20_000)
    say(get_logger_provider().force_flush(20000), get_logger_provider().force_flush(20000))
    os._exit(0)
    """
    assert said(tmp_path, sink.url, body, FFE_OTEL__LIMITS__QUEUE_SIZE="100") == ["False True"]


def test_a_busy_engine_waits_for_what_was_before_only(tmp_path: Path, sink: Sink) -> None:
    body = """
    def work():
        number = 0
        while True:
            make(1, f"busy {number}")
            number += 1
            time.sleep(0.001)

    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    make(100)
    say([provider.force_flush(20000) for provider in providers])
    os._exit(0)
    """
    assert said(tmp_path, sink.url, body) == ["[True, True, True]"]
    assert {f"made {number}" for number in range(100)} <= set(bodies(sink))


def test_several_threads_flush_at_once(tmp_path: Path, sink: Sink) -> None:
    body = """
    done = []

    def work(name):
        make(200, name)
        done.extend(provider.force_flush(20000) for provider in providers)

    threads = [threading.Thread(target=work, args=(f"thread {n}",)) for n in range(6)]
    for each in threads: each.start()
    for each in threads: each.join()
    say(done.count(True), done.count(False))
    os._exit(0)
    """
    assert said(tmp_path, sink.url, body) == ["18 0"]
    assert len(set(bodies(sink))) == 1200


def test_threads_of_ours_that_flush_wait_for_nobody(tmp_path: Path, sink: Sink) -> None:
    body = """
    from opentelemetry.sdk._logs import LogRecordProcessor

    class Flushing(LogRecordProcessor):
        answers = []
        def on_emit(self, log_record):
            if threading.current_thread() is not threading.main_thread():
                self.answers.append(get_logger_provider().force_flush(20000))
        def shutdown(self): pass
        def force_flush(self, timeout_millis=0): return True

    get_logger_provider().add_log_record_processor(Flushing())
    log.info("made 0")
    say(get_logger_provider().force_flush(20000), Flushing.answers)
    os._exit(0)
    """
    assert said(tmp_path, sink.url, body) == ["True [False]"]
    assert bodies(sink) == ["made 0"]


def test_a_forked_child_flushes_what_is_its_own(tmp_path: Path, sink: Sink) -> None:
    body = """
    make(1000, "parent")
    child = os.fork()
    make(100, "child" if child == 0 else "late")
    say([provider.force_flush(20000) for provider in providers])
    if child:
        os.waitpid(child, 0)
    os._exit(0)
    """
    assert said(tmp_path, sink.url, body) == ["[True, True, True]"] * 2
    names = [text.split()[0] for text in bodies(sink)]
    assert {name: names.count(name) for name in set(names)} == {
        "parent": 1000,
        "child": 100,
        "late": 100,
    }


@pytest.mark.parametrize("where", ["before ours", "after ours"])
def test_an_exit_callback_may_flush(tmp_path: Path, sink: Sink, where: str) -> None:
    """From Python 3.12 on no thread can be started then."""
    body = """
    def at_exit():
        make(100)
        say([provider.force_flush(20000) for provider in providers[:2]], handle.flush())

    if WHERE == "before ours":  # the last registered is called first
        atexit.register(at_exit)
    else:
        handle.uninstall()
        atexit.register(at_exit)
        handle = ffe_otel.install()
        providers[1] = handle.logger_provider
    """.replace("WHERE", repr(where))
    [line] = said(tmp_path, sink.url, body)
    assert line == "[True, True] True"
    assert len(bodies(sink)) == 100


def test_flushing_while_it_ends_hangs_nobody(tmp_path: Path, sink: Sink) -> None:
    body = """
    failed = []

    def work():
        try:
            while not ended.is_set():
                make(3)
                for provider in providers:
                    provider.force_flush(1000)
                handle.flush(1)
        except BaseException as error:
            failed.append(repr(error))

    ended = threading.Event()
    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads: each.start()
    make(300)
    handle.uninstall()
    ended.set()
    for each in threads: each.join()
    say(failed)
    """
    assert said(tmp_path, sink.url, body) == ["[]"]


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(0)",
        "os.execv(sys.executable, [sys.executable, '-c', ''])",
        "os.execlp(sys.executable, sys.executable, '-c', '')",
        "os.execve(sys.executable, [sys.executable, '-c', ''], os.environ)",
    ],
)
def test_what_was_made_last_is_stored_before_an_end_without_callbacks(
    tmp_path: Path, end: str
) -> None:
    said(tmp_path, "http://127.0.0.1:9", f"make(200, 'last')\n{end}")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "own state").rglob("*.spool"))
    assert {number for number in range(200) if f"last {number}".encode() in stored} == {*range(200)}


def test_ends_are_given_back(tmp_path: Path, sink: Sink) -> None:
    body = """
    import posix
    handle.uninstall()
    say(os._exit is posix._exit, os.execv is posix.execv, os.execve is posix.execve)
    """
    assert said(tmp_path, sink.url, body) == ["True True True"]


AT_EXIT = {
    "atexit": "atexit.register(end); say('ready')",
    "finally": "try:\n    say('ready')\nfinally:\n    end()",
    "SIGTERM": (
        "handle.uninstall(); signal.signal(signal.SIGTERM, lambda *_: (end(), sys.exit(0)))\n"
        "ffe_otel.install(); make(10); say('ready')\n"
        "while True:\n    threading.Event().wait(0.05)"
    ),
}


@pytest.mark.parametrize("how", AT_EXIT)
def test_flushes_and_shutdowns_of_a_program_s_own_keep_to_the_two_seconds(
    tmp_path: Path, how: str
) -> None:
    body = """
    def end():
        for provider in providers:
            provider.force_flush()
        for provider in providers:
            provider.shutdown()

    make(10)
    """
    script = tmp_path / "program.py"
    script.write_text(HEAD + textwrap.dedent(body) + AT_EXIT[how])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)  # nobody answers
        process = subprocess.Popen(
            [sys.executable, str(script)],
            env=os.environ
            | QUIET
            | {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
                "FFE_OTEL__STATE_DIR": str(tmp_path / "own state"),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            began = time.monotonic()
            if how == "SIGTERM":
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            # A promise, not a benchmark: two seconds, and as much again for a slow machine.
            assert time.monotonic() - began < 4
        finally:
            process.kill()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "own state").rglob("*.spool"))
    assert all(f"made {number}".encode() in stored for number in range(10))
