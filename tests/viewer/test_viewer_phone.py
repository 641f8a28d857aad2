# SPDX-License-Identifier: Apache-2.0
"""The page at 400 pixels: nothing sticks out, nothing that matters is squeezed to nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def phone(page, server):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(server.url)
    page.wait_for_selector(".cycle")
    return page


def inside(page, locator) -> bool:
    """Whether all of an element is within the width of the page, with nothing of it cut off."""
    box = locator.bounding_box()
    cut = locator.evaluate("element => element.scrollWidth > element.clientWidth + 1")
    return box["x"] >= 0 and box["x"] + box["width"] <= 400 and box["width"] > 0 and not cut


def test_no_view_scrolls_sideways(phone, server, stub) -> None:
    for place in ("#/cycles", f"#/trace/{stub.rows[0]['trace_id']}", "#/metrics", "#/logs"):
        phone.goto(server.url + place)
        phone.wait_for_selector(".cycle, .row, .u-over, .log-row")
        assert phone.evaluate("document.documentElement.scrollWidth") == 400, place
        assert phone.evaluate("document.querySelector('.top').scrollWidth") <= 400, place


def test_the_figures_and_a_cycle_can_be_read(phone) -> None:
    for name in ("Agent", "Last cycle", "Last decision", "P&L today", "Errors today", "Store"):
        cell = phone.locator(".strip .cell", has=phone.get_by_text(name, exact=True))
        expect(cell).to_have_count(1)
        assert inside(phone, cell.locator(".cell-name")), name
        assert inside(phone, cell.locator(".cell-value")), name
    first = phone.locator(".cycle").first
    for part in ("time", "result", "length", "decision", "assets", "pnl"):
        assert inside(phone, first.locator(f".{part}")), part
    assert phone.locator(".cycle-table").evaluate("e => e.scrollWidth <= e.clientWidth")


def test_the_message_of_a_log_line_has_most_of_the_width(phone, server) -> None:
    phone.goto(f"{server.url}#/logs")
    message = phone.locator(".log-row .message").first
    message.wait_for()
    assert message.bounding_box()["width"] > 220


def test_the_correlation_id_is_there_to_be_copied(phone, server, stub) -> None:
    phone.goto(f"{server.url}#/trace/{stub.rows[0]['trace_id']}")
    button = phone.locator(".id")
    expect(button).to_contain_text(stub.rows[0]["correlation_id"])
    assert inside(phone, button.locator("code"))
    assert inside(phone, button)
    assert inside(phone, phone.locator(".trace-title .outcome"))


@pytest.mark.parametrize("place", ["trace", "logs"])
def test_the_details_cover_the_page(phone, server, stub, place) -> None:
    where = f"trace/{stub.rows[0]['trace_id']}" if place == "trace" else place
    phone.goto(f"{server.url}#/{where}")
    phone.locator(".row .name, .log-row").first.click(position={"x": 60, "y": 8})
    panel = phone.locator(".panel")
    box = panel.bounding_box()
    assert (box["x"], box["width"]) == (0, 400)
    assert box["y"] + box["height"] == 800
    on_top = "([x, y]) => Boolean(document.elementFromPoint(x, y).closest('.panel'))"
    for x in (5, 200, 395):
        for y in range(60, 800, 60):
            assert phone.evaluate(on_top, [x, y]), (x, y)
    assert "rgba" not in panel.evaluate("e => getComputedStyle(e).backgroundColor")
    phone.get_by_role("button", name="Close").click()
    expect(panel).to_have_count(0)
