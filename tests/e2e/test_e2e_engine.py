# SPDX-License-Identifier: Apache-2.0
"""``opentelemetry-instrument python -m finance_feedback_engine``, judged by its OTLP bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from finance_feedback_engine.simulation import faults
from otlp_sink import attributes

from ffe_otel import semconv

if TYPE_CHECKING:
    from otlp_sink import Sink

BIN = Path(sys.executable).parent
CYCLES = 5
OWN_ROOTS = {
    semconv.SPAN_CYCLE,
    semconv.SPAN_AGENT_RUN,
    semconv.SPAN_RECOVERY,
    semconv.SPAN_MONITOR,
}
ERROR = 2
CASES = [(mode, "none") for mode in ("local", "ensemble", "debate", "cli")] + [
    ("debate", fault) for fault in faults.FAULTS if fault != "none"
]


def run_engine(sink: Sink, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Run the engine instrumented; returns its own account of the run."""
    summary = tmp_path / "summary.json"
    env = os.environ | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
        "FFE_DEMO_LLM_LATENCY": "0.002",
        "FFE_DEMO_DATA_LATENCY": "0",
    }
    done = subprocess.run(
        [
            BIN / "opentelemetry-instrument",
            sys.executable,
            "-m",
            "finance_feedback_engine",
            "--interval",
            "0",
            "--summary-json",
            str(summary),
            *arguments,
        ],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert summary.exists(), done.stderr[-4000:]
    found: dict[str, Any] = json.loads(summary.read_text())
    return found


@pytest.mark.parametrize(("mode", "fault"), CASES)
def test_every_cycle_is_one_whole_trace(sink: Sink, tmp_path: Path, mode: str, fault: str) -> None:
    assets = "AAPL" if mode == "cli" else "AAPL,MSFT"  # each call there is a process
    engine = run_engine(
        sink,
        tmp_path,
        *("--cycles", str(CYCLES), "--assets", assets, "--llm", mode, "--fault", fault),
    )
    spans = sink.spans()
    by_id = {span.span_id: span for span in spans}
    roots = [s for s in spans if not s.parent_span_id]
    cycles = [s for s in roots if s.name == semconv.SPAN_CYCLE]

    assert len(by_id) == len(spans), "a span was sent twice"
    assert len(cycles) == engine["cycles_begun"] > 0
    assert len({s.trace_id for s in cycles}) == len(cycles)
    assert {s.name for s in roots} <= OWN_ROOTS
    orphans = [s.name for s in spans if s.parent_span_id and s.parent_span_id not in by_id]
    assert orphans == []
    assert all(s.end_time_unix_nano >= s.start_time_unix_nano > 0 for s in spans)
    assert not [s.name for s in spans if attributes(s).get(semconv.ABORTED)]

    cycle_traces = {s.trace_id for s in cycles}
    calls = [s for s in spans if attributes(s).get(semconv.GEN_AI_OPERATION)]
    assert {s.trace_id for s in calls} <= cycle_traces
    if fault == "none":
        assert len(calls) == engine["llm_calls"] + engine["cli_calls"] > 0
    trades = [attributes(s) for s in spans if s.name == semconv.SPAN_TRADE_EXECUTE]
    filled = [t for t in trades if t.get(semconv.TRADE_SUCCESS)]
    assert len(filled) == engine["trades_executed"]


@pytest.mark.parametrize(
    "fault", ["data_502", "data_429", "llm_down", "failing_provider", "platform_error"]
)
def test_errors_stand_on_the_cycles_that_had_them(sink: Sink, tmp_path: Path, fault: str) -> None:
    engine = run_engine(sink, tmp_path, "--cycles", str(CYCLES), "--fault", fault)
    cycles = {s.trace_id: s for s in sink.spans() if s.name == semconv.SPAN_CYCLE}
    failed_inside = {
        s.trace_id
        for s in sink.spans()
        if s.status.code == ERROR and s.name != semconv.SPAN_CYCLE and s.trace_id in cycles
    }
    marked = {t for t, s in cycles.items() if s.status.code == ERROR}
    assert failed_inside
    assert failed_inside <= marked
    assert engine["errors"] > 0


def test_log_records_carry_the_ids_of_their_cycle(sink: Sink, tmp_path: Path) -> None:
    run_engine(sink, tmp_path, "--cycles", "2", "--llm", "local")
    cycles = {s.trace_id for s in sink.spans() if s.name == semconv.SPAN_CYCLE}
    inside = [r for r in sink.logs() if r.trace_id in cycles and not r.event_name]
    assert {r.trace_id for r in inside} == cycles
    lines = [
        json.loads(line)
        for line in (tmp_path / "state/ffe_otel/logs/ffe.log").read_text().splitlines()
    ]
    engine_records = [r for r in sink.logs() if not r.event_name]
    assert len(lines) == len(engine_records) > 0
    traced = [line for line in lines if line.get("trace_id")]
    assert {line["correlation_id"].replace("-", "") for line in traced} >= {
        trace_id.hex() for trace_id in cycles
    }


def test_the_sdk_can_be_switched_off(sink: Sink, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    engine = run_engine(sink, tmp_path, "--cycles", "1")
    assert engine["cycles_begun"] == 1
    assert sink.bodies == []
