# SPDX-License-Identifier: Apache-2.0
"""Log records of assets that are worked on at the same time can be told apart."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

ASSETS = ("AAPL", "MSFT")
# Logged by the agent between two calls that hooks see, or about all that is held.
OUT_OF_REACH = re.compile(
    ">>> Starting analysis|Skipping |Holding |Decision to |Learning handoff|Portfolio breakdown"
)


@pytest.fixture(autouse=True)
def _log_everything(caplog) -> None:
    caplog.set_level(logging.INFO)


def records(engine) -> Iterator[tuple[str, dict[str, Any]]]:
    """Messages and attributes of the log records of all cycles."""
    cycles = {cycle.root.context.trace_id for cycle in engine.cycles}
    for record in engine.telemetry.logs:
        if record.log_record.trace_id in cycles:
            yield str(record.log_record.body), dict(record.log_record.attributes or {})


def named(message: str) -> list[str]:
    return [asset for asset in ASSETS if re.search(rf"\b{asset}\b", message)]


@pytest.mark.parametrize("llm", ["debate", "ensemble", "cli"])
def test_a_record_that_names_an_asset_is_about_it(run_engine, llm):
    engine = run_engine(cycles=4, llm=llm, assets=ASSETS)

    wrong, seen = [], set()
    for message, fields in records(engine):
        found = named(message)
        if len(found) == 1 and not OUT_OF_REACH.search(message):
            seen.add(message.split()[0])
            if fields.get(semconv.ASSET_PAIR) != found[0]:
                wrong.append((message, fields.get(semconv.ASSET_PAIR)))
    assert wrong == []
    assert {"Analyzing", "Fetching", "Retrieved", "Trade"} <= seen


def test_a_record_that_names_no_asset_is_about_none_of_several(run_engine):
    engine = run_engine(cycles=4, llm="debate", assets=ASSETS)

    general = re.compile("State: |Transitioning |Proceeding |No |Cycle phase durations")
    about = {f.get(semconv.ASSET_PAIR) for m, f in records(engine) if general.match(m)}
    assert about == {None}


def test_what_is_said_of_a_decision_carries_its_id(run_engine):
    engine = run_engine(cycles=4, llm="debate", assets=ASSETS)

    trades = [t for cycle in engine.cycles for t in cycle.named(semconv.SPAN_TRADE_EXECUTE)]
    ids = {t.attributes[semconv.DECISION_ID] for t in trades}
    told: dict[str, set[Any]] = {}
    for message, fields in records(engine):
        told.setdefault(message.split(" for ")[0], set()).add(fields.get(semconv.DECISION_ID))
    assert len(ids) > 1
    assert told["Trade execution succeeded"] == ids
    assert told["Routing trade"] == ids
    approved = {
        f.get(semconv.DECISION_ID) for m, f in records(engine) if "approved by RiskGatekeeper" in m
    }
    assert approved == ids


def test_a_failed_analysis_is_told_with_its_asset(run_engine):
    engine = run_engine(cycles=2, llm="ensemble", assets=ASSETS, faults=["llm_down"])

    failed = [(m, f) for m, f in records(engine) if "providers failed" in m]
    assert {m.split()[0] for m, _ in failed} >= {"RuntimeError:", "Analysis"}
    said = {(m.split()[0], f.get(semconv.ASSET_PAIR)) for m, f in failed}
    assert {("RuntimeError:", asset) for asset in ASSETS} <= said
    assert {("Analysis", asset) for asset in ASSETS} <= said


def test_every_record_of_a_cycle_says_what_state_the_agent_is_in(run_engine):
    engine = run_engine(cycles=2, llm="debate")

    states = {}
    for message, fields in records(engine):
        state = fields.get(semconv.AGENT_STATE)
        assert state in semconv.AGENT_STATES, message
        states[message.split(" (")[0]] = state
    assert states["Cycle phase durations"] == "IDLE"
    assert states["Transitioning IDLE -> PERCEPTION"] == "IDLE"
    assert states["Transitioning RISK_CHECK -> EXECUTION"] == "RISK_CHECK"


def test_a_rejected_decision_ends_with_its_rejection(start_engine):
    engine = start_engine(cycles=2, assets=ASSETS)
    engine.agent.config.max_leverage = 0.0001
    engine.run()

    rejected = [(m, f) for m, f in records(engine) if " is rejected: " in m]
    assert rejected
    for message, fields in rejected:
        assert [fields[semconv.ASSET_PAIR]] == named(message)
        assert fields[semconv.DECISION_ID]
    ended = [f for m, f in records(engine) if m.startswith("No decisions approved")]
    assert ended
    assert not any(semconv.ASSET_PAIR in f or semconv.DECISION_ID in f for f in ended)


def test_what_is_logged_in_a_filter_is_about_the_filtered_decision(start_engine):
    engine = start_engine(assets=ASSETS)
    engine.agent.config.min_confidence_threshold = 1.1
    engine.run()

    skipped = [f for m, f in records(engine) if m.startswith("Skipping trade due to Low")]
    assert {f.get(semconv.ASSET_PAIR) for f in skipped} == set(ASSETS)
    assert len({f.get(semconv.DECISION_ID) for f in skipped}) == len(skipped)


def test_the_subject_of_an_analysis_ends_with_it(start_engine, caplog):
    """Outside a cycle nobody has a task of their own for an asset."""
    engine = start_engine(assets=ASSETS)
    logger = logging.getLogger("finance_feedback_engine.test")

    async def one_after_the_other():
        for asset in ASSETS:
            await engine.session.engine.analyze_asset_async(asset)
            logger.info("done")

    asyncio.run(one_after_the_other())

    done = [r.log_record for r in engine.telemetry.logs if r.log_record.body == "done"]
    assert len(done) == len(ASSETS)
    assert not any(semconv.ASSET_PAIR in (r.attributes or {}) for r in done)


def test_a_closed_trade_is_logged_with_its_asset(run_engine):
    engine = run_engine(cycles=25, llm="debate", assets=("AAPL",))

    told: dict[str, set[Any]] = {}
    for record in engine.telemetry.logs:
        start = " ".join(str(record.log_record.body).split()[:2])
        fields = record.log_record.attributes or {}
        told.setdefault(start, set()).add(fields.get(semconv.ASSET_PAIR))
    for start in ("Recorded trade", "Trade completed:", "Updated performance"):
        assert told[start] == {"AAPL"}


def test_a_trade_that_a_tracker_completes_is_logged_with_its_asset(start_engine):
    engine = start_engine()
    trade = {
        "trade_id": "t-1",
        "product_id": "BTC-USD",
        "asset_pair": None,
        "decision_id": "d-1",
        "realized_pnl": 1.0,
        "holding_duration_hours": 0.1,
    }

    engine.session.monitor._on_trade_completed(trade)

    (record,) = (r for r in engine.telemetry.logs if "Trade completed" in str(r.log_record.body))
    fields = record.log_record.attributes or {}
    assert fields[semconv.ASSET_PAIR] == "BTCUSD"
    assert fields[semconv.DECISION_ID] == "d-1"


def test_log_records_say_which_decision_they_are_about(run_engine):
    engine = run_engine(assets=("AAPL",))

    cycle = engine.cycles[0]
    decision = cycle.one("ffe.trade.execute").attributes[semconv.DECISION_ID]
    by_span = {span.context.span_id: span.name for span in cycle.spans}
    fields = {
        by_span[record.log_record.span_id]: dict(record.log_record.attributes or {})
        for record in engine.telemetry.logs
        if record.log_record.span_id in by_span
    }
    assert fields["ffe.phase.reasoning"][semconv.AGENT_STATE] == "REASONING"
    assert fields["ffe.phase.execution"][semconv.AGENT_STATE] == "EXECUTION"
    assert fields["ffe.trade.execute"][semconv.ASSET_PAIR] == "AAPL"
    assert fields["ffe.trade.execute"][semconv.DECISION_ID] == decision
    assert semconv.DECISION_ID not in fields["ffe.phase.learning"]
