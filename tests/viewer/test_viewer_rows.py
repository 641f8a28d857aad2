# SPDX-License-Identifier: Apache-2.0
"""Rows of the list of cycles: odd values, long values, many rows, what is live in them."""

from __future__ import annotations

import time

import pytest
import viewer_data
from playwright.sync_api import expect
from viewer_page import DRAWN

pytestmark = pytest.mark.browser

ODD = [5, -1.5, True, [], ["x", 1], {}, {"a": {"b": 1}}, "", "text", "9" * 30, None]
NOT_SAID = """old => {
  const tip = document.getElementById("tooltip");
  return tip.hidden || tip.textContent !== old;
}"""


def open_list(page, server):
    page.goto(f"{server.url}#/cycles")
    page.wait_for_selector(".cycle")


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_one_odd_cycle_is_one_odd_row(page, server, stub, odd) -> None:
    keep = {"trace_id", "correlation_id"}
    stub.rows[1] = {k: v if k in keep else odd for k, v in stub.rows[1].items()}
    stub.rows[2] = {**stub.rows[2], "phases": [odd, {"name": odd, "offset_ns": odd}]}
    stub.rows[0] = {**stub.rows[0], "action": odd, "outcome": odd, "reason": odd, "number": odd}
    open_list(page, server)
    expect(page.locator(".cycle")).to_have_count(50)
    expect(page.locator(".strip")).to_contain_text("Idle")
    expect(page.locator(f'[data-trace="{stub.rows[3]["trace_id"]}"] .number')).to_have_text(
        str(stub.rows[3]["number"])
    )
    assert "NaN" not in page.locator("main").inner_text()


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_trace_of_odd_attributes_can_be_read(page, server, stub, odd) -> None:
    answer = stub.told[0].answer(stub.rows[0])
    answer["cycle"] = {**stub.rows[0], "action": odd, "confidence": odd, "verdict": odd}
    for span in answer["spans"]:
        span["attributes"] = dict.fromkeys(span["attributes"], odd)
    stub.traces[stub.rows[0]["trace_id"]] = answer
    page.goto(f"{server.url}#/trace/{stub.rows[0]['trace_id']}")
    page.wait_for_selector(".row")
    assert page.locator(".row").count() > 10
    page.locator(".row", has_text="chat").first.click()
    expect(page.locator(".panel h2")).to_contain_text("chat")


def test_long_numbers_and_actions_are_not_cut(page, server, stub) -> None:
    actions = ["OPEN_MEDIUM_SHORT", "REDUCE_SHORT", "CLOSE_LONG", "HOLD", "ADD_SMALL_LONG"]
    for row, action in zip(stub.rows, actions, strict=False):
        row |= {"action": action, "confidence": 100, "decision_ids": ["a", "b", "c"]}
    stub.rows[3]["number"] = 12_345_678
    page.set_viewport_size({"width": 1280, "height": 800})
    open_list(page, server)
    shown = page.locator(".cycle .decision")
    assert " ".join(shown.first.inner_text().split()) == "▼ OPEN SHORT medium 100% +2"
    assert shown.nth(2).inner_text().startswith("▼")
    for column in ("decision", "number"):
        for i in range(len(actions)):
            cell = page.locator(f".cycle .{column}").nth(i)
            assert cell.evaluate("e => e.scrollWidth <= e.clientWidth"), (column, i)
            assert cell.evaluate(
                "e => [...e.querySelectorAll('b')].every(b => b.scrollWidth <= b.clientWidth)"
            )


def test_a_failed_cycle_says_what_happened(page, server, stub) -> None:
    said = "Phase REASONING timed out after 3.0s"
    stub.rows[0] |= {"outcome": "failed", "reason": "cycle_failed", "status_message": said}
    open_list(page, server)
    reason = page.locator(".cycle .reason").first
    expect(reason).to_have_text(said)
    assert "cycle_failed" in reason.get_attribute("data-tip")


def test_the_phase_a_running_cycle_is_in_is_drawn(page, server, stub) -> None:
    row, _ = viewer_data.running(time.time_ns(), "d" * 32)
    stub.rows.insert(0, row)
    stub.agent_state = "REASONING"
    open_list(page, server)
    expect(page.locator(".cycle.running .part.phase-reasoning")).to_have_count(1)


