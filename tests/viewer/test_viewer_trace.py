# SPDX-License-Identifier: Apache-2.0
"""One trace in a browser: waterfall, logs inside it, errors, keys, side panel."""

from __future__ import annotations

import json
import random
import time

import pytest
import viewer_data
from playwright.sync_api import expect
from viewer_page import press

pytestmark = pytest.mark.browser


@pytest.fixture
def failed(stub):
    return next(c for c in stub.told if c.kind == "failed")


def open_trace(page, server, trace_id, parameters=""):
    page.goto(f"{server.url}#/trace/{trace_id}{parameters}")
    page.wait_for_selector(".row")


def rows(page):
    return page.locator(".row .title, .row .message").all_inner_texts()


def test_a_cycle_opens_from_the_list_with_its_logs_inside_in_order_of_time(
    page, server, failed
) -> None:
    page.goto(server.url)
    page.locator(f'[data-trace="{failed.trace_id}"] .time a').click()
    page.wait_for_selector(".row")
    shown = rows(page)
    assert shown[:4] == [
        "ffe.cycle",
        f"Starting cycle {failed.number}",
        "perception",
        "ffe.data.fetch",
    ]
    error = "Local LLM error on attempt 2: model is loading, 503 (status code: 503)"
    assert shown.index("chat claude-sonnet-4-5") + 1 == shown.index(error)
    bear = "Debate mode: bear case ready"
    assert shown.index(error) < next(i for i, text in enumerate(shown) if text.startswith(bear))
    expect(page.locator(".row.log", has_text=error).locator(".severity")).to_have_text("ERR")


