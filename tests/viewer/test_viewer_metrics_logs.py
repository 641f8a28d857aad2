# SPDX-License-Identifier: Apache-2.0
"""Metrics and logs in a browser, and what the page says when the server is gone."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect
from viewer_page import NOT_BY_ITSELF

pytestmark = pytest.mark.browser


def drawn(page, chart):
    """Number of different colours on a chart's canvas."""
    return page.locator(f'[data-chart="{chart}"] canvas').evaluate(
        """canvas => {
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          const colours = new Set();
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] > 200) colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
          }
          return colours.size;
        }"""
    )


GRID_TAKES = """async ([chart, colour]) => {
  for (;;) {
    await new Promise(requestAnimationFrame);
    // A chart is drawn anew when data or colours change, so that its canvas may be replaced.
    const canvas = document.querySelector(`[data-chart="${chart}"] canvas`);
    if (!canvas?.width) continue;
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4)
      if (colour.every((value, part) => data[i + part] === value)) return;
  }
}"""
"""Waits until the lines of a chart's grid have a colour."""


def test_the_board_draws_its_charts(page, server) -> None:
    page.goto(f"{server.url}#/metrics")
    expect(page.locator(".chart .u-over")).to_have_count(15)
    assert drawn(page, "cycle") > 2
    expect(page.locator('[data-chart="phase"] .chart-legend li')).to_have_count(5)
    expect(page.locator('[data-chart="portfolio"] .chart-legend b')).to_contain_text("$")


def test_the_cursor_is_shared_and_has_a_tooltip(page, server) -> None:
    page.goto(f"{server.url}#/metrics")
    expect(page.locator(".chart .u-over")).to_have_count(15)
    legend = page.locator('[data-chart="api"] .chart-legend')
    before = legend.inner_text()
    box = page.locator('[data-chart="cycle"] .u-over').bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30, steps=4)
    expect(page.locator('[data-chart="cycle"] .chart-tip li')).to_have_count(2)
    expect(legend).not_to_have_text(before)
    expect(page.locator('[data-chart="api"] .chart-tip')).to_have_count(0)


def test_range_and_chosen_metric_are_in_the_address(page, server, stub) -> None:
    page.goto(f"{server.url}#/metrics")
    page.get_by_role("button", name="6 h", exact=True).click()
    page.get_by_label("Any metric").select_option("ffe.llm.tokens")
    page.get_by_label("Split by").select_option("direction")
    explored = page.locator('[data-chart="explore"]')
    expect(explored.locator(".chart-legend li")).to_have_count(2)
    expect(explored.locator("h2")).to_have_text("ffe_llm_tokens_total")
    page.reload()
    expect(explored.locator(".chart-legend li")).to_have_count(2)
    assert any(
        "name=ffe.llm.tokens&range=21600" in r and "by=direction" in r for r in stub.requests
    )


@pytest.mark.parametrize(("minutes", "fits"), [(2, "5 m"), (10, "15 m"), (59, "1 h")])
def test_the_range_fits_what_there_is_until_one_is_chosen(
    page, server, stub, minutes, fits
) -> None:
    stub.data_since = time.time() - minutes * 60
    page.goto(f"{server.url}#/metrics")
    chosen = page.get_by_role("group", name="Range").locator("[aria-pressed=true]")
    expect(chosen).to_have_text(fits)
    assert "range" not in page.url
    page.get_by_role("button", name="6 h", exact=True).click()
    expect(chosen).to_have_text("6 h")
    assert "range=6h" in page.url


def test_times_stand_above_each_other_in_all_charts(page, server) -> None:
    page.goto(f"{server.url}#/metrics")
    expect(page.locator(".chart .u-over")).to_have_count(15)
    offsets = page.evaluate(
        """() => [...document.querySelectorAll(".chart")].map(chart => {
          const own = chart.getBoundingClientRect();
          const plot = chart.querySelector(".u-over").getBoundingClientRect();
          return [plot.left - own.left, plot.width].map(Math.round).join();
        })"""
    )
    assert len(set(offsets)) == 1, offsets


def test_a_metric_that_never_came_is_no_error(page, server, stub) -> None:
    stub.missing_metrics.add("process.cpu")
    page.goto(f"{server.url}#/metrics")
    expect(page.locator('[data-chart="cpu"]')).to_contain_text("No data in this range")
    assert not any("process.cpu" in request for request in stub.requests)


