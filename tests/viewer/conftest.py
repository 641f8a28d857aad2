# SPDX-License-Identifier: Apache-2.0
"""One browser for all tests of the page; a stub server and a strict page for each."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from viewer_server import Server
from viewer_stub import Stub

if TYPE_CHECKING:
    from collections.abc import Iterator

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, the system's where there is one."""
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def stub() -> Stub:
    """The answers of the stub server."""
    return Stub()


@pytest.fixture
def server(stub: Stub) -> Iterator[Server]:
    """The stub server, listening."""
    with Server(stub) as running:
        yield running


class Complaints:
    """Everything a page must not do: errors, policy violations, requests to elsewhere."""

    def __init__(self, page: Page, origin: str) -> None:
        self.found: list[str] = []
        self.expected: tuple[str, ...] = ()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._request(request.url, origin))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console {message.type}: {message.text}")

    def _request(self, url: str, origin: str) -> None:
        if not url.startswith((origin, "blob:")):
            self.found.append(f"request to {url}")

    def unexpected(self) -> list[str]:
        """Complaints without those a test announced by a part of their text."""
        return [line for line in self.found if not any(part in line for part in self.expected)]


@pytest.fixture
def complaints(page: Page, server: Server) -> Complaints:
    """For tests that expect the browser to complain: set ``expected``."""
    found: Complaints = page.complaints  # type: ignore[attr-defined]
    return found


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of 1440 x 900; fails the test if the page complained about anything."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints = Complaints(page, server.url)
    page.complaints = complaints  # type: ignore[attr-defined]
    yield page
    context.close()
    assert complaints.unexpected() == []
