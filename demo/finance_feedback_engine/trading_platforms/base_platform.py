# SPDX-License-Identifier: Apache-2.0
"""What every trading platform can do."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from typing import Any

from finance_feedback_engine.observability import instruments

logger = logging.getLogger(__name__)


class BaseTradingPlatform(ABC):
    """A place that takes orders.

    Args:
        credentials: What the platform needs to be reached; each platform says what.
    """

    def __init__(self, credentials: dict[str, Any]) -> None:
        self.credentials = credentials
        self._platform_name = type(self).__name__
        self._execute_breaker: Any = None

    def get_execute_breaker(self) -> Any:
        """Return the breaker around ``execute_trade``, or None."""
        return self._execute_breaker

    def set_execute_breaker(self, breaker: object | None) -> None:
        """Put a breaker around ``execute_trade``."""
        self._execute_breaker = breaker

    @abstractmethod
    def get_balance(self) -> dict[str, float]:
        """Return cash by kind, in dollars."""

    @abstractmethod
    def execute_trade(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Execute a decision; ``success`` in the result tells whether it was."""

    @abstractmethod
    def get_account_info(self) -> dict[str, Any]:
        """Return what the platform says of the account."""

    @abstractmethod
    def get_active_positions(self) -> dict[str, Any]:
        """Return ``positions``, a list with one mapping for each open position."""

    @abstractmethod
    def get_portfolio_breakdown(self) -> dict[str, Any]:
        """Return what the account is worth and is made of."""

    @abstractmethod
    def update_position_prices(self, price_updates: dict[str, float]) -> None:
        """Value open positions at new prices."""

    def test_connection(self) -> dict[str, bool]:
        """Return what works, by name."""
        return {"api_auth": True}

    async def aget_portfolio_breakdown(self) -> dict[str, Any]:
        """Return the portfolio breakdown without blocking the event loop."""
        return await asyncio.to_thread(self.get_portfolio_breakdown)

    async def aexecute_trade(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Execute a decision without blocking the event loop, through the breaker if there is one.

        Raises:
            Exception: Whatever the platform raises.
        """
        began = time.perf_counter()
        labels = {
            "platform": self._platform_name,
            "asset_pair": str(decision.get("asset_pair", "unknown")),
            "action": str(decision.get("action", "unknown")),
        }
        breaker = self.get_execute_breaker()
        try:
            if breaker is None:
                result: dict[str, Any] = await asyncio.to_thread(self.execute_trade, decision)
            else:
                result = await asyncio.to_thread(breaker.call_sync, self.execute_trade, decision)
        except Exception:
            logger.exception(
                "Trade execution failed on %s for %s", self._platform_name, labels["asset_pair"]
            )
            instruments.execution_latency.record(
                time.perf_counter() - began, {**labels, "status": "failed"}
            )
            raise
        spent = time.perf_counter() - began
        instruments.execution_latency.record(spent, {**labels, "status": "success"})
        instruments.trades_executed.add(1, {"platform": self._platform_name})
        logger.info(
            "Trade executed on %s: %s %s (latency: %.2fs)",
            self._platform_name,
            labels["action"],
            labels["asset_pair"],
            spent,
        )
        return result
