# SPDX-License-Identifier: Apache-2.0
"""The capture as the distribution installs it: real configuration, real redaction."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import sys

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from ffe_otel.capture.logs import JSONFormatter, install_log_capture
from ffe_otel.config.model import Config, LogFile, Logging, LogOutputs
from ffe_otel.export.stats import ExportStats
from ffe_otel.redaction import Redactor, load_catalogue

KEY = "DEMOFAKEKEY01234"
URL = f"https://www.alphavantage.co/query?function=NEWS_SENTIMENT&apikey={KEY}&limit=5"
BEARER = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def redactor():
    return Redactor(load_catalogue())


@pytest.fixture
def install(tmp_path, redactor):
    """Install the capture with the given ``logging`` section."""
    running = []

    def begin(provider=None, **settings):
        config = Config(state_dir=str(tmp_path), logging=Logging(level="DEBUG", **settings))
        stats = ExportStats()
        capture = install_log_capture(config, redactor, provider, stats, dict)
        running.append(capture)
        return capture, stats

    yield begin
    for capture in running:
        capture()


def leak(logger):
    logger.warning("retrying %s", URL, extra={"headers": {"Authorization": f"Bearer {BEARER}"}})
    error = RuntimeError(f"password={KEY}")
    error.__cause__ = ConnectionError(f"502 for {URL}")
    logger.error("failed", exc_info=error)


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_reaches_file_or_console(install, logger, tmp_path, monkeypatch, form):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    capture, stats = install(format=form)
    leak(logger)
    capture()
    written = (tmp_path / "logs" / "ffe.log").read_text()
    for text in (written, terminal.getvalue()):
        assert "retrying" in text
        assert "[redacted:" in text
        assert KEY not in text
        assert BEARER not in text
    assert stats.snapshot().dropped == {}


def test_ids_survive_redaction(install, logger, tmp_path):
    capture, _ = install(outputs=LogOutputs(console=False))
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        logger.info("x")
    capture()
    line = json.loads((tmp_path / "logs" / "ffe.log").read_text())
    ids = span.get_span_context()
    assert line["trace_id"] == f"{ids.trace_id:032x}"
    assert line["correlation_id"].replace("-", "") == line["trace_id"]
    assert line["span_id"] == f"{ids.span_id:016x}"


def test_the_formatter_redacts(logger, redactor):
    target = io.StringIO()
    handler = logging.StreamHandler(target)
    handler.setFormatter(JSONFormatter(redactor))
    logger.addHandler(handler)
    logger.propagate = False
    leak(logger)
    assert len(target.getvalue().splitlines()) == 2
    assert KEY not in target.getvalue()
    assert BEARER not in target.getvalue()


def test_only_the_outputs_that_are_wanted(install, logger, tmp_path, capsys):
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    nothing = LogOutputs(console=False, file=LogFile(enabled=False), otlp=False)
    capture, _ = install(provider, outputs=nothing)
    logger.error("x")
    capture()
    assert list(tmp_path.iterdir()) == []
    assert exporter.get_finished_logs() == ()
    capture, _ = install(provider, outputs=dataclasses.replace(nothing, otlp=True))
    logger.error("y")
    capture()
    assert len(exporter.get_finished_logs()) == 1
    assert "ffe_otel" not in capsys.readouterr().err


def test_the_queue_is_watched_until_the_end(install, logger):
    capture, stats = install(outputs=LogOutputs(console=False))
    with capture._worker._delivering:
        logger.info("a")
        logger.info("b")
        assert stats.snapshot().queued["logs"] in {1, 2}
    capture()
    assert stats.snapshot().queued == {}


def test_late_records_reach_the_file_but_not_otlp(install, logger, tmp_path):
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    capture, stats = install(provider, outputs=LogOutputs(console=False))
    logger.info("in time")
    assert capture.close(10)
    assert capture.close(10)
    logger.info("late")
    lines = (tmp_path / "logs" / "ffe.log").read_text().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["in time", "late"]
    assert len(exporter.get_finished_logs()) == 1
    assert stats.snapshot().dropped == {("logs", "shutdown"): 1}


def test_two_captures_at_once_do_not_disturb_each_other(install, logger, tmp_path):
    before = logging.Logger.__dict__["callHandlers"]
    first, _ = install(outputs=LogOutputs(console=False, file=LogFile(path="first.log")))
    second, _ = install(outputs=LogOutputs(console=False, file=LogFile(path="second.log")))
    logger.info("both")
    second()
    logger.info("one")
    first()
    assert len((tmp_path / "first.log").read_text().splitlines()) == 2
    assert len((tmp_path / "second.log").read_text().splitlines()) == 1
    assert logging.Logger.__dict__["callHandlers"] is before
