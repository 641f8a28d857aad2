# SPDX-License-Identifier: Apache-2.0
"""One name a venue in every ``platform`` label, and how much is held there."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from ffe_otel import semconv
from ffe_otel.capture.hooks import holdings, venues

PLATFORM_METRICS = (
    semconv.PORTFOLIO_VALUE,
    semconv.ACTIVE_TRADES,
    semconv.TRADE_EXECUTION,
    semconv.RECOVERY_DURATION,
)
PLATFORM_SPANS = (semconv.SPAN_TRADE_EXECUTE, semconv.SPAN_TRADE_OUTCOME, semconv.SPAN_RECOVERY)


def platforms(engine) -> set[object]:
    """Everything a run calls its platform."""
    metrics = {p["platform"] for metric in PLATFORM_METRICS for p in engine.labels(metric)}
    events = {e["platform"] for e in engine.telemetry.events(semconv.EVENT_TRADE)}
    spans = {
        (span.attributes or {}).get(semconv.TRADE_PLATFORM)
        for span in engine.telemetry.spans
        if span.name in PLATFORM_SPANS
    }
    return metrics | events | spans


@pytest.mark.parametrize("faults", [[], ["platform_error"]])
def test_a_venue_has_one_name(run_engine, faults):
    engine = run_engine(cycles=20, llm="debate", faults=faults)

    assert platforms(engine) == {"paper"}
    if not faults:
        assert engine.value(semconv.TRADES_CLOSED)


def platform(kind: str = "UnifiedTradingPlatform", **attributes: object) -> object:
    return type(kind, (), attributes)()


MOCK, COINBASE = platform("MockTradingPlatform"), platform("CoinbaseAdvancedPlatform")
BOTH = {"paper": MOCK, "coinbase": COINBASE}


@pytest.mark.parametrize(
    ("trading_platform", "name"),
    [
        (platform(platforms={"paper": MOCK}), "paper"),
        (platform(platforms={"coinbase": COINBASE}), "coinbase"),
        (platform(platforms=BOTH), "unified"),
        (platform(platforms=BOTH, _paper_execution_enabled=True), "paper"),
        (MOCK, "paper"),
        (COINBASE, "coinbase"),
        (platform("OandaPlatform"), "oanda"),
        (platform("KrakenFuturesPlatform"), "kraken_futures"),
        (None, "unknown"),
    ],
)
def test_the_venue_behind_a_platform_object(trading_platform, name):
    assert venues.of(trading_platform) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("mock", "paper"), ("Coinbase_Advanced", "coinbase"), ("oanda", "oanda"), ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_what_the_engine_calls_a_venue(said, name):
    assert venues.named(said) == name


def test_of_several_venues_the_one_that_the_order_was_routed_to_is_named(ffe_telemetry):
    """The real engine picks one in a method of its own, and says nothing when it then fails."""
    import ffe_otel
    from ffe_otel.capture.around import Call
    from ffe_otel.capture.hooks import execution

    engine = SimpleNamespace(trading_platform=platform(platforms=BOTH))
    decision = {"asset_pair": "BTCUSD", "action": "BUY"}
    with ffe_otel.cycle():
        order = execution._execute(
            Call(engine, ("d-1", decision), {}, {"decision_id": 0, "modified_decision": 1})
        )
        next(order)
        routing = execution._routed(Call(engine.trading_platform, ("crypto",), {}, {}))
        next(routing)
        with pytest.raises(StopIteration):
            routing.send("coinbase")
        with pytest.raises(ConnectionError):
            order.throw(ConnectionError("down"))

    trade = next(s for s in ffe_telemetry.spans if s.name == semconv.SPAN_TRADE_EXECUTE)
    assert trade.attributes[semconv.TRADE_PLATFORM] == "coinbase"
    metric = semconv.TRADE_EXECUTION.name
    assert ffe_telemetry.metric_value(metric, platform="coinbase") is not None


@pytest.mark.parametrize("fault", ["kill_switch", None])
@pytest.mark.parametrize("cycles", [1, 5])
def test_the_gauges_end_with_what_is_held(run_engine, fault, cycles):
    engine = run_engine(cycles=cycles, llm="debate", faults=[fault] if fault else [])

    held = engine.session.engine.trading_platform.paper._ledger.positions
    assert engine.value(semconv.ACTIVE_TRADES, platform="paper") == len(held)


def test_where_an_order_was_routed_to_is_not_where_the_next_one_goes(ffe_telemetry):
    import ffe_otel

    order = ffe_otel.trade("BTCUSD", "BUY", "unified")
    with ffe_otel.cycle():
        with order:
            order.routed("coinbase")
            order.filled(order_id="1")
        with order:
            order.filled(order_id="2")

    told = [e["platform"] for e in ffe_telemetry.events(semconv.EVENT_TRADE)]
    assert told == ["coinbase", "unified"]


def test_the_gauges_follow_what_the_platform_is_asked_for(start_engine):
    engine = start_engine(assets=("AAPL",))
    trading_platform = engine.session.engine.trading_platform
    order = {"asset_pair": "AAPL", "policy_action": "OPEN_SMALL_LONG", "entry_price": 100.0}

    trading_platform.get_portfolio_breakdown()
    assert engine.value(semconv.ACTIVE_TRADES, platform="paper") == 0
    before = engine.value(semconv.PORTFOLIO_VALUE, platform="paper")

    assert trading_platform.execute_trade({**order, "id": "d", "suggested_amount": 500})["success"]
    trading_platform.get_active_positions()
    assert engine.value(semconv.ACTIVE_TRADES, platform="paper") == 1

    trading_platform.update_position_prices({"AAPL": 200.0})
    trading_platform.get_portfolio_breakdown()
    assert engine.value(semconv.PORTFOLIO_VALUE, platform="paper") > before

    trading_platform.paper.flatten()
    trading_platform.get_active_positions()
    assert engine.value(semconv.ACTIVE_TRADES, platform="paper") == 0


def test_a_breakdown_that_tells_no_positions_leaves_them_as_they_were(ffe_telemetry):
    trading_platform = platform(platforms=BOTH)
    full = {"total_value_usd": 5.0, "futures_positions": [{}, {}]}

    holdings.told(trading_platform, {"platform_breakdowns": {"paper": full, "coinbase": full}})
    holdings.told(
        trading_platform, {"platform_breakdowns": {"paper": {}, "coinbase": {"error": ""}}}
    )

    for name in BOTH:
        assert ffe_telemetry.metric_value(semconv.ACTIVE_TRADES.name, platform=name) == 2
        assert ffe_telemetry.metric_value(semconv.PORTFOLIO_VALUE.name, platform=name) == 5.0


def test_the_agent_s_own_look_at_the_portfolio_is_enough(start_engine):
    """A single platform has no unified one around it that is seen."""
    engine = start_engine()
    engine.session.engine.trading_platform = engine.session.engine.trading_platform.paper

    asyncio.run(engine.session.engine.get_portfolio_breakdown_async())

    assert engine.value(semconv.ACTIVE_TRADES, platform="paper") == 0
