# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from ffe_otel.capture.printed import Screen, install_screen
from ffe_otel.config.model import Config
from ffe_otel.redaction import Redactor, configured_redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Counting(Redactor):
    """A redactor that counts the texts it is asked for, and fails on demand."""

    looked_at: list[str]
    broken = False

    def strict_text(self, text: str, surface: str, limit: int | None = None) -> str:
        self.looked_at.append(text)
        if self.broken:
            raise RuntimeError("a rule that raises")
        return super().strict_text(text, surface, limit)


@pytest.fixture
def redactor() -> Counting:
    made = configured_redactor(Config(), {})
    made.__class__ = Counting
    assert isinstance(made, Counting)
    made.looked_at = []
    return made


@pytest.fixture
def screened(redactor: Counting) -> Iterator[Callable[..., Screen]]:
    """Screen what is printed, until the test ends or ``undo`` is called."""
    undoing: list[Callable[[], None]] = []

    def install(wanted: str = "console") -> Screen:
        screen = Screen(redactor)
        undoing.append(install_screen(wanted, screen, lambda _: False))
        return screen

    install.undo = lambda: [undo() for undo in undoing]  # type: ignore[attr-defined]
    yield install
    for undo in reversed(undoing):
        undo()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """A logger of the engine's, which reaches its own handlers only.

    Logging does not know it, or pytest would give it a handler for what tests log.
    """
    logger = logging.Logger(f"engine.{request.node.originalname}", logging.DEBUG)  # noqa: LOG001
    yield logger
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
