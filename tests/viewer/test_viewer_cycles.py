# SPDX-License-Identifier: Apache-2.0
"""The list of cycles in a browser."""

from __future__ import annotations

import time

import pytest
import viewer_data
from playwright.sync_api import expect
from viewer_page import press

pytestmark = pytest.mark.browser


def open_list(page, server, parameters=""):
    page.goto(f"{server.url}#/cycles{parameters}")
    page.wait_for_selector(".cycle")


def test_cycles_are_listed_newest_first_with_what_matters(page, server, stub) -> None:
    open_list(page, server)
    first = page.locator(".cycle").first
    row = stub.rows[0]
    expect(first.locator(".number")).to_have_text(str(row["number"]))
    expect(first.locator(".decision")).to_contain_text(f"{row['confidence']}%")
    expect(first.locator(".result")).to_contain_text(row["outcome"])
    assert first.locator(".phases .part").count() == len(row["phases"])
    numbers = [int(n) for n in page.locator(".cycle .number").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 50


def test_phase_bars_are_relative_to_the_slowest_or_full(page, server, stub) -> None:
    open_list(page, server)
    shown = stub.rows[:50]
    slowest = max(r["duration_ns"] for r in shown)

    def share(index: int) -> float:
        whole = page.locator(".phases .whole").nth(index).bounding_box()
        bar = page.locator(".phases").nth(index).bounding_box()
        return whole["width"] / bar["width"]

    assert share(3) == pytest.approx(shown[3]["duration_ns"] / slowest, abs=0.01)
    page.keyboard.press("w")
    expect(page.get_by_role("button", name="Full")).to_have_attribute("aria-pressed", "true")
    assert share(3) == pytest.approx(1, abs=0.01)


def test_filters_are_asked_of_the_server_and_kept_in_the_address(page, server, stub) -> None:
    open_list(page, server)
    page.get_by_label("Asset").select_option("ETHUSD")
    page.keyboard.press("e")
    expect(page.locator(".cycle")).to_have_count(
        sum("ETHUSD" in r["asset_pairs"] and r["errors"] > 0 for r in stub.rows)
    )
    assert "asset=ETHUSD" in page.url
    assert "errors=1" in page.url
    page.reload()
    page.wait_for_selector(".cycle")
    expect(page.get_by_label("Asset")).to_have_value("ETHUSD")
    assert set(page.locator(".cycle .outcome").all_inner_texts()) == {"failed"}


def test_search_narrows_and_an_empty_result_offers_a_way_back(page, server) -> None:
    open_list(page, server)
    page.keyboard.press("/")
    page.keyboard.type("nothing-like-this")
    page.get_by_role("button", name="Clear the filter").click()
    expect(page.locator(".cycle")).to_have_count(50)


def test_older_cycles_come_when_scrolled_to(page, server, stub) -> None:
    open_list(page, server)
    table = page.locator(".cycle-table")
    for loaded in (100, len(stub.rows)):
        table.evaluate("element => element.scrollTo(0, element.scrollHeight)")
        # There may be more already: the end comes near while rows are put in.
        expect(page.locator(".cycle").nth(loaded - 1)).to_be_attached()
    expect(page.locator(".cycle")).to_have_count(len(stub.rows))
    expect(page.locator(".more")).to_contain_text("first cycle")


def test_keyboard_moves_through_the_list_and_opens_a_cycle(page, server, stub) -> None:
    open_list(page, server)
    for key in ("j", "j", "ArrowDown", "k", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector(".row")
    assert stub.rows[1]["trace_id"] in page.url


def test_a_click_anywhere_in_a_row_opens_it_and_back_keeps_the_filter(page, server, stub) -> None:
    open_list(page, server, "?asset=EURUSD")
    page.locator(".phases").nth(2).click()
    page.wait_for_selector(".row")
    page.get_by_label("All cycles", exact=True).click()
    expect(page.get_by_label("Asset")).to_have_value("EURUSD")


def test_a_running_cycle_appears_grows_and_ends_without_a_reload(page, server, stub) -> None:
    open_list(page, server)
    trace_id = "d" * 32
    row, _ = viewer_data.running(time.time_ns(), trace_id)
    stub.rows.insert(0, row)
    stub.publish("cycles", {"trace_ids": [trace_id]})
    running = page.locator(".cycle.running")
    expect(running.locator(".number")).to_have_text("1001")
    before = running.locator(".length").inner_text()
    expect(running.locator(".length")).not_to_have_text(before)
    stub.rows[0] = {**row, "state": "ended", "duration_ns": 2_000_000_000, "outcome": "executed"}
    stub.publish("cycles", {"trace_ids": [trace_id]})
    expect(page.locator(".cycle").first.locator(".result")).to_contain_text("executed")
    expect(running).to_have_count(0)


def test_pause_holds_updates_back_until_resumed(page, server, stub) -> None:
    open_list(page, server)
    page.keyboard.press("p")
    expect(page.locator(".live-button")).to_contain_text("Paused")
    row, _ = viewer_data.running(time.time_ns(), "c" * 32)
    stub.rows.insert(0, row)
    stub.publish("cycles", {"trace_ids": [row["trace_id"]]})
    before = len(stub.requests)
    press(page, "j", "j")
    assert page.locator(".cycle.running").count() == 0
    assert not any("/cycles" in request for request in stub.requests[before:])
    page.keyboard.press("p")
    expect(page.locator(".cycle.running")).to_have_count(1)


def test_status_strip_says_how_the_agent_is(page, server, stub) -> None:
    open_list(page, server)
    strip = page.locator(".strip")
    expect(strip).to_contain_text("Idle")
    expect(strip).to_contain_text("+$138.42")
    expect(strip).to_contain_text("s ago")
    expect(strip.locator(".cell.warn")).to_have_count(0)
    for row in stub.rows:
        row["start_unix_nano"] = str(int(row["start_unix_nano"]) - 3_600_000_000_000)
    page.reload()
    expect(strip.locator(".cell.warn")).to_contain_text("later than usual")


def test_without_totals_the_strip_sums_what_is_in_view(page, server, stub) -> None:
    stub.with_totals = False
    open_list(page, server)
    shown = sum(r["pnl_dollars"] or 0 for r in stub.rows[:50])
    strip = page.locator(".strip")
    expect(strip).to_contain_text("P&L in view")
    expect(strip).to_contain_text(f"{abs(shown):.2f}")


def test_an_empty_store_tells_how_to_send_the_first_trace(page, server, stub) -> None:
    stub.rows.clear()
    page.goto(server.url)
    commands = page.locator(".command code")
    expect(commands).to_have_count(2)
    assert commands.all_inner_texts()[1].startswith("ffe-otel run -- ")


def test_nothing_sticks_out_at_900_pixels(page, server, stub) -> None:
    page.set_viewport_size({"width": 900, "height": 700})
    for place in ("", f"#/trace/{stub.rows[0]['trace_id']}", "#/metrics", "#/logs"):
        page.goto(server.url + place)
        page.wait_for_selector(".cycle, .row, .u-over, .log-row")
        assert page.evaluate("document.documentElement.scrollWidth") == 900, place
        assert page.evaluate("document.documentElement.scrollHeight") == 700, place
