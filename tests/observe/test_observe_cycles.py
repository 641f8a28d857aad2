# SPDX-License-Identifier: Apache-2.0
"""What a cycle's row makes of odd and unfinished cycles."""

from __future__ import annotations

import pytest

from ffe_otel import semconv as s
from ffe_otel.observe.cycles import SpanFacts, Started, TraceTotals, summarise

TRACE = "0af7651916cd43dd8448eb211c80319c"
TOTALS = TraceTotals(first_ns=90, last_ns=900, spans=3, logs=4)


def span(span_id, name, parent=1, start=100, duration=10, error=False, **attributes):
    return SpanFacts(span_id, parent, name, start, duration, error, attributes.pop("a", {}))


def root(**attributes):
    return SpanFacts(1, None, s.SPAN_CYCLE, 100, 500, False, attributes.pop("a", {}))


def check(number, verdict):
    return span(number, s.SPAN_RISK_CHECK, start=100 + number, a={s.RISK_VERDICT: verdict})


def test_a_failed_cycle_says_what_its_root_says():
    failed = SpanFacts(1, None, s.SPAN_CYCLE, 100, 500, True, {s.CYCLE_TRADES: 2}, "no prices")
    row = summarise(TRACE, TOTALS, [failed], None)
    assert (row["status_message"], row["trades"]) == ("no prices", 2)
    assert summarise(TRACE, TOTALS, [root()], None)["status_message"] is None


@pytest.mark.parametrize(
    ("outcome", "verdicts", "expected"),
    [
        ("executed", ["approved"], "approved"),
        ("executed", ["approved", "rejected"], "approved"),
        ("rejected", ["approved", "rejected"], "rejected"),
        ("rejected", [], "rejected"),
        ("failed", ["approved"], "approved"),
        ("no_trade", [], None),
        (None, ["rejected", "approved"], "rejected"),
    ],
)
def test_the_verdict_is_that_of_what_became_of_the_cycle(outcome, verdicts, expected):
    spans = [root(a={s.CYCLE_OUTCOME: outcome}), *(check(n, v) for n, v in enumerate(verdicts, 2))]
    assert summarise(TRACE, TOTALS, spans, None)["verdict"] == expected


def test_costs_that_nobody_knows_are_no_costs_of_zero():
    def call(number, **attributes):
        return span(number, "chat m", a={s.GEN_AI_OPERATION: "chat", **attributes})

    unknown = summarise(TRACE, TOTALS, [root(), call(2, **{s.LLM_TOKENS: 7})], None)
    assert (unknown["cost_usd"], unknown["tokens"], unknown["pnl_dollars"]) == (None, 7, None)
    tokens = {s.GEN_AI_INPUT_TOKENS: 3, s.GEN_AI_OUTPUT_TOKENS: 4, s.LLM_TOKENS: 99}
    free = summarise(
        TRACE, TOTALS, [root(), call(2, **tokens), call(3, **{s.LLM_COST_USD: 0.0})], None
    )
    assert (free["cost_usd"], free["tokens"]) == (0.0, 7)


def test_an_error_is_counted_in_the_phase_it_lies_in():
    spans = [
        root(), span(2, "ffe.phase.perception", start=110),
        span(3, "ffe.phase.reasoning", start=130),
        span(4, s.SPAN_DECISION, parent=3), span(5, "chat m", parent=4, error=True),
        span(6, "elsewhere", parent=99, error=True),
        span(7, "loop", parent=8, error=True), span(8, "loop", parent=7),
    ]  # fmt: skip
    row = summarise(TRACE, TOTALS, spans, None)
    assert [(p["name"], p["offset_ns"], p["errors"]) for p in row["phases"]] == [
        ("perception", 10, 0), ("reasoning", 30, 1),
    ]  # fmt: skip
    assert row["errors"] == 3


def test_failures_the_engine_swallowed_count_too():
    assert summarise(TRACE, TOTALS, [root(a={s.CYCLE_ERRORS: 2})], None)["errors"] == 2


def test_a_cycle_without_its_root_is_running_and_known_by_its_event():
    started = Started(95, {s.AGENT_ID: "a", s.CYCLE_NUMBER: 3, s.ASSET_PAIRS: ["X", "Y"]})
    row = summarise(TRACE, TOTALS, [], started)
    assert (row["state"], row["duration_ns"], row["start_unix_nano"]) == ("running", None, "95")
    assert (row["agent_id"], row["number"], row["asset_pairs"]) == ("a", 3, ["X", "Y"])
    assert (row["spans"], row["logs"], row["last_seen_unix_nano"]) == (3, 4, "900")


def test_assets_and_decisions_are_gathered_from_the_spans():
    def decision(number, asset, action):
        found = {s.ASSET_PAIR: asset, s.DECISION_ID: f"d{number}", s.DECISION_ACTION: action}
        return span(number, s.SPAN_DECISION, start=100 + number, a=found)

    spans = [root(), decision(3, "ETHUSD", "SELL"), decision(2, "BTCUSD", "BUY")]
    row = summarise(TRACE, TOTALS, spans, None)
    assert row["asset_pairs"] == ["ETHUSD", "BTCUSD"]
    assert (row["action"], row["decision_ids"]) == ("SELL", ["d3", "d2"])
