# SPDX-License-Identifier: Apache-2.0
"""Other ways of configuring: standard variables, a configuration file, an earlier provider."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from programs import run

if TYPE_CHECKING:
    from otlp_sink import Sink

SECRET = "sk-proj-Qm7zX2vB9nK4tR8wL1pD6sF3hJ5gY0cA"
CYCLE = f"""
import logging, ffe_otel
handle = ffe_otel.install()
with ffe_otel.cycle(["BTCUSD"]):
    with ffe_otel.phase("perception") as phase:
        phase.set({{"note": "key {SECRET}"}})
        logging.getLogger("engine").warning("using %s", "{SECRET}")
handle.uninstall()
"""


def test_the_console_exporters_are_behind_redaction(tmp_path: Path) -> None:
    done = run(
        CYCLE,
        tmp_path,
        OTEL_TRACES_EXPORTER="console",
        OTEL_LOGS_EXPORTER="console",
        OTEL_METRICS_EXPORTER="console",
    )
    assert "ffe.phase.perception" in done.stdout
    assert "ffe.ooda.cycle.duration" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert "[redacted:" in done.stdout


def test_a_program_that_installs_may_be_started_with_capture(sink: Sink, tmp_path: Path) -> None:
    done = run(
        CYCLE
        + """
with ffe_otel.cycle(["ETHUSD"]):
    pass
second = ffe_otel.install()
second.uninstall()
try:
    ffe_otel.install(clock=lambda: 1)
except RuntimeError as error:
    print(error)
""",
        tmp_path,
        starter=[str(Path(sys.executable).parent / "opentelemetry-instrument")],
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert "installed already" in done.stdout
    assert sorted(s.name for s in sink.spans()) == [
        "ffe.cycle",
        "ffe.cycle",
        "ffe.phase.perception",
    ]
    assert all(SECRET.encode() not in body for _, body in sink.bodies)


def test_none_sends_nothing(sink: Sink, tmp_path: Path) -> None:
    run(
        CYCLE,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_TRACES_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
    )
    assert sink.bodies == []


def test_a_declarative_configuration_file_is_behind_redaction(sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "sdk.yaml").write_text(
        textwrap.dedent(f"""
        file_format: "1.0"
        resource:
          attributes:
            - name: service.name
              value: declared
        tracer_provider:
          processors:
            - batch:
                exporter:
                  otlp_http:
                    endpoint: {sink.url}/v1/traces
        logger_provider:
          processors:
            - batch:
                exporter:
                  otlp_http:
                    endpoint: {sink.url}/v1/logs
        meter_provider:
          readers:
            - periodic:
                exporter:
                  otlp_http:
                    endpoint: {sink.url}/v1/metrics
        """)
    )
    run(CYCLE, tmp_path, OTEL_CONFIG_FILE=str(tmp_path / "sdk.yaml"))
    assert {s.name for s in sink.spans()} == {"ffe.cycle", "ffe.phase.perception"}
    assert [r for r in sink.logs() if not r.event_name]
    assert "ffe.ooda.cycle.duration" in sink.metric_names()
    assert not [path for path, body in sink.bodies if SECRET.encode() in body]


def test_an_earlier_provider_of_the_engine_comes_along(sink: Sink, tmp_path: Path) -> None:
    run(
        f"""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
        import ffe_otel
        first = ffe_otel.install()
        first.uninstall()
        assert provider._active_span_processor._span_processors == ()
        handle = ffe_otel.install()
        with ffe_otel.cycle():
            with trace.get_tracer("engine").start_as_current_span("engine.work") as span:
                span.set_attribute("note", "{SECRET}")
        handle.uninstall()
        """,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    spans = {s.name: s for s in sink.spans()}
    assert set(spans) == {"ffe.cycle", "engine.work"}
    assert spans["engine.work"].parent_span_id == spans["ffe.cycle"].span_id
    assert not [path for path, body in sink.bodies if SECRET.encode() in body]


def test_the_metrics_page_makes_way_for_the_engine_s_port(tmp_path: Path) -> None:
    done = run(
        """
        import socket, urllib.request
        import ffe_otel
        handle = ffe_otel.install()
        page = handle.page
        before = page.port
        with socket.socket() as engine:
            engine.bind(("127.0.0.1", before))
            engine.listen()
            assert page.port != before
            text = urllib.request.urlopen(page.address, timeout=5).read().decode()
            assert "process_resident_memory_bytes" in text
        original = "bind" in vars(socket.socket)
        handle.uninstall()
        assert original and "bind" not in vars(socket.socket)
        print("made way")
        """,
        tmp_path,
        OTEL_TRACES_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
    )
    assert "made way" in done.stdout


def test_an_unknown_exporter_is_named_and_the_others_are_used(sink: Sink, tmp_path: Path) -> None:
    done = run(
        CYCLE,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_TRACES_EXPORTER="jaeger",
        OTEL_LOGS_EXPORTER="otpl,otlp",
    )
    assert done.stderr.count("OTEL_TRACES_EXPORTER: nothing that is installed is called") == 1
    assert done.stderr.count("OTEL_LOGS_EXPORTER: nothing that is installed is called") == 1
    assert {span.name for span in sink.spans()} == {"ffe.cycle", "ffe.phase.perception"}
    assert sink.logs()
