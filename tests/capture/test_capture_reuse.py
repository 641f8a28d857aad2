# SPDX-License-Identifier: Apache-2.0
"""A step object is entered again: nothing of the time before may show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode

import ffe_otel
from ffe_otel import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from ffe_otel._testing.telemetry import Telemetry
    from ffe_otel.capture.steps.base import Step


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    return False


def twice(telemetry: Telemetry, step: Step, first: Any) -> ReadableSpan:
    """Enter ``step`` with ``first`` and a failure, then with nothing; returns the second span."""

    def failing() -> None:
        with step:
            first(step)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        failing()
    with step:
        pass
    return [s for s in telemetry.spans if s.name == step.name][-1]


def test_a_call_does_not_keep_tokens_cost_and_failure(ffe_telemetry: Telemetry) -> None:
    def first(call: Any) -> None:
        call.tokens(10, 5)
        call.response_model("gemma2:9b")
        call.timeout()

    with ffe_otel.cycle():
        span = twice(ffe_telemetry, ffe_otel.llm_call("ollama", "m"), first)
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes[semconv.LLM_STATUS] == "success"
    assert semconv.LLM_TOKENS not in span.attributes
    event = ffe_telemetry.events(semconv.EVENT_LLM_CALL)[-1]
    assert "tokens_used" not in event
    assert event[semconv.LLM_STATUS] == "success"


def test_a_cycle_does_not_keep_errors_outcome_money_and_decision(ffe_telemetry: Telemetry) -> None:
    def first(cycle: Any) -> None:
        with ffe_otel.llm_call("ollama", "m") as call:
            call.tokens(10, 5)
        with ffe_otel.trade("BTCUSD", "BUY", "paper") as trade:
            trade.filled()
        ffe_otel.trade_outcome("BTCUSD", 4.0, action="SELL", platform="paper")
        cycle.error("one")

    span = twice(ffe_telemetry, ffe_otel.cycle(["BTCUSD"]), first)
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        semconv.AGENT_ID: "agent-1",
        semconv.ASSET_PAIRS: ("BTCUSD",),
        semconv.CYCLE_OUTCOME: "no_trade",
        semconv.CYCLE_REASON: "no_decision",
        semconv.CYCLE_ERRORS: 0,
        semconv.CYCLE_TRADES: 0,
    }


def test_a_later_cycle_shows_a_lesser_decision_again(ffe_telemetry: Telemetry) -> None:
    cycle = ffe_otel.cycle()
    with cycle:
        cycle.decided("BTCUSD", "BUY", 80, rank=3)
    with cycle:
        cycle.decided("EURUSD", "HOLD", 50)
    second = ffe_telemetry.spans[-1].attributes or {}
    assert second[semconv.DECISION_ACTION] == "HOLD"


def test_a_fetch_does_not_keep_its_status(ffe_telemetry: Telemetry) -> None:
    def first(fetch: Any) -> None:
        fetch.status(503)
        fetch.cached()

    with ffe_otel.cycle():
        twice(ffe_telemetry, ffe_otel.data_fetch("coinbase", "candles"), first)
    (event,) = ffe_telemetry.events(semconv.EVENT_API_LATENCY)
    assert event["status_code"] == 200


def test_a_trade_does_not_keep_what_was_filled_and_where(ffe_telemetry: Telemetry) -> None:
    def first(trade: Any) -> None:
        trade.filled(order_id="o-1", platform="coinbase")

    with ffe_otel.cycle():
        twice(ffe_telemetry, ffe_otel.trade("BTCUSD", "BUY", "unified"), first)
    (event,) = ffe_telemetry.events(semconv.EVENT_TRADE)
    assert event["platform"] == "unified"
    cycle = ffe_telemetry.spans[-1].attributes or {}
    assert semconv.TRADE_ORDER_ID not in cycle


def test_a_decision_does_not_keep_who_decided(ffe_telemetry: Telemetry) -> None:
    def first(decision: Any) -> None:
        decision.result("BUY", 80, provider="judge")

    with ffe_otel.cycle():
        twice(ffe_telemetry, ffe_otel.decision("BTCUSD", "ensemble"), first)
    latency = semconv.DECISION_LATENCY
    for provider in ("judge", "ensemble"):
        points = ffe_telemetry.metrics()[latency.name]
        assert [p for p in points if p.labels[latency.labels[0]] == provider], provider


def test_a_step_in_use_can_also_be_a_decorator(ffe_telemetry: Telemetry) -> None:
    phase = ffe_otel.phase("reasoning")
    with ffe_otel.cycle(), phase:

        @phase
        def think() -> bool:
            return ffe_otel.current_cycle() is not None

        assert think()
    assert [s.name for s in ffe_telemetry.spans] == ["ffe.phase.reasoning"] * 2 + ["ffe.cycle"]
