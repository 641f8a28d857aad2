# SPDX-License-Identifier: Apache-2.0
"""What is held where: taken from every answer that says so, since nothing asks on our account.

The agent looks at its portfolio when a cycle begins; what it traded in the cycle is seen
when the platform is next asked for positions, which is often after the last cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import venues
from ffe_otel.capture.hooks.facts import field, number

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Call

_PLATFORMS: Final = "finance_feedback_engine.trading_platforms"
_VENUES: Final = (
    ("mock_platform", "MockTradingPlatform"),
    ("coinbase_platform", "CoinbaseAdvancedPlatform"),
    ("oanda_platform", "OandaPlatform"),
)


def told(platform: Any, breakdown: Any) -> None:
    """Take value and open positions; a platform that unites several is told by its parts.

    A part without positions of its own failed to answer: its gauges stay as they are.
    """
    parts = field(breakdown, "platform_breakdowns")
    shown = parts if isinstance(parts, dict) else {venues.of(platform): breakdown}
    for name, part in shown.items():
        api.portfolio(
            venues.named(name) or venues.UNIFIED,
            value_dollars=number(field(part, "total_value_usd")),
            active_trades=_count(field(part, "futures_positions"), field(part, "positions")),
        )


def _count(*lists: Any) -> int | None:
    counts = [len(found) for found in lists if isinstance(found, list)]
    return max(counts, default=None)


def _breakdown(call: Call) -> Generator[None, Any, None]:
    told(call.instance, (yield))


def _positions(call: Call) -> Generator[None, Any, None]:
    """Of one venue: a unified platform leaves out those that failed, as if nothing were there."""
    answer = yield
    count = _count(field(answer, "positions"))
    if count is not None:
        api.portfolio(venues.of(call.instance), active_trades=count)


HOOKS: Final = (
    Hook(
        "holdings.breakdown",
        f"{_PLATFORMS}.unified_platform",
        "UnifiedTradingPlatform.get_portfolio_breakdown",
        _breakdown,
    ),
    *(
        Hook(
            f"holdings.{module}",
            f"{_PLATFORMS}.{module}",
            f"{name}.get_active_positions",
            _positions,
            optional=True,
        )
        for module, name in _VENUES
    ),
)
