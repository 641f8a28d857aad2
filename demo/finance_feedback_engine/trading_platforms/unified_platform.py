# SPDX-License-Identifier: Apache-2.0
"""One face for all platforms; orders go to the one that trades the asset."""

from __future__ import annotations

import logging
from typing import Any

from finance_feedback_engine.monitoring import prometheus
from finance_feedback_engine.utils.circuit_breaker import CircuitBreaker, CircuitState

from .base_platform import BaseTradingPlatform
from .mock_platform import MockTradingPlatform

logger = logging.getLogger(__name__)

_STATE_NUMBERS = {CircuitState.CLOSED: 0, CircuitState.OPEN: 1, CircuitState.HALF_OPEN: 2}


class UnifiedTradingPlatform(BaseTradingPlatform):
    """Routes orders and adds up portfolios.

    Args:
        credentials: Credentials of each platform by its name; ``paper`` is the only one here.
        config: ``platform_execute_circuit_breaker`` with ``failure_threshold`` and
            ``recovery_timeout_seconds``.
    """

    def __init__(self, credentials: dict[str, Any], config: dict[str, Any] | None = None) -> None:
        super().__init__(credentials)
        self.config = config or {}
        paper = credentials.get("paper", {})
        self.platforms: dict[str, MockTradingPlatform] = {
            "paper": MockTradingPlatform(paper, paper.get("initial_balance"), paper.get("slippage"))
        }

    @property
    def paper(self) -> MockTradingPlatform:
        """Return the paper account."""
        return self.platforms["paper"]

    def execute_trade(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Send an order to its platform through a breaker of that platform.

        Raises:
            Exception: Whatever the platform or its breaker raises.
        """
        name = "paper"
        target = self.platforms[name]
        logger.info("Routing trade for %s to %s", decision.get("asset_pair"), name)
        breaker = target.get_execute_breaker()
        if breaker is None:
            breaker = self._breaker(type(target).__name__.lower())
            target.set_execute_breaker(breaker)
        try:
            result: dict[str, Any] = breaker.call_sync(target.execute_trade, decision)
        finally:
            prometheus.update_circuit_breaker_state(
                type(target).__name__.lower(), _STATE_NUMBERS[breaker.state]
            )
        return result

    def _breaker(self, service: str) -> CircuitBreaker:
        settings = self.config.get("platform_execute_circuit_breaker", {})
        return CircuitBreaker(
            int(settings.get("failure_threshold", 5)),
            float(settings.get("recovery_timeout_seconds", 15)),
            name=f"execute_trade:{service}",
        )

    def get_balance(self) -> dict[str, float]:
        """Return cash by platform and kind."""
        return {
            f"{name}_{kind}": amount
            for name, platform in self.platforms.items()
            for kind, amount in platform.get_balance().items()
        }

    def get_account_info(self) -> dict[str, Any]:
        """Return account information by platform."""
        return {name: item.get_account_info() for name, item in self.platforms.items()}

    def get_active_positions(self) -> dict[str, Any]:
        """Return the positions of all platforms."""
        return {
            "positions": [
                position
                for platform in self.platforms.values()
                for position in platform.get_active_positions()["positions"]
            ]
        }

    def get_portfolio_breakdown(self) -> dict[str, Any]:
        """Return the sum over all platforms, and each in ``platform_breakdowns``."""
        parts = {name: item.get_portfolio_breakdown() for name, item in self.platforms.items()}
        for name, part in parts.items():
            prometheus.update_portfolio_value(name, part["total_value_usd"])
        keys = ("total_value_usd", "futures_value_usd", "spot_value_usd", "unrealized_pnl")
        return {
            **{key: sum(part[key] for part in parts.values()) for key in keys},
            "num_assets": sum(part["num_assets"] for part in parts.values()),
            "holdings": [item for part in parts.values() for item in part["holdings"]],
            "futures_positions": [
                item for part in parts.values() for item in part["futures_positions"]
            ],
            "platform_breakdowns": parts,
        }

    def update_position_prices(self, price_updates: dict[str, float]) -> None:
        """Value open positions of all platforms at new prices."""
        for platform in self.platforms.values():
            platform.update_position_prices(price_updates)

    def test_connection(self) -> dict[str, bool]:
        """Return whether each platform answers."""
        return {name: all(item.test_connection().values()) for name, item in self.platforms.items()}
