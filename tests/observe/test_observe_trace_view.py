# SPDX-License-Identifier: Apache-2.0
"""The rows of a waterfall, for whole, broken and unfinished traces."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ffe_otel import semconv
from ffe_otel.observe import trace_view


def make(span_id: int, parent: int | None, start: int, end: int, name: str = "") -> trace_view.Span:
    return trace_view.Span(
        span_id, parent, name or f"s{span_id}", 1, "service", "scope", start, end - start, 0, "",
        {}, [], [],
    )  # fmt: skip


def shown(rows: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(row["depth"], int(row["span_id"], 16), row["name"]) for row in rows]


def test_children_stand_under_their_parents_in_order_of_start():
    spans = [make(4, 2, 25, 30), make(3, 1, 50, 90), make(1, None, 0, 100), make(2, 1, 10, 40)]
    rows = trace_view.rows(spans)
    assert shown(rows) == [(0, 1, "s1"), (1, 2, "s2"), (2, 4, "s4"), (1, 3, "s3")]
    assert [row["self_ns"] for row in rows] == [30, 25, 5, 40]
    assert [row["children"] for row in rows] == [2, 1, 0, 0]
    assert [row["offset_ns"] for row in rows] == [0, 10, 25, 50]


def test_the_critical_path_follows_what_finished_last():
    spans = [
        make(1, None, 0, 100), make(2, 1, 5, 60), make(3, 1, 10, 95),
        make(4, 3, 10, 50), make(5, 3, 20, 90), make(6, 1, 1, 9),
    ]  # fmt: skip
    critical = {int(r["span_id"], 16) for r in trace_view.rows(spans) if r["critical"]}
    assert critical == {1, 3, 5, 6}


def test_a_span_that_only_wraps_its_siblings_is_not_the_critical_path():
    spans = [
        make(1, None, 0, 100), make(2, 1, 0, 100, "agent.ooda.cycle"), make(3, 1, 5, 60),
        make(4, 3, 10, 55), make(5, 1, 60, 99),
    ]  # fmt: skip
    critical = {int(r["span_id"], 16) for r in trace_view.rows(spans) if r["critical"]}
    assert critical == {1, 3, 4, 5}


def test_work_that_outlives_its_parent_is_clipped_to_it():
    spans = [make(1, None, 0, 100), make(2, 1, 50, 200), make(3, 2, 60, 150), make(4, 1, 0, 40)]
    rows = {int(r["span_id"], 16): r for r in trace_view.rows(spans)}
    assert {i for i, row in rows.items() if row["critical"]} == {1, 2, 3, 4}
    assert rows[1]["self_ns"] == 10


def test_a_parent_that_never_came_is_shown_as_missing():
    rows = trace_view.rows([make(2, 9, 10, 20), make(3, 9, 15, 40), make(1, None, 0, 50)])
    assert shown(rows) == [(0, 1, "s1"), (0, 9, "(missing span)"), (1, 2, "s2"), (1, 3, "s3")]
    placeholder = rows[1]
    assert (placeholder["missing"], placeholder["running"]) == (True, False)
    assert (placeholder["offset_ns"], placeholder["duration_ns"]) == (10, 30)


def test_what_has_not_ended_stands_under_the_announced_root():
    started = make(1, None, 0, 0, semconv.SPAN_CYCLE)
    rows = trace_view.rows(
        [make(3, 2, 10, 20, semconv.SPAN_DEBATE_ROLE), make(5, 4, 22, 25)],
        started=started, running=True, last_ns=30,
    )  # fmt: skip
    assert shown(rows) == [
        (0, 1, semconv.SPAN_CYCLE), (1, 2, semconv.SPAN_DECISION),
        (2, 3, semconv.SPAN_DEBATE_ROLE), (1, 4, "(running span)"), (2, 5, "s5"),
    ]  # fmt: skip
    assert [row["running"] for row in rows] == [True, True, False, True, False]
    assert rows[0]["duration_ns"] == 30


def test_an_empty_trace_has_no_rows():
    assert trace_view.rows([]) == []


spans = st.tuples(
    st.integers(1, 12), st.none() | st.integers(1, 14), st.integers(0, 99), st.integers(0, 99)
)


@given(st.lists(spans, max_size=12, unique_by=lambda t: t[0]), st.booleans())
def test_whatever_the_parents_say_each_span_is_shown_once(drawn, running):
    spans = [make(i, parent, start, start + length) for i, parent, start, length in drawn]
    rows = trace_view.rows(spans, running=running, last_ns=200)
    ids = [int(row["span_id"], 16) for row in rows]
    assert len(ids) == len(set(ids))
    known = {s.span_id for s in spans}
    assert known <= set(ids)
    for row in rows:
        assert (row["missing"] or row["running"]) == (int(row["span_id"], 16) not in known)
        assert 0 <= row["self_ns"] <= row["duration_ns"]
        assert row["offset_ns"] >= 0
    for before, row in pairwise(rows):
        assert row["depth"] <= before["depth"] + 1
    for row in rows:
        if row["depth"] > 0:
            above = rows[: rows.index(row)]
            parent = next(r for r in reversed(above) if r["depth"] == row["depth"] - 1)
            assert row["parent_span_id"] == parent["span_id"]
    assert any(row["critical"] for row in rows) == bool(rows)
