# SPDX-License-Identifier: Apache-2.0
"""Text that is no valid Unicode, wherever it comes in, breaks no way out."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
import threading

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from prometheus_client.parser import text_string_to_metric_families

import ffe_otel
from ffe_otel import testing

SHOWN = "caf\\udce9"
BAD = "caf\udce9"


def observe(handle, bad):
    """Everything that takes a text of the engine's, once."""
    tracer = handle.tracer_provider.get_tracer(f"scope {bad}", bad)
    link = Link(SpanContext(1, 1, is_remote=True), {f"key {bad}": bad})
    attributes = {f"key {bad}": bad, "many": [bad, "x"], "short": bad[-1]}
    with tracer.start_as_current_span(f"span {bad}", attributes=attributes, links=[link]) as span:
        span.add_event(f"event {bad}", {f"key {bad}": bad})
        span.record_exception(ValueError(bad))
        span.set_status(Status(StatusCode.ERROR, bad))
    meter = handle.meter_provider.get_meter(f"meter {bad}", bad)
    counter = meter.create_counter("ffe.odd", description=f"about {bad}")
    counter.add(1, {"label": bad, f"key {bad}": "x", "short": bad[-1]})
    with_name = threading.Thread(
        target=lambda: logging.getLogger(f"engine {bad}").warning(
            "said %s", bad, extra={f"key {bad}": bad, "deep": {bad: [bad]}, "short": bad[-1]}
        ),
        name=f"thread {bad}",
    )
    with_name.start()
    with_name.join()
    with ffe_otel.cycle([f"BTC {bad}"]):
        pass


@pytest.fixture
def installed(tmp_path):
    config = testing.quiet_config(tmp_path)
    telemetry = dataclasses.replace(config.telemetry, environment=BAD)
    log = dataclasses.replace(config.logging.outputs.file, enabled=True)
    outputs = dataclasses.replace(config.logging.outputs, file=log, console=False, otlp=True)
    logs = dataclasses.replace(config.logging, outputs=outputs)
    spans, records = InMemorySpanExporter(), InMemoryLogRecordExporter()
    reader = InMemoryMetricReader()
    handle = ffe_otel.install(
        dataclasses.replace(config, telemetry=telemetry, logging=logs),
        span_exporter=spans,
        log_exporter=records,
        metric_reader=reader,
        hooks=False,
        set_global=False,
    )
    yield handle, spans, records, reader
    handle.uninstall()


def test_what_exporters_get_encodes(installed, tmp_path):
    handle, spans, records, reader = installed
    observe(handle, BAD)
    handle.flush()
    for encoded in (
        encode_spans(spans.get_finished_spans()),
        encode_logs(records.get_finished_logs()),
        encode_metrics(reader.get_metrics_data()),
    ):
        text = str(encoded)
        assert r"caf\\udce9" in text
    assert len(spans.get_finished_spans()) == 2
    (span,) = [s for s in spans.get_finished_spans() if s.name == f"span {SHOWN}"]
    assert dict(span.attributes) == {
        f"key {SHOWN}": SHOWN,
        "many": (SHOWN, "x"),
        "short": "\\udce9",
    }
    (line,) = [json.loads(each) for each in (tmp_path / "logs/ffe.log").read_text().splitlines()]
    assert line["message"] == f"said {SHOWN}"
    assert line[f"key {SHOWN}"] == SHOWN


PAGE = """
import sys, urllib.request, ffe_otel
from opentelemetry import metrics
from prometheus_client import REGISTRY, generate_latest
bad = "caf\\udce9 \\0 x"
handle = ffe_otel.install(hooks=False)
for name in ("ffe_otel", "engine " + bad):
    counter = metrics.get_meter(name, bad).create_counter("odd", description="about " + bad)
    counter.add(1, {"label": bad, "short": "\\0", bad: "x", "nine": "\\udce9"})
page = urllib.request.urlopen(handle.page.address, timeout=10).read()
sys.stdout.buffer.write(page + b"#####" + generate_latest(REGISTRY))
handle.uninstall()
"""


def run(program, tmp_path, **env):
    script = tmp_path / "program.py"
    script.write_text(program)
    quiet = {
        "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
        "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        # As a shell hands bytes on that are no UTF-8.
        "FFE_OTEL__TELEMETRY__ENVIRONMENT": "caf\udce9",
        "OTEL_RESOURCE_ATTRIBUTES": "place=caf\udce9",
    }
    return subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | quiet | env,
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=True,
    ).stdout


def test_the_metrics_page_and_the_engine_s_own(tmp_path):
    ours, _, engine_s = run(PAGE, tmp_path).decode().partition("#####")
    for page in (ours, engine_s):
        assert "\0" not in page
        (family,) = [f for f in text_string_to_metric_families(page) if f.name.startswith("odd")]
        (labels,) = [s.labels for s in family.samples if s.name == "odd_total"]
        assert labels["label"] == "caf\\udce9 \\x00 x"
        assert (labels["short"], labels["nine"]) == ("\\x00", "\\udce9")
        (info,) = [f for f in text_string_to_metric_families(page) if f.name.startswith("target")]
        assert info.samples[0].labels["place"] == SHOWN


CONSOLE = """
import logging, ffe_otel
from opentelemetry import metrics, trace
bad = "caf\\udce9"
handle = ffe_otel.install(hooks=False)
with trace.get_tracer(bad).start_as_current_span("span " + bad, attributes={bad: bad}):
    logging.getLogger(bad).warning(bad, extra={bad: bad})
metrics.get_meter(bad).create_counter("odd").add(1, {bad: bad})
handle.uninstall()
"""


def test_the_console(tmp_path):
    shown = run(
        CONSOLE,
        tmp_path,
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="console",
        OTEL_LOGS_EXPORTER="console",
    ).decode()
    assert f"span {SHOWN}".replace("\\", "\\\\") in shown
    assert '"odd"' in shown
    assert "\\\\udce9" in shown
