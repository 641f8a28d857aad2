# SPDX-License-Identifier: Apache-2.0
"""Arguments of the wrong kind: counted, never raised, and the step is there all the same."""

from __future__ import annotations

import asyncio
import functools
import math
import uuid
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

import ffe_otel
from ffe_otel import semconv
from ffe_otel.capture import api

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel._testing.telemetry import Telemetry

Wrong: Any = object()
UNHASHABLE: Any = []


class Side(Enum):
    BUY = "buy"


class Broken:
    """An iterable that raises, a text that cannot be made."""

    def __iter__(self) -> Any:
        raise OSError

    def __str__(self) -> str:
        raise OSError


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    return False


def counted(telemetry: Telemetry) -> set[str]:
    """Where the hook errors were counted."""
    points = telemetry.metrics().get(semconv.OTEL_HOOK_ERRORS.name, [])
    return {str(p.labels["hook"]) for p in points}


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (None, None),
        ((), None),
        ("BTCUSD", ("BTCUSD",)),
        (["BTCUSD", "EURUSD"], ("BTCUSD", "EURUSD")),
        ({"BTCUSD": 1}, ("BTCUSD",)),
        (iter(["BTCUSD"]), ("BTCUSD",)),
        ([Side.BUY, 5], ("buy", "5")),
    ],
)
def test_asset_pairs_are_taken_however_they_come(
    ffe_telemetry: Telemetry, given: Any, seen: Any
) -> None:
    with ffe_otel.cycle(given):
        pass
    (span,) = ffe_telemetry.spans
    assert (span.attributes or {}).get(semconv.ASSET_PAIRS) == seen
    assert counted(ffe_telemetry) == set()


@pytest.mark.parametrize("given", [5, object(), Broken(), [object()], [None]])
def test_asset_pairs_that_are_none_are_counted(ffe_telemetry: Telemetry, given: Any) -> None:
    with ffe_otel.cycle(given):
        pass
    (span,) = ffe_telemetry.spans
    assert semconv.ASSET_PAIRS not in (span.attributes or {})
    assert counted(ffe_telemetry) == {"cycle"}


CONSTRUCTORS: dict[str, Callable[[Any], Any]] = {
    "phase": ffe_otel.phase,
    "llm_call": lambda x: ffe_otel.llm_call(x, x, phase=x, operation=x),
    "data_fetch": lambda x: ffe_otel.data_fetch(x, x, method=x, asset_pair=x),
    "decision": lambda x: ffe_otel.decision(x, x),
    "debate_role": lambda x: ffe_otel.debate_role(x, x),
    "risk_check": lambda x: ffe_otel.risk_check(x, x),
    "risk_rule": ffe_otel.risk_rule,
    "trade": lambda x: ffe_otel.trade(x, x, x, decision_id=x, confidence=x),
    "recovery": ffe_otel.recovery,
    "monitor": ffe_otel.monitor,
    "agent_run": ffe_otel.agent_run,
    "cycle": lambda x: ffe_otel.cycle(x, agent_id=x, number=x, cycle_id=x, correlation_id=x),
}


@pytest.mark.parametrize("value", [Wrong, UNHASHABLE, Broken()], ids=["object", "list", "broken"])
def test_a_step_with_wrong_arguments_is_there_and_its_metrics_too(
    ffe_telemetry: Telemetry, value: Any
) -> None:
    for name, make in CONSTRUCTORS.items():
        ffe_telemetry.clear()
        with ffe_otel.cycle(), make(value):
            pass
        assert len(ffe_telemetry.spans) == 2, name
    assert counted(ffe_telemetry) == set(CONSTRUCTORS)


def test_a_step_with_none_for_an_argument_is_there(ffe_telemetry: Telemetry) -> None:
    for name, make in CONSTRUCTORS.items():
        ffe_telemetry.clear()
        with ffe_otel.cycle(), make(None):
            pass
        assert len(ffe_telemetry.spans) == 2, name
    assert counted(ffe_telemetry) <= set(CONSTRUCTORS)


def test_a_phase_without_a_usable_name_is_unknown(ffe_telemetry: Telemetry) -> None:
    with ffe_otel.cycle(), ffe_otel.phase(None):  # type: ignore[arg-type]
        pass
    assert ffe_telemetry.spans[0].name == "ffe.phase.unknown"


@pytest.mark.parametrize("given", [uuid.UUID(int=7 << 64), str(uuid.UUID(int=7 << 64))])
def test_a_uuid_is_a_correlation_id(ffe_telemetry: Telemetry, given: Any) -> None:
    with ffe_otel.cycle(correlation_id=given) as cycle:
        assert cycle.correlation_id == str(given)


def test_a_number_for_a_correlation_id_is_hashed_like_text(ffe_telemetry: Telemetry) -> None:
    given: Any = 5
    with ffe_otel.cycle(correlation_id=given):
        pass
    (span,) = ffe_telemetry.spans
    assert (span.attributes or {})[semconv.CORRELATION_ID] == "5"


@pytest.mark.parametrize("confidence", ["x", object(), math.nan, math.inf])
def test_a_trade_with_a_wrong_confidence_keeps_metrics_and_event(
    ffe_telemetry: Telemetry, confidence: Any
) -> None:
    with ffe_otel.cycle(), ffe_otel.trade("BTCUSD", "BUY", "p", confidence=confidence) as trade:
        trade.filled(price=Decimal("100.5"), fee=Wrong)
    (event,) = ffe_telemetry.events(semconv.EVENT_TRADE)
    assert "confidence" not in event
    assert ffe_telemetry.metrics()[semconv.TRADE_EXECUTION.name]
    span = ffe_telemetry.spans[0].attributes or {}
    assert span[semconv.TRADE_FILL_PRICE] == 100.5
    assert counted(ffe_telemetry) == {"trade", "Trade.filled"}


