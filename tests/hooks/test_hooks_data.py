# SPDX-License-Identifier: Apache-2.0
"""Data fetches: what is counted, what is shown, and what never is."""

from __future__ import annotations

import pytest

from ffe_otel import semconv

REAL_CALLS = {
    ("coinbase", "candles"),
    ("alpha_vantage", "NEWS_SENTIMENT"),
    ("unified", "monitoring_context"),
    ("unified", "portfolio"),
}


def test_only_what_goes_out_is_counted(run_engine):
    engine = run_engine(cycles=2)

    counted = {(m["service"], m["endpoint"]) for m in engine.labels(semconv.API_CALL_DURATION)}
    assert counted == REAL_CALLS
    told = {
        (e["service"], e["endpoint"]) for e in engine.telemetry.events(semconv.EVENT_API_LATENCY)
    }
    assert told == REAL_CALLS


def test_candles_come_under_the_answer_they_are_for(run_engine):
    cycle = run_engine(cycles=1, assets=("AAPL",)).cycles[0]

    (comprehensive,) = cycle.named(semconv.SPAN_DATA_FETCH, endpoint="comprehensive_market_data")
    candles = cycle.named(semconv.SPAN_DATA_FETCH, endpoint="candles")
    paths = [cycle.path(span) for span in candles]
    assert {span.attributes[semconv.ASSET_PAIR] for span in candles} == {"AAPL"}
    fetch = semconv.SPAN_DATA_FETCH
    assert ["ffe.cycle", "ffe.phase.reasoning", fetch, fetch] in paths
    assert ["ffe.cycle", "ffe.phase.perception", fetch, fetch] in paths
    assert cycle.path(comprehensive) == ["ffe.cycle", "ffe.phase.reasoning", fetch]
    assert comprehensive.attributes[semconv.ASSET_PAIR] == "AAPL"
    assert comprehensive.attributes[semconv.DATA_STALE] is False
    assert comprehensive.attributes[semconv.DATA_AGE_SECONDS] >= 0


def test_the_api_key_is_in_nothing_that_is_kept(run_engine, monkeypatch):
    monkeypatch.setenv("ALPHA_VANTAGE_API_KEY", "PLANTEDKEY123456")
    engine = run_engine(cycles=1)

    kept = "".join(
        span.to_json() for span in engine.telemetry.spans if span.name == semconv.SPAN_DATA_FETCH
    )
    assert "NEWS_SENTIMENT" in kept
    assert "PLANTEDKEY123456" not in kept


def test_stale_data_is_marked(run_engine):
    engine = run_engine(cycles=1, faults=["stale_data"])

    fetches = [
        span
        for span in engine.cycles[0].named(semconv.SPAN_DATA_FETCH)
        if semconv.DATA_STALE in span.attributes
    ]
    assert any(span.attributes[semconv.DATA_STALE] for span in fetches)
    assert max(span.attributes[semconv.DATA_AGE_SECONDS] for span in fetches) > 3600


@pytest.mark.parametrize(("fault", "code"), [("data_502", 502), ("data_429", 429)])
def test_a_refused_call_is_an_error_with_its_status(run_engine, fault, code):
    engine = run_engine(cycles=3, faults=[fault])

    refused = [
        (cycle, span)
        for cycle in engine.cycles
        for span in cycle.failed
        if span.name == semconv.SPAN_DATA_FETCH and semconv.HTTP_STATUS in span.attributes
    ]
    assert {span.attributes[semconv.HTTP_STATUS] for _, span in refused} == {code}
    assert {span.attributes[semconv.DATA_SERVICE] for _, span in refused} >= {"coinbase"}
    assert all(cycle.attributes[semconv.CYCLE_ERRORS] > 0 for cycle, _ in refused)
    codes = {e["status_code"] for e in engine.telemetry.events(semconv.EVENT_API_LATENCY)}
    assert code in codes
    assert engine.value(semconv.PROVIDER_REQUESTS, provider="coinbase", status="failure")


def test_an_analysis_that_fails_is_an_error_of_the_cycle(start_engine, monkeypatch):
    engine = start_engine(assets=("AAPL",))

    async def fail(*_args, **_kwargs):
        raise LookupError("nothing known about AAPL")

    monkeypatch.setattr(engine.session.engine.data_provider, "get_comprehensive_market_data", fail)
    engine.run()

    cycle = engine.cycles[0]
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "failed"
    assert cycle.attributes[semconv.CYCLE_ERRORS] == 1
    (event,) = (event for event in cycle.root.events if event.name == "ffe.cycle.error")
    assert event.attributes["where"] == "analysis of AAPL"


def test_the_portfolio_is_told_by_platform(run_engine):
    engine = run_engine(cycles=1)

    assert engine.value(semconv.PORTFOLIO_VALUE, platform="paper") == pytest.approx(1e4, rel=0.2)
    assert engine.value(semconv.ACTIVE_TRADES, platform="paper") is not None


def test_cache_look_ups_are_counted(run_engine):
    engine = run_engine(cycles=3)

    assert engine.value(semconv.CACHE_REQUESTS, cache="candles", result="miss")
    assert engine.value(semconv.CACHE_REQUESTS, cache="alpha_vantage", result="hit")
    assert engine.value(semconv.CACHE_REQUESTS, cache="alpha_vantage", result="miss")


def test_a_rate_limit_that_comes_with_status_200_is_a_failure(start_engine, monkeypatch):
    engine = start_engine()

    async def refuse(*_args, **_kwargs):
        return {"Note": "our standard rate limit for DEMOFAKEKEY01234 is 25 requests"}

    monkeypatch.setattr(engine.session.engine.data_provider, "_do_async_request", refuse)
    engine.run()

    fetches = engine.cycles[0].named(semconv.SPAN_DATA_FETCH, endpoint="NEWS_SENTIMENT")
    assert {span.status.description for span in fetches} == {
        "Alpha Vantage answered with 'Note' instead of data"
    }
    assert engine.value(semconv.PROVIDER_REQUESTS, provider="alpha_vantage", status="failure") == 2
