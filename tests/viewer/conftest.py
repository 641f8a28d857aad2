# SPDX-License-Identifier: Apache-2.0
"""One browser for the tests of a module; a stub server and a strict page for each."""

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


# Not for the session: Playwright keeps an event loop running on this thread meanwhile, and
# a test of another module could not run its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, the system's where there is one."""
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def listening() -> Iterator[Server]:
    """One server for all tests, so that the browser's cache serves them all."""
    with Server(Stub(0)) as running:
        yield running


@pytest.fixture
def stub(listening: Server) -> Iterator[Stub]:
    """The answers of the stub server, new for each test."""
    listening.stub = Stub()
    yield listening.stub
    listening.stub.hang_up()


@pytest.fixture
def server(listening: Server, stub: Stub) -> Server:
    """The stub server, listening."""
    return listening


class Complaints:
    """Everything a page must not do: errors, policy violations, requests to elsewhere."""

    def __init__(self, page: Page, origin: str) -> None:
        self.origin = origin
        self.found: list[str] = []
        self.expected: tuple[str, ...] = ()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console {message.type}: {message.text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.origin, "blob:")):
            self.found.append(f"request to {url}")

    def unexpected(self) -> list[str]:
        """Complaints without those a test announced by a part of their text."""
        return [line for line in self.found if not any(part in line for part in self.expected)]


@pytest.fixture(scope="module")
def tab(browser: Browser, listening: Server) -> Iterator[tuple[Page, Complaints]]:
    """One tab for all tests: starting a renderer costs more than most tests do."""
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(10_000)
    page = context.new_page()
    yield page, Complaints(page, listening.url)
    context.close()


@pytest.fixture
def complaints(tab: tuple[Page, Complaints]) -> Complaints:
    """For tests that expect the browser to complain: set ``expected``."""
    return tab[1]


@pytest.fixture
def page(tab: tuple[Page, Complaints], server: Server) -> Iterator[Page]:
    """An empty page of 1440 x 900; fails the test if it complained about anything."""
    page, complaints = tab
    complaints.found.clear()
    complaints.expected = ()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    yield page
    if page.url.startswith(server.url):
        page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    assert complaints.unexpected() == []
