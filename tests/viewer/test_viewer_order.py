# SPDX-License-Identifier: Apache-2.0
"""Logs and children in order of time, also where the engine's own span is in the way."""

from __future__ import annotations

import random
import time

import pytest
import viewer_data
from playwright.sync_api import expect
from viewer_page import press

from ffe_otel import semconv as s

pytestmark = pytest.mark.browser

TRACE = "7" * 32
ENGINE = "finance_feedback_engine"


def timed_out(start: int) -> viewer_data.Teller:
    """A cycle as the engine tells it: its own span beside our phases, not around them."""
    told = viewer_data.Teller(random.Random(1), TRACE, start)
    with told.span(s.SPAN_CYCLE, {s.CYCLE_NUMBER: 3, s.CYCLE_OUTCOME: "failed"}) as root:
        with told.span("agent.ooda.cycle", scope=ENGINE):
            engine = told.stack.pop()  # what follows stands beside it, and is within it
            with told.span("ffe.phase.perception"), told.span("ffe.data.fetch"):
                told.wait(5, 6)
                told.log("INFO", "x", "fetched")
            with told.span("ffe.phase.reasoning") as reasoning:
                told.wait(3000, 3001)
                reasoning.error = "TimeoutError"
            told.stack.append(engine)
            told.log("ERROR", "agent", "Phase REASONING timed out after 3.0s")
        root.error = "Phase REASONING timed out after 3.0s"
    return told


def rows(page):
    return page.locator(".row .title, .row .message").all_inner_texts()


def open_trace(page, server, told):
    page.goto(f"{server.url}#/trace/{TRACE}")
    page.wait_for_selector(".row")


def test_what_the_enclosing_span_logs_stands_where_it_was_said(page, server, stub) -> None:
    told = timed_out(time.time_ns())
    stub.traces[TRACE] = told.answer(told.row())
    open_trace(page, server, told)
    assert rows(page) == [
        "ffe.cycle",
        "agent.ooda.cycle",
        "perception",
        "ffe.data.fetch",
        "fetched",
        "reasoning",
        "Phase REASONING timed out after 3.0s",
    ]
    press(page, "N")
    expect(page.locator(".row.selected .message")).to_have_text(rows(page)[-1])
    expect(page.locator(".panel .facts")).to_contain_text("agent.ooda.cycle")
    press(page, "u")
    expect(page.locator(".row.selected .title")).to_have_text("ffe.cycle")


def test_a_parallel_call_keeps_its_own_logs(page, server, stub) -> None:
    told = viewer_data.Teller(random.Random(1), TRACE, time.time_ns())
    with told.span(s.SPAN_CYCLE), told.span("GET", kind=3, scope="httpx"):
        first = told.stack.pop()
        with told.span("GET", kind=3, scope="httpx"):
            told.wait(5, 6)
        told.stack.append(first)
        told.log("INFO", "x", "the long one is done")
    stub.traces[TRACE] = told.answer()
    open_trace(page, server, told)
    assert rows(page) == ["ffe.cycle", "GET", "the long one is done", "GET"]


def test_the_head_says_why_and_the_numbers_say_of_what(page, server, stub) -> None:
    told = timed_out(time.time_ns())
    stub.traces[TRACE] = told.answer(told.row())
    open_trace(page, server, told)
    expect(page.locator(".trace-title")).to_contain_text("Phase REASONING timed out after 3.0s")
    expect(page.get_by_role("group", name="Errors")).to_contain_text("2 spans, 1 log")


def said(told: viewer_data.Teller, state: str) -> None:
    told.log("INFO", "ffe_otel", "null")
    told.logs[-1] |= {
        "event_name": s.EVENT_AGENT_STATE,
        "attributes": {"state_value": s.AGENT_STATES[state], "agent_id": "agent-1"},
    }


@pytest.mark.parametrize("children", [0, 1])
def test_a_running_phase_has_its_name_and_colour(page, server, stub, children) -> None:
    start = time.time_ns() - 2 * viewer_data.SECOND
    row, _ = viewer_data.running(start, TRACE)
    told = viewer_data.Teller(random.Random(1), TRACE, start)
    root = viewer_data.Span(
        77, None, s.SPAN_CYCLE, 1, s.DEFAULT_SERVICE_NAME, s.SCOPE, start, 0, 0, "", {}, [], []
    )
    told.stack.append(root.span_id)
    said(told, "PERCEPTION")
    with told.span("ffe.phase.perception"):
        told.wait(100, 200)
        said(told, "REASONING")
    told.stack.append(99)  # the phase itself, which has not arrived
    if children:
        with told.span("chat gemma2:9b", {s.GEN_AI_REQUEST_MODEL: "gemma2:9b"}, kind=3):
            told.wait(100, 200)
    told.log("INFO", "x", "thinking")
    stub.traces[TRACE] = told.answer(row, started=root, running=True, last_ns=told.now)
    open_trace(page, server, told)
    phase = page.locator(".row.running.phase-reasoning").first
    expect(phase.locator(".title")).to_have_text("reasoning")
    shown = rows(page)
    assert shown[:3] == ["ffe.cycle", "perception", "reasoning"]
    assert shown[-1] == "thinking"
    expect(page.locator(".row.log .message", has_text="thinking")).to_be_visible()
    if children:
        expect(page.locator(".row", has_text="chat gemma2:9b")).to_have_class(
            "row span phase-reasoning"
        )
    phase.click()
    expect(page.locator(".panel h2")).to_have_text("ffe.phase.reasoning")
