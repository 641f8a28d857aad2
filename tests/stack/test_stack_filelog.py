# SPDX-License-Identifier: Apache-2.0
"""Agents that only write files: their lines arrive as the records they would have sent."""

import json
import subprocess
import sys

import pytest
from otlp_sink import attributes
from stack_server import until

PROGRAM = """
import logging, sys
import ffe_otel
from ffe_otel.config import load_config
handle = ffe_otel.install(load_config().config)
log = logging.getLogger("engine.trading")
log.warning("outside of a cycle")
with ffe_otel.cycle(["BTCUSD"]):
    extra = {"platform": "paper", "count": 3, "api_key": "abc123def456"}
    log.warning("slippage of %s", 0.2, extra=extra)
    try:
        raise ValueError("no price")
    except ValueError:
        log.exception("failed")
handle.uninstall()
"""


@pytest.fixture
def written(tmp_path):
    """What our own capture writes into a file, with nobody to send to."""
    (tmp_path / "ffe_otel.yaml").write_text(f"""
state_dir: {tmp_path}
logging:
  outputs: {{console: false, otlp: false, file: {{enabled: true, path: {tmp_path}/ffe.log}}}}
metrics: {{prometheus: {{enabled: false}}}}
""")
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, check=True, timeout=60)
    return tmp_path / "ffe.log"


def test_lines_become_records(written, make_collector, sink):
    env = {"FFE_SERVE_OTLP": sink.url, "FFE_AGENT_LOGS": str(written.parent / "*.log")}
    collector = make_collector("filelog", env=env).run()
    lines = {line["message"]: line for line in map(json.loads, written.read_text().splitlines())}
    until(lambda: {"failed", "slippage of 0.2"} <= {r.body.string_value for r in sink.logs()})
    records = {record.body.string_value: record for record in sink.logs()}

    line, record = lines["slippage of 0.2"], records["slippage of 0.2"]
    assert (record.severity_number, record.severity_text) == (13, "WARN")
    assert record.trace_id.hex() == line["trace_id"]
    assert record.span_id.hex() == line["span_id"]
    assert abs(record.time_unix_nano / 1e9 - _epoch(line["timestamp"])) < 1e-6
    found = attributes(record)
    assert found["code.function.name"] == line["function"]
    assert found["code.line.number"] == line["line"]
    assert (found["platform"], found["count"]) == ("paper", 3)
    assert found["api_key"] == "[redacted:api-key]"
    assert found["log.file.name"] == "ffe.log"
    assert not {"timestamp", "level", "logger", "message", "trace_id", "span_id"} & set(found)

    failed = records["failed"]
    assert attributes(failed)["exception.type"] == "ValueError"
    assert attributes(failed)["exception.message"] == "no price"
    assert failed.severity_number == 17
    outside = records["outside of a cycle"]
    assert (outside.trace_id, outside.span_id) == (b"", b"")
    assert "correlation_id" not in attributes(outside)

    count = len(sink.logs())
    collector.kill()
    with written.open("a") as file:
        file.write("no JSON, password=hunter2-of-the-file\n")
    collector.run()
    until(lambda: any("no JSON" in r.body.string_value for r in sink.logs()))
    # Nothing is read twice, and the Collector redacts what nobody did before.
    assert len(sink.logs()) == count + 1
    assert b"hunter2-of-the-file" not in sink.everything()


def _epoch(text):
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
