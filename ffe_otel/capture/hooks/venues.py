# SPDX-License-Identifier: Apache-2.0
"""Where orders go, by one name a venue: the label ``platform`` of every signal.

The engine has several names for one venue. Its unified platform holds ``paper``,
``coinbase`` and ``oanda``, which is how portfolios are told; the results of orders say
``mock`` and ``coinbase_advanced`` for the first two, and a failed order often nothing at
all. The names of the unified platform are taken. What concerns several venues at once, or
an order that was never routed to one of several, is ``unified``.
"""

from __future__ import annotations

from typing import Any, Final

from ffe_otel.capture.hooks.facts import platform_name, text

UNIFIED: Final = "unified"
_SAME: Final = {"mock": "paper", "coinbase_advanced": "coinbase"}
_PAPER: Final = "paper"


def named(name: Any) -> str | None:
    """The venue that the engine means by ``name``."""
    said = (text(name) or "").lower()
    return _SAME.get(said, said) or None


def of(platform: Any) -> str:
    """The venue behind a platform object."""
    behind = getattr(platform, "platforms", None)
    if isinstance(behind, dict):
        # With paper trading switched on the others are held, but nothing is sent to them.
        if _PAPER in behind and getattr(platform, "_paper_execution_enabled", False):
            return _PAPER
        if len(behind) == 1:
            return named(next(iter(behind))) or UNIFIED
    return named(platform_name(platform)) or UNIFIED
