# SPDX-License-Identifier: Apache-2.0
"""The agent's hooks: run, cycles, phases, transitions, and all the ways a cycle ends."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import pytest
from opentelemetry.trace import StatusCode

from ffe_otel import semconv

MODES = ("local", "ensemble", "debate", "cli")
OWN_ROOTS = {semconv.SPAN_CYCLE, semconv.SPAN_AGENT_RUN, semconv.SPAN_MONITOR}


@pytest.mark.parametrize("llm", MODES)
def test_each_cycle_is_one_trace_with_its_phases(run_engine, llm):
    engine = run_engine(cycles=3, llm=llm)

    assert len(engine.cycles) == engine.summary["cycles_begun"] == 3
    assert {trace.root.name for trace in engine.traces} <= OWN_ROOTS
    assert engine.telemetry.handle.runtime.abort_open() == 0
    assert engine.hook_failures == {}
    for number, cycle in enumerate(engine.cycles, 1):
        assert cycle.attributes[semconv.CYCLE_NUMBER] == number
        assert cycle.attributes[semconv.ASSET_PAIRS] == ("AAPL", "MSFT")
        assert cycle.attributes[semconv.AGENT_ID] == "agent-1"
        assert len(cycle.attributes[semconv.CYCLE_ID]) == 8
        for phase in ("perception", "reasoning"):
            span = cycle.one(semconv.SPAN_PHASE_PREFIX + phase)
            assert cycle.path(span) == [semconv.SPAN_CYCLE, span.name]
    first = engine.cycles[0]
    assert {f"ffe.phase.{phase}" for phase in semconv.PHASES} <= {s.name for s in first.spans}
    assert first.attributes[semconv.CYCLE_OUTCOME] == "executed"


def test_cycles_are_linked_to_the_run_they_are_part_of(run_engine):
    engine = run_engine(cycles=2)

    (run,) = (trace for trace in engine.traces if trace.root.name == semconv.SPAN_AGENT_RUN)
    for cycle in engine.cycles:
        (link,) = cycle.root.links
        assert link.context.span_id == run.root.context.span_id
        assert cycle.root.context.trace_id != run.root.context.trace_id


def test_the_engine_s_own_correlation_id_covers_the_run(run_engine, monkeypatch):
    name = "finance_feedback_engine.monitoring.logging_config"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(get_correlation_id=lambda: "whole-run"))

    engine = run_engine(cycles=2)

    ids = [cycle.attributes[semconv.RUN_CORRELATION_ID] for cycle in engine.cycles]
    assert ids == ["whole-run", "whole-run"]


def test_phases_and_transitions_are_measured(run_engine):
    engine = run_engine(cycles=1)

    states = {labels["state"] for labels in engine.labels(semconv.PHASE_DURATION)}
    assert states == {phase.upper() for phase in semconv.PHASES}
    moves = {(m["from"], m["to"]) for m in engine.labels(semconv.AGENT_TRANSITIONS)}
    assert moves == {
        ("IDLE", "RECOVERING"),
        ("RECOVERING", "PERCEPTION"),
        ("PERCEPTION", "REASONING"),
        ("REASONING", "RISK_CHECK"),
        ("RISK_CHECK", "EXECUTION"),
        ("EXECUTION", "LEARNING"),
        ("LEARNING", "IDLE"),
    }
    assert engine.value(semconv.AGENT_STATE_GAUGE) == semconv.AGENT_STATES["IDLE"]
    values = [e["state_value"] for e in engine.telemetry.events(semconv.EVENT_AGENT_STATE)]
    assert values == [semconv.AGENT_STATES[s] for s in (
        "RECOVERING", "PERCEPTION", "REASONING", "RISK_CHECK", "EXECUTION", "LEARNING", "IDLE",
    )]  # fmt: skip


def test_a_stopped_agent_begins_no_cycle(start_engine):
    engine = start_engine()

    assert asyncio.run(engine.agent.process_cycle()) is False
    assert engine.traces == []


def test_a_cycle_without_a_run_is_a_cycle_all_the_same(start_engine):
    engine = start_engine()

    async def one_cycle():
        engine.agent.is_running = True
        return await engine.agent.process_cycle()

    assert asyncio.run(one_cycle()) is True
    (cycle,) = engine.cycles
    assert cycle.root.links == ()


def test_the_kill_switch_stops_the_cycle_and_is_a_rejection(run_engine):
    engine = run_engine(cycles=5, faults=["kill_switch"])

    assert engine.summary["stop_reason"] == "kill_switch"
    *_, last = engine.cycles
    assert last.attributes[semconv.CYCLE_OUTCOME] == "stopped"
    assert last.attributes[semconv.CYCLE_REASON] == "kill_switch"
    assert engine.value(semconv.RISK_CHECK_RESULT, result="rejected", reason="kill_switch") == 1
    (veto,) = (event for event in last.root.events if event.name == "ffe.risk.veto")
    assert "current_streak=-" in veto.attributes[semconv.RISK_REASON]
    assert ("PERCEPTION", "IDLE") in {
        (m["from"], m["to"]) for m in engine.labels(semconv.AGENT_TRANSITIONS)
    }


def test_a_stop_from_outside_is_no_kill_switch(start_engine):
    engine = start_engine(cycles=3)

    async def gate(phase):
        if phase == "REASONING":
            asyncio.get_running_loop().call_soon(engine.agent.stop)
            await asyncio.sleep(0)

    engine.agent.phase_gate = gate
    engine.run()

    (cycle,) = engine.cycles
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "stopped"
    assert cycle.attributes[semconv.CYCLE_REASON] == "stop_requested"
    assert engine.value(semconv.RISK_CHECK_RESULT, reason="kill_switch") is None


def test_a_stop_after_the_last_phase_leaves_the_trade_the_outcome(start_engine):
    engine = start_engine(cycles=3)

    async def gate(phase):
        if phase == "LEARNING":
            asyncio.get_running_loop().call_later(0.05, engine.agent.stop)

    engine.agent.config.analysis_frequency_seconds = 30
    engine.agent.phase_gate = gate
    engine.run()

    (cycle,) = engine.cycles
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "executed"


def hang(engine):
    """Make reasoning hang; returns what is set once it does."""
    reached = asyncio.Event()

    async def gate(phase):
        if phase == "REASONING":
            reached.set()
            await asyncio.Event().wait()

    engine.agent.phase_gate = gate
    return reached


async def cancel_when_reached(engine, coroutine):
    reached = hang(engine)
    task = asyncio.create_task(coroutine)
    await reached.wait()
    task.cancel()
    return await task


def test_a_cancelled_cycle_ends_as_cancelled(start_engine):
    engine = start_engine()

    async def run():
        with pytest.raises(asyncio.CancelledError):
            await cancel_when_reached(engine, engine.agent.run())

    asyncio.run(run())

    (cycle,) = engine.cycles
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "cancelled"
    assert cycle.attributes[semconv.CYCLE_ERRORS] == 0
    assert cycle.one("ffe.phase.reasoning").status.description == "CancelledError"


def test_a_cancellation_that_the_engine_swallows_is_seen(start_engine):
    engine = start_engine()
    run_phases = engine.agent._run_phases

    async def swallow(span):
        try:
            return await run_phases(span)
        except asyncio.CancelledError:
            return False

    engine.agent._run_phases = swallow
    engine.agent.is_running = True

    async def run():
        return await cancel_when_reached(engine, engine.agent.process_cycle())

    assert asyncio.run(run()) is False
    (cycle,) = engine.cycles
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "cancelled"


def test_a_stuck_phase_fails_the_cycle_that_had_it(run_engine):
    engine = run_engine(cycles=3, faults=["stuck_phase"], phase_timeout=3.0)

    outcomes = [cycle.attributes[semconv.CYCLE_OUTCOME] for cycle in engine.cycles]
    assert outcomes[1] == "failed"
    assert [bool(cycle.failed) for cycle in engine.cycles] == [False, True, False]
    assert "TimeoutError" in engine.cycles[1].root.status.description


def test_a_phase_that_raises_is_an_error_of_its_cycle(start_engine):
    engine = start_engine()

    async def gate(phase):
        if phase == "EXECUTION":
            raise LookupError("no such order book")

    engine.agent.phase_gate = gate
    engine.run()

    cycle = engine.cycles[0]
    phases = cycle.named("ffe.phase.execution")
    assert {span.status.status_code for span in phases} == {StatusCode.ERROR}
    assert cycle.root.status.status_code is StatusCode.ERROR
    assert "no such order book" in cycle.root.status.description
    assert cycle.attributes[semconv.CYCLE_ERRORS] >= 1


def test_a_cycle_that_gives_up_without_an_exception_is_an_error(start_engine):
    engine = start_engine()

    async def give_up(_span):
        return False

    engine.agent._run_phases = give_up
    engine.run()

    assert engine.cycles[0].attributes[semconv.CYCLE_OUTCOME] == "failed"
    assert engine.cycles[0].root.status.status_code is StatusCode.ERROR


def test_cycles_that_fail_are_numbered_too(start_engine):
    engine = start_engine(cycles=4)
    run_phases, begun = engine.agent._run_phases, []

    async def fail_the_second_and_third(span):
        begun.append(span)
        return await run_phases(span) if len(begun) in {1, 4} else False

    engine.agent._run_phases = fail_the_second_and_third
    engine.agent.config.main_loop_error_backoff_seconds = 0.0
    engine.run()

    assert engine.agent._cycle_count == 2
    numbers = [cycle.attributes[semconv.CYCLE_NUMBER] for cycle in engine.cycles]
    assert numbers == [1, 2, 3, 4]


def test_a_cycle_says_how_many_orders_it_executed(run_engine):
    engine = run_engine(cycles=2, llm="debate")

    executed = [len(cycle.named("ffe.trade.execute")) for cycle in engine.cycles]
    assert [cycle.attributes[semconv.CYCLE_TRADES] for cycle in engine.cycles] == executed
    assert max(executed) == 2


def test_agents_of_one_process_are_told_apart(start_engine):
    first, second = start_engine(), start_engine()

    async def both():
        await asyncio.gather(first.session.run(), second.session.run())

    asyncio.run(both())

    ids = {cycle.attributes[semconv.AGENT_ID] for cycle in first.cycles}
    assert ids == {"agent-1", "agent-1-2"}
    told = {e["agent_id"] for e in first.telemetry.events(semconv.EVENT_AGENT_STATE)}
    assert told == ids


def test_an_agent_that_has_an_id_keeps_it(start_engine):
    engine = start_engine()
    engine.agent.agent_id = "blue"

    engine.run()

    assert engine.cycles[0].attributes[semconv.AGENT_ID] == "blue"


def test_uninstall_gives_the_engine_back(start_engine):
    from finance_feedback_engine.agent.trading_loop_agent import TradingLoopAgent

    engine = start_engine()
    hooked = vars(TradingLoopAgent)["process_cycle"]

    engine.telemetry.close()

    given_back = vars(TradingLoopAgent)["process_cycle"]
    assert given_back is hooked.__wrapped__
    asyncio.run(engine.session.run())
