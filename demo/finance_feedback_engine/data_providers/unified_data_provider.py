# SPDX-License-Identifier: Apache-2.0
"""Candles and prices from whichever provider has them, with a short cache."""

from __future__ import annotations

import logging
import time
from typing import Any

import requests

from finance_feedback_engine.utils.circuit_breaker import CircuitBreakerOpenError

from .coinbase_data import CoinbaseDataProvider

logger = logging.getLogger(__name__)

Candles = list[dict[str, Any]]


class UnifiedDataProvider:
    """Asks the providers in turn; there is one in this engine.

    Args:
        alpha_vantage_api_key: Not needed for candles.
        coinbase_credentials: ``base_url`` of the candles API.
        oanda_credentials: Not used; this engine trades no currencies.
        config: Not used.
        cache_ttl: Seconds that candles are kept.
    """

    def __init__(
        self,
        alpha_vantage_api_key: str | None = None,
        coinbase_credentials: dict[str, Any] | None = None,
        oanda_credentials: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        cache_ttl: float = 120,
    ) -> None:
        del alpha_vantage_api_key, oanda_credentials, config
        self.coinbase = CoinbaseDataProvider(coinbase_credentials)
        self.cache_ttl = cache_ttl
        self._cache: dict[tuple[str, str], tuple[float, Candles, str]] = {}

    def get_candles(
        self,
        asset_pair: str,
        granularity: str = "1d",
        limit: int = 300,
        force_provider: str | None = None,
    ) -> tuple[Candles, str]:
        """Return candles, oldest first, and the name of who provided them.

        Raises:
            ValueError: No provider has them.
        """
        if force_provider not in {None, "coinbase"}:
            raise ValueError(f"no provider named {force_provider!r}")
        cached = self._get_cached_candles(asset_pair, granularity)
        if cached is not None and len(cached[0]) >= limit:
            return cached[0][-limit:], cached[1]
        try:
            candles = self.coinbase.get_candles(asset_pair, granularity, limit)
        except (CircuitBreakerOpenError, requests.RequestException) as error:
            raise ValueError(f"All providers failed for {asset_pair}: {error}") from error
        self._cache_candles(asset_pair, granularity, candles, "coinbase")
        return candles, "coinbase"

    def get_current_price(self, asset_pair: str) -> dict[str, Any] | None:
        """Return ``asset_pair``, ``price``, ``timestamp`` and ``provider``, or None."""
        try:
            candles, provider = self.get_candles(asset_pair, "1d", 30)
        except ValueError as error:
            logger.error("Failed to fetch current price for %s: %s", asset_pair, error)  # noqa: TRY400
            return None
        newest = candles[-1]
        return {
            "asset_pair": asset_pair,
            "price": newest["close"],
            "timestamp": newest["timestamp"],
            "provider": provider,
        }

    def clear_cache(self) -> None:
        """Forget all candles; a new bar has begun."""
        self._cache.clear()

    def _get_cached_candles(self, asset_pair: str, granularity: str) -> tuple[Candles, str] | None:
        stored = self._cache.get((asset_pair, granularity))
        if stored is None or time.monotonic() - stored[0] > self.cache_ttl:
            return None
        return stored[1], stored[2]

    def _cache_candles(
        self, asset_pair: str, granularity: str, candles: Candles, provider_name: str
    ) -> None:
        self._cache[asset_pair, granularity] = (time.monotonic(), candles, provider_name)
