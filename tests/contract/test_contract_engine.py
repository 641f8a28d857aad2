# SPDX-License-Identifier: Apache-2.0
"""The same hooks on the real engine, as its users have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ffe_otel import semconv

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from otlp_sink import Sink, attributes, running  # noqa: E402 - shared with the end-to-end tests

ENGINE = os.environ["FFE_ENGINE_SRC"]
# This checkout comes first, whatever the engine's environment has installed.
PYTHONPATH = os.pathsep.join([ENGINE, str(HERE), str(HERE.parents[1])])
INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
OWN_ROOTS = {
    semconv.SPAN_CYCLE,
    semconv.SPAN_AGENT_RUN,
    semconv.SPAN_RECOVERY,
    semconv.SPAN_MONITOR,
}
ERROR = 2


@pytest.fixture
def sink():
    with running() as found:
        yield found


def start(tmp_path: Path, command: list[Any], **variables: str) -> Any:
    """Run a command beside the engine; returns the JSON of its last line."""
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | {"PYTHONPATH": PYTHONPATH} | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stderr[-4000:]
    return json.loads(lines[-1])


def run_engine(tmp_path: Path, sink: Sink, *arguments: object) -> dict[str, Any]:
    """Run the instrumented engine; returns what it did."""
    # The engine's requirements may bring OpenTelemetry's own distribution along.
    chosen = {"OTEL_PYTHON_DISTRO": "ffe_otel", "OTEL_PYTHON_CONFIGURATOR": "ffe_otel"}
    return start(
        tmp_path,
        [INSTRUMENT, "--", sys.executable, HERE / "engine_run.py", *arguments],
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__METRICS__PROMETHEUS__PORT="0",
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
        **chosen,
    )


def test_every_hook_finds_its_target_and_gives_it_back(tmp_path):
    report = start(tmp_path, [sys.executable, HERE / "engine_hooks.py"])

    wrong = {
        name: status
        for name, status in report.items()
        if status["state"] != "patched"
        or status["detail"]
        or not status["stays_async"]
        or not status["given_back"]
    }
    assert wrong == {}


def check_traces(sink: Sink, engine: dict[str, Any]) -> dict[bytes, Any]:
    """What holds for every run; returns the cycles by trace id."""
    spans = sink.spans()
    ids = {span.span_id for span in spans}
    roots = [span for span in spans if not span.parent_span_id]
    cycles = {span.trace_id: span for span in roots if span.name == semconv.SPAN_CYCLE}
    assert len(ids) == len(spans), "a span was sent twice"
    assert {span.name for span in roots} <= OWN_ROOTS
    assert [s.name for s in spans if s.parent_span_id and s.parent_span_id not in ids] == []
    assert [s.name for s in spans if attributes(s).get(semconv.ABORTED)] == []
    assert len(cycles) == engine["begun"] > 0
    calls = [span for span in spans if attributes(span).get(semconv.GEN_AI_OPERATION)]
    assert {span.trace_id for span in calls} <= set(cycles)
    assert semconv.OTEL_HOOK_ERRORS.name not in sink.metric_names()
    return cycles


def test_eight_debates_are_eight_traces_with_their_calls(tmp_path, sink):
    engine = run_engine(tmp_path, sink, 8, "debate")

    assert engine["begun"] == engine["completed"] == 8
    cycles = check_traces(sink, engine)
    spans = sink.spans()
    for trace_id, cycle in cycles.items():
        phases = {
            attributes(span)[semconv.LLM_PHASE]
            for span in spans
            if span.trace_id == trace_id and span.name.startswith("chat ")
        }
        assert phases >= {"pre_reason", "bull", "bear", "judge"}
        assert attributes(cycle)[semconv.LLM_TOKENS] > 0
    outcomes = {attributes(cycle)[semconv.CYCLE_OUTCOME] for cycle in cycles.values()}
    assert {"executed", "rejected"} <= outcomes
    denied = {
        (span.trace_id, attributes(span)[semconv.RISK_REASON_CODE])
        for span in spans
        if span.name == semconv.SPAN_RISK_CHECK
        and attributes(span)[semconv.RISK_VERDICT] == "rejected"
    }
    assert "leverage" in {code for _, code in denied}
    for trace_id, cycle in cycles.items():
        if attributes(cycle)[semconv.CYCLE_OUTCOME] == "rejected":
            assert (trace_id, attributes(cycle)[semconv.CYCLE_REASON]) in denied
    trades = [attributes(span) for span in spans if span.name == semconv.SPAN_TRADE_EXECUTE]
    assert all(trade[semconv.TRADE_ORDER_ID] for trade in trades)
    closed = [span for span in spans if span.name == semconv.SPAN_TRADE_OUTCOME]
    # The engine notices a close in the cycle after it, so the last may be missing.
    assert 0 < len(closed) <= sum(trade[semconv.TRADE_ACTION] == "SELL" for trade in trades)


ABOUT_AN_ASSET = {
    "Analyzing asset: ",
    "Retrieved ",
    "Council summary for ",
    "Trade for ",
    "Routing trade for ",
    "Trade execution succeeded for ",
}


def test_log_records_of_concurrent_assets_are_told_apart(tmp_path, sink):
    engine = run_engine(tmp_path, sink, 3, "debate")

    cycles = check_traces(sink, engine)
    told = set()
    for record in sink.logs():
        message, fields = record.body.string_value, attributes(record)
        if record.event_name or record.trace_id not in cycles:
            continue
        assert fields[semconv.AGENT_STATE] in semconv.AGENT_STATES
        named = [pair for pair in ("BTCUSD", "ETHUSD") if pair in message.replace("-", "")]
        about = fields.get(semconv.ASSET_PAIR)
        begins = next((start for start in ABOUT_AN_ASSET if message.startswith(start)), None)
        if begins is not None and len(named) == 1:
            assert about == named[0], message
            told.add(begins)
        elif len(named) == 1:
            assert about in {None, named[0]}, message
        if message.startswith(("Transitioning ", "Proceeding to ", "Cycle phase ")):
            assert about is None, message
    assert told == ABOUT_AN_ASSET


def test_the_venue_has_one_name(tmp_path, sink):
    run_engine(tmp_path, sink, 4, "debate")

    traded = [attributes(s) for s in sink.spans() if semconv.TRADE_PLATFORM in attributes(s)]
    events = [attributes(e) for e in sink.logs() if e.event_name == semconv.EVENT_TRADE]
    assert {span[semconv.TRADE_PLATFORM] for span in traded} == {"paper"}
    assert {event["platform"] for event in events} == {"paper"}
    assert {event["action"] for event in events} >= {"BUY", "SELL", "CLOSE_LONG"}
    assert sink.labels("platform") == {"paper"}


@pytest.mark.parametrize("llm", ["local", "ensemble", "cli", "mock"])
def test_every_mode_gives_one_whole_trace_a_cycle(tmp_path, sink, llm):
    engine = run_engine(tmp_path, sink, 2, llm)

    assert engine["begun"] == 2
    cycles = check_traces(sink, engine)
    assert {cycle.status.code for cycle in cycles.values()} == {0}


@pytest.mark.parametrize("fault", ["coinbase_502", "ollama_503", "platform_error"])
def test_failures_that_the_engine_swallows_are_errors_of_their_cycle(tmp_path, sink, fault):
    engine = run_engine(tmp_path, sink, 2, "debate", fault)

    cycles = check_traces(sink, engine)
    assert {cycle.status.code for cycle in cycles.values()} == {ERROR}
    outcomes = {attributes(cycle)[semconv.CYCLE_OUTCOME] for cycle in cycles.values()}
    assert outcomes == {"failed"}


def test_the_kill_switch_is_seen(tmp_path, sink):
    engine = run_engine(tmp_path, sink, 3, "debate", "kill_switch")

    (cycle,) = check_traces(sink, engine).values()
    assert attributes(cycle)[semconv.CYCLE_OUTCOME] == "stopped"
    assert attributes(cycle)[semconv.CYCLE_REASON] == "kill_switch"


def test_the_engine_s_metrics_page_loses_no_family(tmp_path, sink):
    (tmp_path / "plain").mkdir()
    (tmp_path / "instrumented").mkdir()
    command = [sys.executable, HERE / "engine_run.py", 2, "debate"]
    plain = start(tmp_path / "plain", command)
    instrumented = run_engine(tmp_path / "instrumented", sink, 2, "debate")

    assert "ffe_decisions_created" in plain["families"]
    assert set(plain["families"]) <= set(instrumented["families"])