def test_a_tooltip_goes_when_what_it_was_about_has_changed(page, server, stub) -> None:
    stub.rows[0] |= {"action": "OPEN_SMALL_LONG", "decision_ids": ["a"]}
    open_list(page, server)
    action = page.locator(".strip .action")
    action.locator("b").hover()
    tip = page.locator("#tooltip")
    expect(tip).to_have_text("OPEN SMALL LONG")
    stub.rows[0]["action"] = "CLOSE_LONG"
    stub.publish("cycles", {"trace_ids": [stub.rows[0]["trace_id"]]})
    expect(action).to_contain_text("CLOSE LONG")
    page.wait_for_function(NOT_SAID, arg="OPEN SMALL LONG")


def test_a_tooltip_does_not_stay_over_another_row(page, server, stub) -> None:
    open_list(page, server)
    page.locator(".phases").nth(2).hover()
    tip = page.locator("#tooltip")
    expect(tip).to_be_visible()
    told = tip.inner_text()
    row, _ = viewer_data.running(time.time_ns(), "d" * 32)
    stub.rows.insert(0, {**row, "state": "ended", "duration_ns": 7_000_000})
    stub.publish("cycles", {"trace_ids": [row["trace_id"]]})
    expect(page.locator(".cycle .number").first).to_have_text("1001")
    page.wait_for_function(NOT_SAID, arg=told)


def test_thousands_of_rows_cost_what_is_in_sight(page, server, stub) -> None:
    row = {**stub.rows[-1], "duration_ns": 600 * viewer_data.SECOND}
    now = time.time_ns()
    stub.rows = [
        {
            **row,
            "trace_id": f"{i:032x}",
            "number": 5000 - i,
            "start_unix_nano": str(now - i * 10**9),
        }
        for i in range(1, 601)
    ]
    open_list(page, server)
    table = page.locator(".cycle-table")
    deadline = time.monotonic() + 60
    while page.locator(".cycle").count() < 600:
        table.evaluate("element => element.scrollTo(0, element.scrollHeight)")
        page.evaluate(DRAWN)
        assert time.monotonic() < deadline
    chunks = page.locator(".chunk")
    assert chunks.count() >= 12
    assert chunks.first.evaluate("e => getComputedStyle(e).contentVisibility") == "auto"
    # Only the chunk in which something changed is drawn again.
    page.evaluate(
        """() => {
          window.touched = new Set();
          new MutationObserver(list => list.forEach(({ target }) => {
            const chunk = (target.nodeType === 1 ? target : target.parentElement).closest(".chunk");
            if (chunk) window.touched.add([...document.querySelectorAll(".chunk")].indexOf(chunk));
          })).observe(document.querySelector(".cycle-table"),
            { subtree: true, childList: true, attributes: true, characterData: true });
        }"""
    )
    running, _ = viewer_data.running(time.time_ns(), "d" * 32, 5001)
    stub.rows.insert(0, running)
    stub.publish("cycles", {"trace_ids": ["d" * 32]})
    expect(page.locator(".cycle.running .number")).to_have_text("5001", timeout=20_000)
    length = page.locator(".cycle.running .length")
    before = length.inner_text()
    expect(length).not_to_have_text(before)
    assert page.evaluate("Math.max(...window.touched)") <= 1


def test_health_is_one_click_away(page, server, stub) -> None:
    stub.rejected = 7
    open_list(page, server)
    expect(page.locator(".strip .cell.noted")).to_contain_text("7 rejected")
    page.get_by_role("button", name="Health").click()
    dialog = page.locator("#health")
    expect(dialog).to_contain_text("store")
    expect(dialog.locator(".bad-text")).to_have_text("7")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_broken_part_is_named_in_the_strip(page, server, stub) -> None:
    stub.backends["journal"] = {"ok": False, "detail": "no space left on device"}
    open_list(page, server)
    cell = page.locator(".strip .cell.warn", has_text="Health")
    expect(cell).to_contain_text("journal")
    expect(cell).to_contain_text("no space left on device")
