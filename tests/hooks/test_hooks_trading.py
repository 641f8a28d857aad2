# SPDX-License-Identifier: Apache-2.0
"""Risk checks, orders, closed trades, recovery, monitor threads and circuit breakers."""

from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry.trace import StatusCode

from ffe_otel import semconv

RULES = {
    "market_hours",
    "correlation",
    "var",
    "leverage_concentration",
    "cross_platform_correlation",
}


# Risk


def test_an_approved_trade_went_through_every_rule(run_engine):
    engine = run_engine(assets=("AAPL",))

    cycle = engine.cycles[0]
    check = cycle.one("ffe.risk.check")
    assert cycle.path(check) == ["ffe.cycle", "ffe.phase.risk_check", "ffe.risk.check"]
    assert check.attributes[semconv.RISK_VERDICT] == "approved"
    assert check.attributes[semconv.RISK_ACTION] == "allow"
    rules = cycle.named("ffe.risk.rule")
    assert {span.attributes[semconv.RISK_RULE] for span in rules} == RULES
    assert {cycle.path(span)[-2] for span in rules} == {"ffe.risk.check"}
    assert engine.value(semconv.RISK_CHECK_RESULT, result="approved") == 1


@pytest.mark.parametrize(
    ("limit", "code"), [("max_leverage", "leverage"), ("max_position_pct", "concentration")]
)
def test_a_rejection_names_its_rule_in_a_bounded_code(start_engine, limit, code):
    engine = start_engine(cycles=4, assets=("AAPL",))
    setattr(engine.agent.config, limit, 0.0001)
    engine.run()

    rejected = [c for c in engine.cycles if c.attributes[semconv.CYCLE_OUTCOME] == "rejected"]
    assert rejected
    check = rejected[0].one("ffe.risk.check")
    assert check.attributes[semconv.RISK_VERDICT] == "rejected"
    assert check.attributes[semconv.RISK_REASON_CODE] == code
    assert check.attributes[semconv.RISK_REASON]
    assert rejected[0].attributes[semconv.CYCLE_REASON] == code
    assert rejected[0].one("ffe.risk.rule", verdict="rejected")
    count = engine.value(semconv.RISK_CHECK_RESULT, result="rejected", reason=code)
    assert count == engine.summary["rejected"]


def test_what_the_agent_filters_is_a_veto(start_engine):
    engine = start_engine()
    engine.agent.config.min_confidence_threshold = 1.1
    engine.run()

    cycle = engine.cycles[0]
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "rejected"
    assert cycle.attributes[semconv.CYCLE_REASON] == "low_confidence"
    veto = cycle.root.events[-1]
    assert veto.name == "ffe.risk.veto"
    assert veto.attributes[semconv.RISK_LAYER] == "execution_gate"
    count = engine.value(semconv.RISK_CHECK_RESULT, result="rejected", reason="low_confidence")
    assert count == engine.summary["filtered"] > 0


def test_a_bad_streak_is_a_veto_counted_once(start_engine):
    engine = start_engine(assets=("AAPL",))
    engine.agent._performance_metrics["current_streak"] = -engine.agent.config.loss_streak_pause
    engine.run()

    cycle = engine.cycles[0]
    assert cycle.attributes[semconv.CYCLE_REASON] == "performance"
    assert engine.value(semconv.RISK_CHECK_RESULT, result="rejected") == 1


def gatekeeper():
    from finance_feedback_engine.risk.gatekeeper import RiskGatekeeper

    return RiskGatekeeper()


@pytest.mark.parametrize(
    ("market_data", "code"),
    [
        ({"market_status": {"is_open": False}, "asset_type": "forex"}, "market_hours"),
        ({"data_freshness": {"is_fresh": False}}, "stale_data"),
    ],
)
def test_the_two_temporal_reasons_are_told_apart(ffe_telemetry, market_data, code):
    import ffe_otel

    decision = {"asset_pair": "EURUSD", "action": "BUY", "market_data": market_data}
    with ffe_otel.cycle():
        allowed, reason = gatekeeper().validate_trade(decision, {})

    assert not allowed, reason
    check = next(span for span in ffe_telemetry.spans if span.name == "ffe.risk.check")
    assert check.attributes[semconv.RISK_REASON_CODE] == code


# Orders


def test_an_order_is_one_span_with_what_the_platform_said(run_engine):
    engine = run_engine(assets=("AAPL",))

    cycle = engine.cycles[0]
    trade = cycle.one("ffe.trade.execute")
    attributes = trade.attributes
    assert cycle.path(trade) == ["ffe.cycle", "ffe.phase.execution", "ffe.trade.execute"]
    assert attributes[semconv.TRADE_ACTION] in {"BUY", "SELL"}
    assert attributes[semconv.TRADE_PLATFORM] == "paper"
    assert attributes[semconv.TRADE_SUCCESS] is True
    for name in (
        semconv.TRADE_ORDER_ID,
        semconv.TRADE_ORDER_STATUS,
        semconv.TRADE_FILL_PRICE,
        semconv.TRADE_FILLED_SIZE,
        semconv.TRADE_FEE,
        semconv.TRADE_SLIPPAGE,
    ):
        assert attributes[name] == cycle.attributes[name]
    (execution,) = engine.telemetry.events(semconv.EVENT_TRADE)
    assert execution["decision_id"] == attributes[semconv.DECISION_ID]
    assert execution["action"] == attributes[semconv.TRADE_ACTION]
    assert "duration_seconds" in execution
    assert "pnl_dollars" not in execution
    (labels,) = engine.labels(semconv.TRADE_EXECUTION)
    assert labels == {"platform": "paper", "action": attributes[semconv.TRADE_ACTION]}