def test_n_finds_the_errors_one_after_the_other(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    press(page, "[", "[")
    selected = page.locator(".row.selected")
    found = []
    for _ in range(5):
        press(page, "n")
        found.append(selected.locator(".title, .message").inner_text())
    assert found[0] == "ffe.cycle"
    assert "chat claude-sonnet-4-5" in found
    assert any(text.startswith("Local LLM error") for text in found)
    press(page, "N")
    assert selected.locator(".title, .message").inner_text() == found[-2]


def test_the_panel_shows_exception_attributes_and_logs_of_the_span(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    page.locator(".row.error", has_text="chat claude").click()
    panel = page.locator(".panel")
    expect(panel).to_contain_text("model is loading, 503")
    expect(panel.locator(".exception pre")).to_contain_text("local_llm_provider.py")
    expect(panel.locator(".generation")).to_contain_text("claude-sonnet-4-5")
    panel.locator(".log-line").click()
    expect(panel.locator(".log-body")).to_contain_text("Local LLM error")
    panel.get_by_role("button", name="chat claude-sonnet-4-5").click()
    expect(panel.locator("h2")).to_have_text("chat claude-sonnet-4-5")
    assert "span=" in page.url


def test_every_digit_of_a_time_survives(page, server, stub) -> None:
    cycle = stub.told[0]
    span = cycle.answer()["spans"][0]
    open_trace(page, server, cycle.trace_id, f"?span={span['span_id']}")
    panel = page.locator(".panel")
    expect(panel.locator("h2")).to_have_text("ffe.cycle")
    fraction = span["start_unix_nano"][-9:]
    expect(panel).to_contain_text(f".{fraction}")
    digits = panel.locator(".facts dd").first.inner_text().replace("\u2009", "").removesuffix(" s")
    assert digits.replace(".", "").lstrip("0") == str(span["duration_ns"])


def test_only_errors_keeps_what_leads_to_them(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    press(page, "e")
    expect(page.get_by_text("perception", exact=True)).to_have_count(0)
    assert rows(page)[:4] == ["ffe.cycle", "reasoning", "ffe.decision.generate", "ffe.debate.role"]
    assert "errors=1" in page.url
    press(page, "e")
    expect(page.get_by_text("perception", exact=True)).to_have_count(1)


def test_keys_move_collapse_and_close(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    every = page.locator(".row").count()
    press(page, "j", "ArrowDown", "ArrowDown")
    expect(page.locator(".row.selected .title")).to_have_text("perception")
    press(page, "Enter")
    expect(page.locator(".row.selected")).to_have_attribute("aria-expanded", "false")
    assert page.locator(".row").count() < every
    press(page, "ArrowRight")
    expect(page.locator(".row")).to_have_count(every)
    press(page, "u")
    expect(page.locator(".row.selected .title")).to_have_text("ffe.cycle")
    press(page, "?")
    expect(page.locator("#help")).to_be_visible()
    press(page, "Escape")
    expect(page.locator("#help")).to_have_count(0)
    press(page, "Escape")
    expect(page.locator(".panel")).to_have_count(0)
    press(page, "Escape")
    page.wait_for_selector(".cycle")


def test_levels_fold_and_unfold(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    every = page.locator(".row").count()
    press(page, *("[" * 9))
    assert rows(page) == ["ffe.cycle"]
    expect(page.locator(".row .badge.bad")).to_have_text("5")
    press(page, "]")
    assert "perception" in rows(page)
    press(page, "x")
    expect(page.locator(".row")).to_have_count(every)


def test_logs_change_between_place_lane_and_off(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    assert page.locator(".row.log").count() == len(failed.logs)
    press(page, "l")
    expect(page.locator(".row.log")).to_have_count(0)
    assert page.locator(".lane-tick").count() == len(failed.logs)
    assert "logs=lane" in page.url
    page.locator(".lane-tick.level-error").last.click()
    expect(page.locator(".panel .log-body")).to_contain_text("Critical debate providers failed")
    press(page, "l")
    expect(page.locator(".lane")).to_have_count(0)


def test_search_marks_what_matches_and_jumps_to_it(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id, "?q=news_sentiment")
    hits = page.locator(".row.hit")
    assert hits.count() == 2
    assert page.locator(".row.dim").count() == page.locator(".row").count() - 2
    press(page, "/", "Enter")
    expect(page.locator(".row.selected .title")).to_have_text("ffe.data.fetch")
    expect(page.locator(".panel mark").first).to_have_text("NEWS_SENTIMENT")
    expect(page.locator(".found")).to_have_text("1 / 2")
    press(page, "Escape")
    expect(page.locator(".row.dim")).to_have_count(0)


def test_markup_in_data_stays_text(page, server, stub) -> None:
    evil = '<img src=x onerror="document.title=1"><script>alert(1)</script>'
    told = viewer_data.Teller(random.Random(1), "e" * 32, time.time_ns())
    with told.span(evil, {evil: evil}) as root:
        told.log("INFO", "x", evil)
        told.wait(1, 2)
        root.error = evil
    stub.traces["e" * 32] = told.answer()
    open_trace(page, server, "e" * 32)
    page.locator(".row").first.click()
    expect(page.locator(".panel h2")).to_have_text(evil)
    assert page.locator("img, .panel script").count() == 0


def test_critical_path_can_be_drawn_and_hidden(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    assert page.locator(".row .critical").count() > 3
    press(page, "c")
    expect(page.locator(".row .critical")).to_have_count(0)


def test_dragging_over_the_axis_zooms_and_zero_resets(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    box = page.locator(".map").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 10, box["y"] + 10, steps=3)
    page.mouse.up()
    expect(page.locator(".map .window")).to_be_visible()
    root = page.locator(".row .bar").first.bounding_box()
    assert root["width"] >= box["width"] * 0.99
    press(page, "0")
    expect(page.locator(".map .window")).to_have_count(0)


def test_ten_thousand_spans_keep_a_small_document(page, server, stub) -> None:
    stub.traces["b" * 32] = viewer_data.wide_trace("b" * 32, 10_000, time.time_ns())
    open_trace(page, server, "b" * 32)
    expect(page.locator(".wf-head-name")).to_contain_text("10000 spans")
    assert page.locator(".row").count() < 80
    page.locator(".wf-scroll").evaluate("element => element.scrollTo(0, 120000)")
    expect(page.locator(".row", has_text="batch.row 5000")).to_be_visible()
    assert page.locator(".row").count() < 80
    press(page, "n")
    expect(page.locator(".row.selected .title")).to_have_text("batch.row 9998")
    press(page, "Home")
    expect(page.locator(".row.selected .title")).to_have_text("batch.import")


def test_a_running_trace_grows_while_it_is_watched(page, server, stub) -> None:
    trace_id = "a" * 32
    row, trace = viewer_data.running(time.time_ns() - 1_000_000_000, trace_id)
    stub.rows.insert(0, row)
    stub.traces[trace_id] = trace
    open_trace(page, server, trace_id)
    duration = page.locator(".trace-facts dd").nth(1)
    expect(duration).to_contain_text("running")
    before = duration.inner_text()
    expect(duration).not_to_have_text(before)
    page.locator(".row", has_text="perception").click()
    later = json.loads(json.dumps(trace))
    later["spans"].append(
        {
            **later["spans"][1],
            "span_id": "f" * 16,
            "name": "ffe.phase.risk_check",
            "offset_ns": 950_000_000,
            "duration_ns": 1_000_000,
        }
    )
    stub.traces[trace_id] = later
    stub.publish("cycles", {"trace_ids": [trace_id]})
    expect(page.locator(".row", has_text="risk check")).to_be_visible()
    expect(page.locator(".row.selected .title")).to_have_text("perception")


def test_export_is_otlp_json(page, server, failed) -> None:
    open_trace(page, server, failed.trace_id)
    with page.expect_download() as download:
        page.get_by_role("button", name="OTLP").click()
    payload = json.loads(download.value.path().read_text())
    spans = [
        span
        for resource in payload["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    told = {s["span_id"]: s for s in failed.answer()["spans"]}
    assert {s["spanId"] for s in spans} == set(told)
    for span in spans:
        was = told[span["spanId"]]
        assert span["startTimeUnixNano"] == was["start_unix_nano"]
        assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == was["duration_ns"]
    logs = payload["resourceLogs"][0]["scopeLogs"]
    assert sum(len(scope["logRecords"]) for scope in logs) == len(failed.logs)


def test_an_unknown_trace_is_explained(page, server, complaints) -> None:
    complaints.expected = ("404",)
    page.goto(f"{server.url}#/trace/unheard-of")
    expect(page.locator(".problem")).to_contain_text("No such trace")
    expect(page.locator(".problem")).to_contain_text("The store keeps 7 days.")


def test_event_records_stay_out_until_asked_for(page, server, stub) -> None:
    told = viewer_data.Teller(random.Random(1), "9" * 32, time.time_ns())
    with told.span("ffe.cycle"):
        told.log("INFO", "x", "a line")
        told.log("INFO", "x", "null")
        told.logs[-1] |= {"event_name": "llm_calls", "attributes": {"model": "gemma2:9b"}}
    stub.traces["9" * 32] = told.answer()
    open_trace(page, server, "9" * 32)
    assert rows(page) == ["ffe.cycle", "a line"]
    press(page, "v")
    assert rows(page) == ["ffe.cycle", "a line", "llm calls model=gemma2:9b"]
    assert "events=1" in page.url