def test_charts_follow_the_colour_scheme(page, server) -> None:
    page.goto(f"{server.url}#/metrics")
    expect(page.locator(".chart .u-over")).to_have_count(15)
    page.evaluate(GRID_TAKES, ["memory", [231, 234, 239, 255]])
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(13, 15, 19)")
    page.evaluate(GRID_TAKES, ["memory", [33, 38, 46, 255]])
    expect(page.locator(".chart .u-over")).to_have_count(15)


def test_logs_filter_by_level_and_text_and_lead_to_their_trace(page, server, stub) -> None:
    page.goto(f"{server.url}#/logs")
    page.wait_for_selector(".log-row")
    page.get_by_role("button", name="Error", exact=True).click()
    expect(page.locator(".log-row.level-info")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("attempt 2")
    first = page.locator(".log-row").first
    expect(first.locator("mark")).to_have_text("attempt 2")
    assert "level=ERROR" in page.url
    first.locator(".link").click()
    expect(page.locator(".row.log.selected .message")).to_contain_text("attempt 2")
    expect(page.locator(".panel .log-body")).to_contain_text("model is loading")


def test_new_log_lines_arrive_and_wait_for_a_reader_who_scrolled(page, server, stub) -> None:
    page.goto(f"{server.url}#/logs")
    page.wait_for_selector(".log-row")

    def say(text: str) -> None:
        stub.extra_logs.append(
            {**stub.told[0].logs[0], "unix_nano": str(time.time_ns()), "body": text}
        )
        stub.publish("cycles", {"trace_ids": []})

    say("a line from nowhere")
    expect(page.locator(".log-row").first).to_contain_text("a line from nowhere")
    page.locator(".log-scroll").evaluate("element => element.scrollTo(0, 600)")
    say("and another")
    page.get_by_role("button", name="1 new").click()
    expect(page.locator(".log-row").first).to_contain_text("and another")
    assert page.locator(".log-row").count() < 100


def test_a_lost_server_is_told_and_found_again(page, server, stub, complaints) -> None:
    complaints.expected = ("ERR_", "Failed to load resource")
    page.add_init_script(NOT_BY_ITSELF)
    page.goto(server.url)
    page.wait_for_selector(".cycle")
    stub.gone = True
    stub.hang_up()
    expect(page.locator(".banner")).to_contain_text("Lost the connection")
    expect(page.locator(".cycle").first).to_be_visible()
    stub.gone = False
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(".live-button")).to_contain_text("Live")


def test_a_missing_token_is_explained(page, server, stub, complaints) -> None:
    complaints.expected = ("401",)
    stub.unauthorised = True
    page.goto(server.url)
    expect(page.locator(".problem:visible")).to_contain_text("needs its token")


def test_numbers_and_times_read_well(page, server) -> None:
    page.goto(server.url)
    shown = page.evaluate(
        """async () => {
          const f = await import("./static/core/format.js");
          return {
            durations: [0, 999, 1000, 1234567, 999600, 59.96e9, 3.7e12].map(f.duration),
            exact: f.exact(8423117204), pnl: [-5.994, 12.3, 0, null].map(f.pnl),
            usd: [0, 0.00421, 1234.5].map(f.usd), count: [7, 3400, 1250000].map(f.count),
            bytes: [512, 2048, 3 * 1024 ** 3].map(f.bytes),
            utc: f.utc("1700000000123456789"), clock: f.clock("1700000000123456789", 9).slice(-10),
          };
        }"""
    )
    assert shown == {
        "durations": ["0", "999 ns", "1.00 µs", "1.23 ms", "1.00 ms", "1m 00s", "1h 02m"],
        "exact": "8.423\u2009117\u2009204 s",
        "pnl": ["\u2212$5.99", "+$12.30", "$0.00", "\u2013"],
        "usd": ["$0", "$0.0042", "$1,234.50"],
        "count": ["7", "3.40k", "1.25M"],
        "bytes": ["512 B", "2.00 KiB", "3.00 GiB"],
        "utc": "2023-11-14T22:13:20.123456789Z",
        "clock": ".123456789",
    }