def test_a_platform_that_raises_fails_the_trade_and_the_cycle(run_engine):
    engine = run_engine(cycles=2, faults=["platform_error"])

    for cycle in engine.cycles:
        assert cycle.attributes[semconv.CYCLE_OUTCOME] == "failed"
        trades = cycle.named("ffe.trade.execute")
        assert trades
        assert {span.status.status_code for span in trades} == {StatusCode.ERROR}
        assert cycle.attributes[semconv.CYCLE_ERRORS] == len(trades)
    assert engine.telemetry.events(semconv.EVENT_TRADE) == []


def test_a_refusal_that_is_returned_is_a_failure(start_engine, monkeypatch):
    engine = start_engine(assets=("AAPL",))

    async def refuse(_decision):
        return {"success": False, "error": "insufficient funds", "platform": "mock"}

    monkeypatch.setattr(engine.session.engine.trading_platform, "aexecute_trade", refuse)
    engine.run()

    cycle = engine.cycles[0]
    trade = cycle.one("ffe.trade.execute")
    assert trade.status.description == "insufficient funds"
    assert trade.attributes[semconv.TRADE_SUCCESS] is False
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "failed"


@pytest.mark.parametrize(
    ("action", "side"),
    [
        ("OPEN_SMALL_LONG", "BUY"),
        ("ADD_SMALL_SHORT", "SELL"),
        ("REDUCE_LONG", "SELL"),
        ("CLOSE_SHORT", "BUY"),
        ("SELL", "SELL"),
        ("HOLD", "HOLD"),
    ],
)
def test_the_side_of_a_policy_action(action, side):
    from ffe_otel.capture.hooks.execution import _side

    assert _side({"policy_action": action, "action": "unused"}) == side


# Closed trades


def test_a_closed_trade_is_told_once(run_engine):
    engine = run_engine(cycles=25, llm="debate", assets=("AAPL",))

    closed = engine.summary["trades_closed"]
    assert closed > 0
    outcomes = [s for s in engine.telemetry.spans if s.name == "ffe.trade.outcome"]
    assert len(outcomes) == closed
    assert engine.value(semconv.TRADES_CLOSED) == closed
    assert engine.value(semconv.TRADE_PNL_COUNT) == closed
    pnl = sum(span.attributes[semconv.TRADE_PNL_DOLLARS] for span in outcomes)
    assert engine.value(semconv.TRADE_PNL_SUM) == pytest.approx(pnl)
    earned = [
        cycle.attributes[semconv.TRADE_PNL_DOLLARS]
        for cycle in engine.cycles
        if cycle.named("ffe.trade.outcome")
    ]
    assert sum(earned) == pytest.approx(pnl)
    assert {span.attributes[semconv.TRADE_PLATFORM] for span in outcomes} == {"paper"}


def recorder(tmp_path):
    from finance_feedback_engine.monitoring.trade_outcome_recorder import TradeOutcomeRecorder

    return TradeOutcomeRecorder(data_dir=str(tmp_path))


OUTCOME = {
    "asset_pair": "BTCUSD",
    "side": "LONG",
    "realized_pnl": "-29.96",
    "decision_id": "d-1",
    "holding_duration_seconds": 60,
}


def test_records_of_single_orders_are_no_closed_trades(ffe_telemetry, tmp_path):
    saving = recorder(tmp_path)

    saving._save_outcome({**OUTCOME, "recorded_via": "order_id_tracking"})
    saving._save_outcome({**OUTCOME, "recorded_via": "position_polling"})

    (event,) = ffe_telemetry.events(semconv.EVENT_TRADE)
    assert event["pnl_dollars"] == -29.96
    assert event["action"] == "CLOSE_LONG"
    assert "duration_seconds" not in event
    assert ffe_telemetry.metric_value("ffe_trades_closed_total", outcome="loss") == 1


def test_orders_and_outcomes_are_told_apart_by_their_action(run_engine):
    engine = run_engine(cycles=25, llm="debate", assets=("AAPL",))

    told = engine.telemetry.events(semconv.EVENT_TRADE)
    orders = [e for e in told if e["action"] in {"BUY", "SELL"}]
    outcomes = [e for e in told if e["action"] in {"CLOSE_LONG", "CLOSE_SHORT"}]
    assert len(orders) == engine.summary["trades_executed"]
    assert len(outcomes) == engine.summary["trades_closed"] > 0
    assert len(told) == len(orders) + len(outcomes)
    assert all("duration_seconds" in e for e in orders)
    assert all("pnl_dollars" in e for e in outcomes)
    assert not any("pnl_dollars" in e for e in orders)
    assert not any("duration_seconds" in e for e in outcomes)
    closed = [s for s in engine.telemetry.spans if s.name == "ffe.trade.outcome"]
    assert all(s.attributes[semconv.TRADE_HELD_SECONDS] >= 0 for s in closed)


