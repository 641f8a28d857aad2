# SPDX-License-Identifier: Apache-2.0
"""What the programs below a captured one inherit: nothing, unless they are its workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from otlp_sink import MESSAGES, attributes
from programs import run

if TYPE_CHECKING:
    from otlp_sink import Sink

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
CHILD = "import sys; print('ffe_otel' in sys.modules)"


def lines_of(tmp_path: Path, sink: Sink, body: str) -> list[str]:
    """Run a program as ``opentelemetry-instrument`` does; returns its lines."""
    done = run(
        body,
        tmp_path,
        starter=[str(INSTRUMENT)],
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    return done.stdout.split()


def by_instance(sink: Sink) -> dict[str, set[str]]:
    """Names of the spans of each service instance."""
    found: dict[str, set[str]] = {}
    for path, body in sink.bodies:
        if path == "/v1/traces":
            for resource in MESSAGES[path].FromString(body).resource_spans:
                instance: Any = attributes(resource.resource)["service.instance.id"]
                names = {span.name for scope in resource.scope_spans for span in scope.spans}
                found.setdefault(instance, set()).update(names)
    return found


def test_a_program_that_an_agent_starts_is_left_alone(tmp_path: Path, sink: Sink) -> None:
    lines = lines_of(
        tmp_path,
        sink,
        f"""
        import os, subprocess, sys, ffe_otel
        with ffe_otel.cycle():
            subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
        """,
    )
    assert lines == ["False"]


def test_an_agent_that_a_launcher_starts_is_captured(tmp_path: Path, sink: Sink) -> None:
    lines = lines_of(
        tmp_path,
        sink,
        f"""
        import subprocess, sys
        subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
        """,
    )
    assert lines == ["True"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_of_an_agent_is_captured_as_a_process_of_its_own(
    tmp_path: Path, sink: Sink, method: str
) -> None:
    lines = lines_of(
        tmp_path,
        sink,
        f"""
        import multiprocessing, subprocess, sys
        import ffe_otel

        def work():
            with ffe_otel.agent_run("worker"), ffe_otel.cycle():
                subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)

        if __name__ == "__main__":
            with ffe_otel.cycle():
                pass
            worker = multiprocessing.get_context({method!r}).Process(target=work, name="w-1")
            worker.start()
            worker.join()
            print(worker.exitcode)
            subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
        """,
    )
    assert lines == ["False", "0", "False"]
    spans = sorted(map(sorted, by_instance(sink).values()))
    assert spans == [["ffe.agent.run", "ffe.cycle"], ["ffe.cycle"]]


def test_the_garbage_collector_passes_over_what_comes_with_the_start(
    tmp_path: Path, sink: Sink
) -> None:
    program = "import gc, ffe_otel; ffe_otel.install(); print(gc.get_freeze_count())"
    [at_start] = lines_of(tmp_path, sink, program)
    assert int(at_start) > 10_000

    in_code = run(program, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert in_code.stdout.split() == ["0"]
