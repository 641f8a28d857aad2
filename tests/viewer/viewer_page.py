# SPDX-License-Identifier: Apache-2.0
"""What several browser tests do to a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def press(page: Page, *keys: str) -> None:
    """Press keys and wait until what they changed is drawn."""
    for key in keys:
        page.keyboard.press(key)
    page.evaluate(DRAWN)


NOT_BY_ITSELF = """
const later = window.setTimeout;
window.setTimeout = (work, wait, ...given) => later(work, wait >= 1000 ? 1e8 : wait, ...given);
"""
"""Has a page try a lost connection again only when somebody asks it to."""
