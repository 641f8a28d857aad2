# SPDX-License-Identifier: Apache-2.0
"""Candles from an API in Coinbase's format."""

from __future__ import annotations

import logging
import time
from typing import Any

import requests

from finance_feedback_engine.utils.circuit_breaker import CircuitBreaker, CircuitBreakerOpenError
from finance_feedback_engine.utils.rate_limiter import RateLimiter

logger = logging.getLogger(__name__)

GRANULARITIES = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86_400}
_NAMES = {
    60: "ONE_MINUTE",
    300: "FIVE_MINUTE",
    900: "FIFTEEN_MINUTE",
    3600: "ONE_HOUR",
    86_400: "ONE_DAY",
}


class CoinbaseDataProvider:
    """Fetches candles, behind a rate limit and a circuit breaker.

    Args:
        credentials: ``base_url`` of the API.
        rate_limiter: Shared with others when given.
    """

    def __init__(
        self,
        credentials: dict[str, Any] | None = None,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self.credentials = credentials or {}
        self.base_url = str(self.credentials.get("base_url", "https://api.coinbase.com"))
        self.rate_limiter = rate_limiter or RateLimiter(50, 50)
        self.circuit_breaker = CircuitBreaker(5, 5.0, name="CoinbaseData")

    def get_candles(
        self, asset_pair: str, granularity: str = "1d", limit: int = 300
    ) -> list[dict[str, Any]]:
        """Return candles, oldest first, with timestamp, date, open, high, low, close and volume.

        Raises:
            ValueError: The granularity is not known.
            CircuitBreakerOpenError: The API failed too often of late.
            requests.RequestException: The request failed.
        """
        if granularity not in GRANULARITIES:
            raise ValueError(
                f"unknown granularity {granularity!r}; choose {', '.join(GRANULARITIES)}"
            )
        seconds = GRANULARITIES[granularity]
        product = self._normalize_asset_pair(asset_pair)
        logger.info("Fetching %s candles for %s from Coinbase", granularity, asset_pair)
        self.rate_limiter.wait_for_token()
        end = int(time.time())
        try:
            candles: list[dict[str, Any]] = self.circuit_breaker.call_sync(
                self._fetch_candles_from_api, product, end - seconds * limit, end, seconds
            )
        except CircuitBreakerOpenError:
            logger.error("Circuit breaker open for Coinbase data provider")  # noqa: TRY400 - expected
            raise
        except requests.RequestException as error:
            logger.error("Failed to fetch Coinbase candles: %s", error)  # noqa: TRY400 - expected
            raise
        logger.info("Retrieved %d candles for %s", len(candles), product)
        return candles

    def get_latest_price(self, asset_pair: str) -> float:
        """Return the close of the newest candle."""
        return float(self.get_candles(asset_pair, limit=1)[-1]["close"])

    def _fetch_candles_from_api(
        self, product_id: str, start: int, end: int, granularity: int
    ) -> list[dict[str, Any]]:
        response = requests.get(
            f"{self.base_url}/api/v3/brokerage/products/{product_id}/candles",
            params={"start": f"{start}", "end": f"{end}", "granularity": _NAMES[granularity]},
            timeout=10,
        )
        response.raise_for_status()
        candles = [
            {
                "timestamp": int(candle["start"]),
                "date": candle.get("recorded_day", ""),
                **{key: float(candle[key]) for key in ("open", "high", "low", "close", "volume")},
            }
            for candle in response.json()["candles"]
        ]
        return sorted(candles, key=lambda candle: candle["timestamp"])

    def _normalize_asset_pair(self, asset_pair: str) -> str:
        pair = asset_pair.upper()
        return pair if pair.endswith("-USD") else f"{pair}-USD"
