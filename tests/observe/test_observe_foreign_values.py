# SPDX-License-Identifier: Apache-2.0
"""The API's answers keep their types and stay JSON, whatever a foreign sender puts into them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_records import attributes

from ffe_otel import semconv as s
from ffe_otel.observe.cycles import SpanFacts, Started, TraceTotals, summarise

START = 1_795_400_000_000_000_000
TEXTS = {"agent_id", "outcome", "reason", "action", "verdict", "trace_id", "correlation_id"}
LISTS = {"asset_pairs", "decision_ids"}
_ids = itertools.count(1)


def strict(body: bytes | str) -> Any:
    """Parse JSON as a browser does."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(body, parse_constant=refuse)


def check_types(row: dict[str, Any]) -> None:
    """Every value of a cycle's row is of the type the page counts on."""
    for key in TEXTS:
        assert row[key] is None or isinstance(row[key], str), key
    for key in LISTS:
        assert all(isinstance(item, str) and item for item in row[key]), key
    for key in ("confidence", "pnl_dollars", "cost_usd"):
        assert row[key] is None or type(row[key]) in {int, float}, key
    assert row["number"] is None or type(row["number"]) is int
    for key in ("tokens", "errors", "spans", "logs"):
        assert type(row[key]) is int, key
        assert 0 <= row[key] <= 2**53 - 1, key


def span(trace: int, name: str, **attrs: Any) -> dict[str, Any]:
    """A span as OTLP/JSON; double underscores stand for dots."""
    return {"traceId": f"{trace:032x}", "spanId": f"{next(_ids):016x}", "name": name,
            "startTimeUnixNano": str(START), "endTimeUnixNano": str(START + 10**9),
            "attributes": attributes(attrs)}  # fmt: skip


def send(server: Any, *spans: dict[str, Any]) -> dict[str, Any]:
    """The row of the one cycle these spans make."""
    payload = {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}
    assert server.post("traces", payload).status == 200
    server.stored(spans=len(spans))
    (row,) = strict(server.ask("cycles").body)["cycles"]
    check_types(row)
    strict(server.ask(f"traces/{row['trace_id']}").body)
    assert strict(server.ask("status").body)["last_cycle"] == row
    return row


def test_attributes_of_other_types_become_what_the_row_promises(server):
    odd = {s.CYCLE_NUMBER: "abc", s.CYCLE_OUTCOME: ["a", "b"], s.CYCLE_REASON: True,
           s.ASSET_PAIRS: [5, "BTCUSD"], s.DECISION_CONFIDENCE: "high", s.DECISION_ACTION: 7,
           s.AGENT_ID: [], s.CYCLE_ERRORS: 2**63 - 1, s.DECISION_ID: 12.5}  # fmt: skip
    row = send(server, span(1, s.SPAN_CYCLE, **odd))
    assert (row["number"], row["confidence"], row["agent_id"]) == (None, None, None)
    assert (row["action"], row["outcome"], row["reason"]) == ("7", '["a","b"]', "true")
    assert (row["asset_pairs"], row["decision_ids"]) == (["5", "BTCUSD"], ["12.5"])
    assert server.get("cycles", asset="5", outcome='["a","b"]')["cycles"] == [row]


def test_sums_that_overflow_are_unknown_and_not_infinite(server):
    much = {s.GEN_AI_OPERATION: "chat", s.LLM_COST_USD: 1e308, s.GEN_AI_INPUT_TOKENS: 2**63 - 1}
    row = send(
        server, span(1, s.SPAN_CYCLE),
        *(span(1, s.SPAN_TRADE_OUTCOME, **{s.TRADE_PNL_DOLLARS: 1e308}) for _ in range(2)),
        *(span(1, "chat m", **much) for _ in range(2)),
    )  # fmt: skip
    assert (row["pnl_dollars"], row["cost_usd"], row["tokens"]) == (None, None, 2**53 - 1)


def test_charts_of_values_that_overflow_are_json(server):
    at = [START - 10**9, START]
    points = [{"timeUnixNano": str(t), "startTimeUnixNano": str(START - 2 * 10**9), "asDouble": v}
              for t, v in zip(at, (-1.7e308, 1.7e308), strict=True)]  # fmt: skip
    histogram = {"timeUnixNano": str(START), "startTimeUnixNano": str(START - 2 * 10**9),
                 "count": "2", "sum": 1.7e308, "bucketCounts": ["1", "1"],
                 "explicitBounds": ["NaN"]}  # fmt: skip
    metrics = [
        {"name": "sum", "sum": {"dataPoints": points, "aggregationTemporality": 2}},
        {"name": "odd", "histogram": {"dataPoints": [histogram], "aggregationTemporality": 1}},
        *({"name": "level", "gauge": {"dataPoints": [{**points[1], "attributes": attributes(
            {"n": n})}]}} for n in range(2)),
    ]  # fmt: skip
    payload = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    assert server.post("metrics", payload).status == 200
    server.stored(metric_points=5)
    for name, stat in itertools.product(
        ("sum", "odd", "level"), ("", "value", "rate", "p50", "avg")
    ):
        answer = server.ask("metrics/series", name=name, stat=stat, range=366 * 86_400)
        assert answer.status == 200
        strict(answer.body)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=3),
              st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["NaN", 1e308])),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)  # fmt: skip
KEYS = [s.AGENT_ID, s.CYCLE_NUMBER, s.CYCLE_OUTCOME, s.CYCLE_REASON, s.CYCLE_ERRORS, s.ASSET_PAIRS,
        s.ASSET_PAIR, s.DECISION_ID, s.DECISION_ACTION, s.DECISION_CONFIDENCE, s.LLM_TOKENS,
        s.TRADE_PNL_DOLLARS, s.LLM_COST_USD, s.GEN_AI_OPERATION, s.RISK_VERDICT]  # fmt: skip
NAMES = [s.SPAN_CYCLE, s.SPAN_DECISION, s.SPAN_TRADE_OUTCOME, s.SPAN_RISK_CHECK, "chat m"]
some = st.dictionaries(st.sampled_from(KEYS), values)
spans = st.builds(
    SpanFacts, st.integers(1, 9), st.none(), st.sampled_from(NAMES), st.just(1), st.just(1),
    st.booleans(), some,
)  # fmt: skip


@pytest.mark.parametrize("announced", [True, False])
@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(spans, max_size=6), some)
def test_a_row_has_its_types_whatever_the_attributes_are(announced, told, said):
    started = Started(5, said) if announced else None
    row = summarise("a" * 32, TraceTotals(1, 9, 3, 4), told, started)
    check_types(row)
    json.dumps(row, allow_nan=False)
