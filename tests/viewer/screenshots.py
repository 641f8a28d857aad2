# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of the documentation: ``python tests/viewer/screenshots.py``.

The real backend is filled with told cycles over OTLP; a browser at 1440 x 900 looks at
the list and at a cycle that failed. The system's Inter font is used where there is one,
and pngquant makes the files small where it is installed.
"""

from __future__ import annotations

import json
import queue
import random
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import viewer_data
from playwright.sync_api import sync_playwright
from viewer_otlp import idle_payload, logs_payload, spans_payload
from viewer_page import DRAWN, press

from ffe_otel.config import load_config
from ffe_otel.observe.server import Addresses, run_server

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LARGEST = 200_000
CYCLES = 60


def fill(backend: Addresses) -> list[viewer_data.Cycle]:
    """Send cycles up to now, after which the agent is idle; newest first."""
    told = viewer_data.cycles(CYCLES)
    for cycle in told:
        send(backend, "logs", logs_payload(cycle))
        send(backend, "traces", spans_payload(cycle.trace_id, cycle.spans))
    send(backend, "logs", idle_payload(time.time_ns()))
    return told


def send(backend: Addresses, signal: str, payload: dict[str, Any]) -> None:
    """One OTLP/JSON request."""
    request = urllib.request.Request(
        f"{backend.otlp_http}/v1/{signal}",
        json.dumps(payload).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


def take(page: Page, name: str) -> None:
    """Save the page as docs/images/<name>.png."""
    page.mouse.move(720, 20)
    page.evaluate("document.fonts.ready")
    page.evaluate(DRAWN)
    file = IMAGES / f"{name}.png"
    page.screenshot(path=file)
    if quantise := shutil.which("pngquant"):
        arguments = ["--force", "--skip-if-larger", "--quality=90-100", "--output", file, file]
        subprocess.run([quantise, *arguments], check=False)
    size = file.stat().st_size
    print(f"{file.name}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{file} is larger than {LARGEST:,} bytes")


def look(backend: Addresses, told: list[viewer_data.Cycle]) -> None:
    """Visit the pages worth a picture."""
    failed = next(cycle for cycle in told if cycle.kind == "failed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-lcd-text"],
        )
        page = browser.new_page(
            viewport={"width": 1440, "height": 900}, reduced_motion="reduce", color_scheme="light"
        )
        page.goto(backend.page_with_token)
        page.locator(".cycle").nth(40).wait_for()
        take(page, "cycles")
        page.goto(f"{backend.page}/#/trace/{failed.trace_id}")
        page.wait_for_selector(".row")
        page.locator(".row.error", has_text="chat claude").click()
        press(page)
        take(page, "trace")
        page.emulate_media(color_scheme="dark")
        executed = next(cycle for cycle in told if cycle.kind == "executed")
        page.goto(f"{backend.page}/#/trace/{executed.trace_id}")
        page.wait_for_selector(".row.phase-execution")
        take(page, "trace-dark")
        browser.close()


def main() -> None:
    """Start a backend in a temporary folder, fill it, look at it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        overrides = {
            "state_dir": folder,
            "serve.port": 0,
            "serve.otlp_http_port": 0,
            "serve.otlp_grpc_port": -1,
        }
        config = load_config(environ={}, overrides=overrides).config
        ready: queue.Queue[Addresses] = queue.Queue()
        stop = threading.Event()
        thread = threading.Thread(
            target=run_server, args=(config,), kwargs={"ready": ready.put, "stop": stop}
        )
        thread.start()
        try:
            backend = ready.get(timeout=60)
            look(backend, fill(backend))
        finally:
            stop.set()
            thread.join()


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"done in {time.monotonic() - began:.1f} s")