def test_an_outcome_without_a_usable_amount_is_left_out_and_counted(
    ffe_telemetry: Telemetry,
) -> None:
    for amount in ("abc", None, math.nan):
        bad: Any = amount
        ffe_otel.trade_outcome("BTCUSD", bad, action="SELL", platform="p")
    assert semconv.TRADE_PNL_SUM.name not in ffe_telemetry.metrics()
    assert counted(ffe_telemetry) == {"trade_outcome"}


def test_an_outcome_keeps_its_amount_when_something_else_is_wrong(
    ffe_telemetry: Telemetry,
) -> None:
    ffe_otel.trade_outcome(
        Wrong, 4.0, action=Wrong, platform=Wrong, duration_seconds=Wrong, confidence=Wrong
    )
    assert ffe_telemetry.metric_value(semconv.TRADE_PNL_SUM.name) == 4.0
    assert len(ffe_telemetry.events(semconv.EVENT_TRADE)) == 1


@pytest.mark.parametrize("wrong", [Wrong, UNHASHABLE, "x", math.nan, None, Broken()])
def test_no_handle_raises_and_no_step_is_lost(ffe_telemetry: Telemetry, wrong: Any) -> None:
    with ffe_otel.cycle() as cycle:
        cycle.decided(wrong, wrong, wrong, wrong, rank=wrong)
        cycle.outcome(wrong, wrong)
        cycle.spent(wrong, wrong)
        cycle.earned(wrong)
        cycle.error(wrong, wrong)
        cycle.set(wrong)
        cycle.event(wrong, wrong)
        with ffe_otel.llm_call("ollama", "m") as call:
            call.tokens(wrong, wrong)
            call.finish(wrong)
            call.response_model(wrong)
            call.content(wrong, wrong)
        with ffe_otel.data_fetch("coinbase", "candles") as fetch:
            fetch.status(wrong)
            fetch.stale(wrong, wrong)
        with ffe_otel.decision("BTCUSD") as decision:
            decision.result(wrong, wrong, decision_id=wrong, provider=wrong, reason_code=wrong)
        with ffe_otel.risk_check("BTCUSD") as risk:
            risk.approve(wrong)
            risk.reject(wrong, wrong)
        with ffe_otel.trade("BTCUSD", "BUY", "p") as trade:
            trade.filled(order_id=wrong, price=wrong, platform=wrong)
        with ffe_otel.recovery("p") as recovery:
            recovery.recovered(wrong)
    assert len(ffe_telemetry.spans) == 7
    recorded = ffe_telemetry.metrics()
    for metric in (
        semconv.CYCLE_DURATION,
        semconv.GEN_AI_DURATION,
        semconv.API_CALL_DURATION,
        semconv.DECISION_LATENCY,
        semconv.RISK_CHECK_RESULT,
        semconv.TRADE_EXECUTION,
        semconv.RECOVERY_DURATION,
    ):
        assert metric.name in recorded, metric.name
    for name in (semconv.EVENT_LLM_CALL, semconv.EVENT_API_LATENCY, semconv.EVENT_TRADE):
        (event,) = ffe_telemetry.events(name)
        record = semconv.EVENT_RECORDS[name]
        for field, kind in record.fields.items():
            assert type(event.get(field, kind())) is kind, (name, field)
        for tag in record.tags:
            assert isinstance(event.get(tag, ""), str), (name, tag)


@pytest.mark.parametrize("wrong", [Wrong, UNHASHABLE, "x", math.nan, None, Broken()])
def test_no_function_without_a_step_raises(ffe_telemetry: Telemetry, wrong: Any) -> None:
    with ffe_otel.cycle(), ffe_otel.phase("reasoning"):
        ffe_otel.transition(wrong, wrong, agent_id=wrong, cycle_count=wrong)
        api.set_state(wrong, wrong)
        ffe_otel.risk_veto(wrong, wrong, wrong, wrong)
        ffe_otel.breaker_state(wrong, wrong)
        ffe_otel.portfolio(wrong, value_dollars=wrong, active_trades=wrong)
        ffe_otel.cache(wrong, wrong)
        ffe_otel.trade_outcome(wrong, wrong, action=wrong, platform=wrong)
    # One value that is no number would keep a reader from all metrics.
    assert ffe_telemetry.metrics()[semconv.CYCLE_DURATION.name]
    for event in ffe_telemetry.events(semconv.EVENT_AGENT_STATE):
        assert type(event["cycle_count"]) is int


class Later:
    """What looks like a function and is a coroutine function."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._clock = telemetry.clock

    async def __call__(self) -> str:
        await asyncio.sleep(0)
        self._clock.advance(2.0)
        return "done"


@pytest.mark.parametrize("wrapped", [lambda x: x, functools.partial])
def test_an_object_with_a_coroutine_for_its_call_is_measured_until_it_ends(
    ffe_telemetry: Telemetry, wrapped: Any
) -> None:
    perceive = ffe_otel.phase("perception")(wrapped(Later(ffe_telemetry)))

    async def main() -> str:
        with ffe_otel.cycle():
            result: str = await perceive()
            return result

    assert asyncio.run(main()) == "done"
    assert ffe_telemetry.metric_value(semconv.PHASE_DURATION.name) == 2.0


def test_an_object_that_generates_is_refused_like_a_generator_function() -> None:
    class Rows:
        def __call__(self) -> Any:
            yield 1

    with pytest.raises(TypeError, match="generator function"):
        ffe_otel.phase("perception")(Rows())