@pytest.mark.parametrize(
    ("side", "action"),
    [
        ("LONG", "CLOSE_LONG"),
        ("buy", "CLOSE_LONG"),
        ("SHORT", "CLOSE_SHORT"),
        ("UNKNOWN", "CLOSE"),
        (None, "CLOSE"),
    ],
)
def test_the_action_of_an_outcome(ffe_telemetry, tmp_path, side, action):
    recorder(tmp_path)._save_outcome({**OUTCOME, "side": side})

    (event,) = ffe_telemetry.events(semconv.EVENT_TRADE)
    assert event["action"] == action


def test_an_engine_without_a_recorder_has_the_agent_s_tally(start_engine):
    engine = start_engine()
    outcome = {"product_id": "BTC-USD", "realized_pnl": 5.0, "side": "SHORT"}

    engine.agent._update_performance_metrics(outcome)
    assert engine.value(semconv.TRADES_CLOSED) is None

    engine.session.engine.trade_outcome_recorder = None
    engine.agent._update_performance_metrics(outcome)
    assert engine.value(semconv.TRADES_CLOSED, asset_pair="BTCUSD", outcome="win") == 1


# Recovery


def test_recovery_is_part_of_the_cycle_it_happens_in(run_engine):
    engine = run_engine(cycles=2)

    first, second = engine.cycles
    span = first.one("ffe.position.recovery")
    assert first.path(span) == ["ffe.cycle", "ffe.position.recovery"]
    assert span.attributes[semconv.RECOVERY_POSITIONS] == 0
    assert second.named("ffe.position.recovery") == []
    assert engine.labels(semconv.RECOVERY_DURATION) == [{"platform": "paper"}]


def test_recovery_outside_a_cycle_is_a_trace_of_its_own(start_engine):
    engine = start_engine()

    asyncio.run(engine.agent._recover_existing_positions())

    (trace,) = engine.traces
    assert trace.root.name == "ffe.position.recovery"


def test_a_recovery_that_fails_says_why(start_engine, monkeypatch):
    engine = start_engine()

    def fail():
        raise ConnectionError("broker unreachable")

    monkeypatch.setattr(engine.agent.trading_platform, "get_active_positions", fail)
    asyncio.run(engine.agent.handle_recovering_state())

    (trace,) = engine.traces
    assert trace.root.status.description == "platform_api_error: broker unreachable"


# Monitor threads


def test_a_pass_of_the_monitor_is_a_trace_of_its_own(start_engine):
    import ffe_otel

    engine = start_engine()
    engine.session.monitor.detection_interval = 0.01
    passed = threading.Event()
    look = engine.session.monitor.platform.get_active_positions

    def looked():
        passed.set()
        return look()

    engine.session.monitor.platform.get_active_positions = looked
    with ffe_otel.cycle():
        engine.session.monitor.start()
        assert passed.wait(10)
        assert engine.session.monitor.stop(10)

    passes = [t for t in engine.traces if t.root.name == semconv.SPAN_MONITOR]
    assert passes
    assert {t.root.links for t in passes} == {()}
    assert {t.root.attributes[semconv.DATA_ENDPOINT] for t in passes} <= {
        "detect_trades",
        "portfolio_limits",
    }


def test_a_portfolio_limit_is_a_rejection_and_fails_the_pass(start_engine, monkeypatch):
    engine = start_engine()
    monitor = engine.session.monitor
    monitor.portfolio_stop_loss_percentage = 0.02
    monkeypatch.setattr(
        monitor.monitoring_context_provider, "get_portfolio_pnl_percentage", lambda: -0.05
    )

    monitor._check_portfolio_pnl_limits()

    (trace,) = engine.traces
    assert trace.root.status.description == "portfolio stop_loss hit at -0.05"
    count = engine.value(semconv.RISK_CHECK_RESULT, reason="portfolio_stop_loss")
    assert count == 1


# Circuit breakers


def test_breakers_tell_every_state_they_take(ffe_telemetry):
    from finance_feedback_engine.utils.circuit_breaker import CircuitBreaker

    def state():
        return ffe_telemetry.metric_value("ffe_circuit_breaker_state", service="Venue")

    def fail():
        raise ConnectionError("down")

    seen = []

    def half_open():
        seen.append(state())
        return "up"

    breaker = CircuitBreaker(failure_threshold=1, recovery_timeout=0.0, name="Venue")
    assert state() == semconv.BREAKER_STATES["closed"]
    with pytest.raises(ConnectionError):
        breaker.call_sync(fail)
    assert state() == semconv.BREAKER_STATES["open"]
    assert breaker.call_sync(half_open) == "up"
    assert seen == [semconv.BREAKER_STATES["half_open"]]
    assert state() == semconv.BREAKER_STATES["closed"]
