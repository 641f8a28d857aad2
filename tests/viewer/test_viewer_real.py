# SPDX-License-Identifier: Apache-2.0
"""The page over the real backend: OTLP in at one end, a waterfall out at the other."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
import urllib.request

import pytest
import viewer_data
from playwright.sync_api import expect
from viewer_otlp import logs_payload, spans_payload
from viewer_page import press

from ffe_otel.config import load_config
from ffe_otel.observe.server import run_server

pytestmark = pytest.mark.browser


@pytest.fixture
def backend(tmp_path):
    """Addresses of a backend with an empty store."""
    ports = ("serve.port", "serve.otlp_http_port")
    overrides = {"state_dir": str(tmp_path / "backend"), "serve.otlp_grpc_port": -1}
    config = load_config(environ={}, overrides={**overrides, **dict.fromkeys(ports, 0)}).config
    ready: queue.Queue = queue.Queue()
    stop = threading.Event()
    thread = threading.Thread(
        target=run_server, args=(config,), kwargs={"ready": ready.put, "stop": stop}
    )
    thread.start()
    yield ready.get(timeout=60)
    stop.set()
    thread.join(30)


def send(backend, signal, payload):
    request = urllib.request.Request(
        f"{backend.otlp_http}/v1/{signal}",
        json.dumps(payload).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@pytest.fixture
def real_page(browser, backend):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(backend.page_with_token)
    yield page
    context.close()
    assert complaints == []


def test_a_cycle_sent_over_otlp_appears_live_and_its_error_is_found(real_page, backend) -> None:
    page = real_page
    assert "token" not in page.url
    expect(page.locator(".problem")).to_contain_text("Waiting for the first cycle")
    began = time.time_ns() - 30 * viewer_data.SECOND
    failed = viewer_data.Cycle(random.Random(5), began, 7, "failed", ["ETHUSD"])
    # The log lines first, the root last: telemetry arrives in any order.
    send(backend, "logs", logs_payload(failed))
    send(backend, "traces", spans_payload(failed.trace_id, failed.spans))
    row = page.locator(".cycle")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("failed")
    row.locator(".time a").click()
    expect(page.locator(".row .title").first).to_have_text("ffe.cycle")
    for _ in range(8):
        press(page, "n")
        if "Local LLM error" in page.locator(".row.selected").inner_text():
            break
    expect(page.locator(".panel .log-body")).to_contain_text("model is loading, 503")
    titles = page.locator(".row .title, .row .message").all_inner_texts()
    assert titles.index("chat claude-sonnet-4-5") < titles.index(
        "Local LLM error on attempt 2: model is loading, 503 (status code: 503)"
    )
    page.goto(f"{backend.page}/#/trace/{failed.trace_id[:8]}-{'-'.join(_rest(failed.trace_id))}")
    expect(page.locator(".trace-title")).to_contain_text("Cycle 7")


def _rest(trace_id):
    return trace_id[8:12], trace_id[12:16], trace_id[16:20], trace_id[20:]


def test_without_the_token_the_page_says_where_it_is(browser, backend) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(backend.page)
    expect(page.locator("body")).to_contain_text("This page needs its token")
    context.close()
