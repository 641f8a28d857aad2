# SPDX-License-Identifier: Apache-2.0
"""What goes through the spool and what does not. Real processes."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from otlp_sink import attributes
from programs import run

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

PROGRAM = """
import ffe_otel
handle = ffe_otel.install()
with ffe_otel.cycle():
    pass
"""


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in tmp_path.glob("spool/*"))


@pytest.mark.parametrize(
    ("environment", "spooled"),
    [
        ({}, ["logs", "metrics", "traces"]),
        ({"FFE_OTEL__SPOOL__ENABLED": "false"}, []),
        ({"OTEL_LOGS_EXPORTER": "console"}, ["metrics", "traces"]),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, ["traces"]),
    ],
)
def test_otlp_goes_through_the_spool(
    tmp_path: Path, sink: Sink, environment: dict[str, str], spooled: list[str]
) -> None:
    run(
        PROGRAM,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__STATE_DIR=str(tmp_path),
        **environment,
    )
    assert [span.name for span in sink.spans()] == ["ffe.cycle"]
    assert folders(tmp_path) == spooled
    assert list(tmp_path.rglob("*.spool")) == []


def test_two_otlp_exporters_have_a_spool_each(tmp_path: Path, sink: Sink) -> None:
    pytest.importorskip("grpc")
    run(
        PROGRAM,
        tmp_path,
        OTEL_TRACES_EXPORTER="otlp,otlp_proto_grpc",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__STATE_DIR=str(tmp_path),
    )
    assert [span.name for span in sink.spans()] == ["ffe.cycle"]
    assert folders(tmp_path).count("traces") == 2
    # The sink does not speak gRPC.
    assert len(list(tmp_path.rglob("traces-*/*/*.spool"))) == 1


def test_nothing_secret_is_in_the_spool(tmp_path: Path) -> None:
    secret = "sk-" + "made-up-for-the-test-0123456789"
    run(
        f"""
        import logging, ffe_otel
        from opentelemetry import trace
        handle = ffe_otel.install()
        tracer = trace.get_tracer("engine")
        with tracer.start_as_current_span("visible", attributes={{"password": "{secret}"}}):
            logging.getLogger("engine").warning("password={secret}")
        """,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        FFE_OTEL__STATE_DIR=str(tmp_path),
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*.spool"))
    assert b"visible" in stored
    assert secret.encode() not in stored


def test_what_is_logged_last_reaches_the_spool_of_each_log_exporter(tmp_path: Path) -> None:
    pytest.importorskip("grpc")
    run(
        """
        import atexit, logging, ffe_otel
        # Registered before ours, so it runs after the providers were shut down.
        atexit.register(lambda: logging.getLogger("engine").warning("the very last line"))
        handle = ffe_otel.install()
        logging.getLogger("engine").warning("an earlier line")
        """,
        tmp_path,
        OTEL_LOGS_EXPORTER="otlp,otlp_proto_grpc",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        FFE_OTEL__STATE_DIR=str(tmp_path),
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    spools = list((tmp_path / "spool").glob("logs-*"))
    assert len(spools) == 2
    for spool in spools:
        stored = b"".join(path.read_bytes() for path in spool.rglob("*.spool"))
        assert stored.count(b"an earlier line") == 1
        assert stored.count(b"the very last line") == 1


def test_a_log_provider_that_the_engine_sets_later_takes_nothing_away(
    tmp_path: Path, sink: Sink
) -> None:
    secret = "sk-" + "made-up-for-the-test-0123456789"
    done = run(
        f"""
        import logging, ffe_otel
        handle = ffe_otel.install()

        from opentelemetry import _logs
        from opentelemetry.instrumentation.logging.handler import LoggingHandler
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import (
            LogRecordExporter, LogRecordExportResult, SimpleLogRecordProcessor,
        )

        class Exporter(LogRecordExporter):
            def export(self, batch):
                for data in batch:
                    print(data.log_record.body)
                return LogRecordExportResult.SUCCESS

            def shutdown(self, **_):
                pass

            def force_flush(self, timeout_millis=0):
                return True

        own = LoggerProvider()
        own.add_log_record_processor(SimpleLogRecordProcessor(Exporter()))
        logging.getLogger("opentelemetry").setLevel("ERROR")  # it says that ours stays
        _logs.set_logger_provider(own)
        log = logging.getLogger("engine")
        log.addHandler(LoggingHandler(logger_provider=own))
        log.warning("log in with password={secret}")
        """,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    [own] = done.stdout.splitlines()
    [ours] = [record.body.string_value for record in sink.logs() if not record.event_name]
    assert own == ours
    assert ours.startswith("log in with password=")
    assert secret not in ours


def test_log_records_in_the_spool_keep_to_the_asked_length(tmp_path: Path, sink: Sink) -> None:
    program = """
    import logging, ffe_otel
    handle = ffe_otel.install()
    log = logging.getLogger("engine")
    log.setLevel("INFO")
    log.info("long", extra={"note": "ab " * 100, "deep": {"in": "cd " * 100}})
    log.info("short", extra={"note": "ab"})
    """
    run(
        program,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__STATE_DIR=str(tmp_path),
        OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT="30",
    )
    found = {record.body.string_value: attributes(record) for record in sink.logs()}
    assert found["short"]["note"] == "ab"
    assert len(found["long"]["note"]) == 30
    assert "cd " * 11 not in str(found["long"]["deep"])


JUMPED = """
import time
unix = {"time": time.time, "time_ns": time.time_ns}
time.time = lambda: unix["time"]() + DAYS * 86400
time.time_ns = lambda: unix["time_ns"]() + DAYS * 86400 * 10**9
"""


@pytest.mark.parametrize("days", [8, -8])
def test_what_waits_survives_a_clock_that_jumps(tmp_path: Path, sink: Sink, days: int) -> None:
    program = textwrap.dedent(PROGRAM)
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "FFE_OTEL__STATE_DIR": str(tmp_path),
        "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
    }
    sink.down()
    run(program, tmp_path, **environment)
    run(JUMPED.replace("DAYS", str(days)) + program, tmp_path, **environment)
    sink.up()
    run(JUMPED.replace("DAYS", str(2 * days)) + program, tmp_path, **environment)
    assert [span.name for span in sink.spans()] == ["ffe.cycle"] * 3
