# SPDX-License-Identifier: Apache-2.0
"""Many tabs of one browser: a host gets six connections for all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import viewer_data
from playwright.sync_api import expect
from viewer_page import NOT_BY_ITSELF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

pytestmark = pytest.mark.browser

TABS = 8


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(20_000)
    yield context
    context.close()


def streams(stub) -> int:
    """How often the event stream was asked for."""
    return sum(request.startswith("/api/v1/live") for request in stub.requests)


def announce(stub, trace_id: str, number: int) -> None:
    row, _ = viewer_data.running(time.time_ns(), trace_id, number)
    stub.rows.insert(0, row)
    stub.publish("cycles", {"trace_ids": [trace_id]})


def test_eight_tabs_share_one_stream_and_another_takes_over(context, server, stub) -> None:
    tabs = [context.new_page() for _ in range(TABS)]
    for tab in tabs:
        tab.goto(server.url)
        tab.wait_for_selector(".cycle")
    for tab in tabs:
        expect(tab.locator(".live-button")).to_contain_text("Live")
    assert streams(stub) == 1
    announce(stub, "a" * 32, 1001)
    for tab in tabs:
        expect(tab.locator(".cycle.running .number")).to_have_text("1001")

    # What comes while nobody reads is found by reading the list again.
    row, _ = viewer_data.running(time.time_ns(), "b" * 32, 1002)
    stub.rows.insert(0, row)
    tabs[0].close()
    for tab in tabs[1:]:
        expect(tab.locator(".cycle .number").first).to_have_text("1002")
    assert streams(stub) == 2
    announce(stub, "c" * 32, 1003)
    for tab in tabs[1:]:
        expect(tab.locator(".cycle .number").first).to_have_text("1003")


def test_a_lost_stream_is_lost_in_every_tab_and_any_of_them_can_try_again(
    context, server, stub
) -> None:
    context.add_init_script(NOT_BY_ITSELF)
    tabs = [context.new_page() for _ in range(2)]
    for tab in tabs:
        tab.goto(server.url)
        expect(tab.locator(".live-button")).to_contain_text("Live")
    stub.gone = True
    stub.hang_up()
    for tab in tabs:
        expect(tab.locator(".banner")).to_contain_text("Lost the connection")
    stub.gone = False
    tabs[1].get_by_role("button", name="Try now").click()
    for tab in tabs:
        expect(tab.locator(".banner")).to_have_count(0)
        expect(tab.locator(".live-button")).to_contain_text("Live")


def test_without_locks_a_tab_has_a_stream_while_it_is_seen(context, server, stub) -> None:
    context.add_init_script("delete Navigator.prototype.locks")
    tab = context.new_page()
    tab.goto(server.url)
    expect(tab.locator(".live-button")).to_contain_text("Live")
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    tab.evaluate(hide, True)
    row, _ = viewer_data.running(time.time_ns(), "a" * 32)
    stub.rows.insert(0, row)
    stub.publish("cycles", {"trace_ids": [row["trace_id"]]})
    tab.evaluate(hide, False)
    expect(tab.locator(".cycle.running")).to_have_count(1)
    assert streams(stub) == 2
