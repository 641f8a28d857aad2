# SPDX-License-Identifier: Apache-2.0
"""Market data of one asset: its candles, what they say, and the news."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from itertools import pairwise
from typing import Any

import requests

from finance_feedback_engine.observability import instruments
from finance_feedback_engine.utils.circuit_breaker import CircuitBreaker, CircuitBreakerOpenError
from finance_feedback_engine.utils.rate_limiter import RateLimiter
from finance_feedback_engine.utils.retry import async_retry
from finance_feedback_engine.utils.validation import describe_age, validate_data_freshness

from .coinbase_data import CoinbaseDataProvider

logger = logging.getLogger(__name__)

SENTIMENT_TTL_SECONDS = 2
_BULLISH = 0.15


class AlphaVantageProvider:
    """Puts together what the decision engine wants to know of an asset.

    Args:
        api_key: Travels in the query string of every news request.
        config: ``market_data.base_url`` and ``market_data.retry_delay`` (seconds).
        session: Used for requests when given.
        rate_limiter: Shared with others when given.
        is_backtest: Recorded data is old by nature; freshness is not checked then.
    """

    def __init__(
        self,
        api_key: str | None = None,
        config: dict[str, Any] | None = None,
        session: requests.Session | None = None,
        rate_limiter: Any | None = None,
        is_backtest: bool = False,
    ) -> None:
        settings = (config or {}).get("market_data", {})
        self.api_key = api_key or ""
        self.base_url = settings.get("base_url", "https://www.alphavantage.co")
        self.session = session
        self.rate_limiter = rate_limiter or RateLimiter(50, 50)
        self.is_backtest = is_backtest
        self.coinbase = CoinbaseDataProvider({"base_url": self.base_url})
        self.circuit_breaker = CircuitBreaker(5, 5.0, name="AlphaVantageProvider")
        self._cache: dict[str, tuple[float, dict[str, Any]]] = {}

    async def get_comprehensive_market_data(
        self,
        asset_pair: str,
        include_sentiment: bool = True,
        include_macro: bool = False,
        force_refresh: bool = False,
    ) -> dict[str, Any]:
        """Return market data with ``sentiment`` and ``macro`` when asked for.

        Raises:
            ValueError: The market data could not be had or is not usable.
        """
        data = await self.get_market_data(asset_pair, force_refresh)
        if include_sentiment:
            data["sentiment"] = await self.get_news_sentiment(
                asset_pair, force_refresh=force_refresh
            )
        if include_macro:
            data["macro"] = await self.get_macro_indicators()
        return data

    async def get_market_data(self, asset_pair: str, force_refresh: bool = False) -> dict[str, Any]:
        """Return the newest bar, the closes before it and what they say.

        Raises:
            ValueError: The candles could not be had, or make no sense.
        """
        logger.info("Fetching market data for %s (force_refresh=%s)", asset_pair, force_refresh)
        began = time.perf_counter()
        try:
            candles = await asyncio.to_thread(self.coinbase.get_candles, asset_pair, "1d", 60)
        except (CircuitBreakerOpenError, requests.RequestException) as error:
            message = f"Coinbase data unavailable for {asset_pair}: {type(error).__name__}: {error}"
            logger.error("Data validation failed for %s: %s", asset_pair, message)  # noqa: TRY400
            raise ValueError(message) from error
        finally:
            instruments.provider_query.record(
                time.perf_counter() - began, {"provider": "coinbase", "asset_type": "stock"}
            )
        data = _market_data(candles)
        self._check(data, asset_pair)
        return data

    def _check(self, data: dict[str, Any], asset_pair: str) -> None:
        valid, issues = self.validate_market_data(data, asset_pair)
        if not valid:
            logger.warning("Market data validation issues for %s: %s", asset_pair, issues)
            data["validation_warnings"] = issues
        if self.is_backtest:
            return
        fresh, age, _ = validate_data_freshness(data["timestamp"])
        data["stale_data"] = not fresh
        if not fresh:
            hours = data["data_age_seconds"] / 3600
            logger.warning("Market data for %s is STALE (age: %.2f hours)", asset_pair, hours)
            data["data_freshness"] = {"is_fresh": False, "age": age}

    def validate_market_data(self, data: dict[str, Any], asset_pair: str) -> tuple[bool, list[str]]:
        """Return whether a bar makes sense, and what does not."""
        issues = []
        if data["low"] > data["high"]:
            issues.append(f"{asset_pair}: low {data['low']} above high {data['high']}")
        if data["close"] <= 0:
            issues.append(f"{asset_pair}: close {data['close']} is not positive")
        return not issues, issues

    async def get_news_sentiment(
        self, asset_pair: str, limit: int = 5, force_refresh: bool = False
    ) -> dict[str, Any]:
        """Return the tone of the news; ``available`` is False when it could not be had."""
        key = f"sentiment_{asset_pair}_{limit}"
        cached = None if force_refresh else self._get_from_cache(key, SENTIMENT_TTL_SECONDS)
        if cached is not None:
            return cached
        sentiment: dict[str, Any] = {
            "available": False,
            "overall_sentiment": "neutral",
            "sentiment_score": 0.0,
            "news_count": 0,
            "top_topics": [],
        }
        params = {
            "function": "NEWS_SENTIMENT",
            "tickers": asset_pair,
            "apikey": self.api_key,
            "limit": limit,
        }
        try:
            feed = (await self._async_request(params, timeout=10)).get("feed", [])
        except requests.RequestException as error:
            logger.warning("No news for %s: %s", asset_pair, error)
            feed = []
        if feed:
            score = statistics.fmean(float(item["overall_sentiment_score"]) for item in feed)
            tone = "bullish" if score > _BULLISH else "bearish" if score < -_BULLISH else "neutral"
            sentiment.update(
                available=True,
                overall_sentiment=tone,
                sentiment_score=score,
                news_count=len(feed),
                top_topics=[topic["topic"] for item in feed for topic in item["topics"]][:3],
            )
        self._set_cache(key, sentiment)
        return sentiment

    async def get_macro_indicators(self, indicators: list[str] | None = None) -> dict[str, Any]:
        """Return macro indicators; none are recorded for this engine."""
        return {"available": False, "indicators": dict.fromkeys(indicators or [])}

    @async_retry(
        max_retries=2, base_delay=0.05, max_delay=0.5, exceptions=(requests.RequestException,)
    )
    async def _async_request(
        self,
        params: dict[str, Any],
        timeout: int,  # noqa: ASYNC109 - for the HTTP client
    ) -> dict[str, Any]:
        await self.rate_limiter.wait_for_token_async()
        return await self._do_async_request(params, timeout)

    async def _do_async_request(
        self,
        params: dict[str, Any],
        timeout: int,  # noqa: ASYNC109 - for the HTTP client
    ) -> dict[str, Any]:
        get = self.session.get if self.session else requests.get
        response = await asyncio.to_thread(
            get, f"{self.base_url}/query", params=params, timeout=timeout
        )
        response.raise_for_status()
        reply: dict[str, Any] = response.json()
        return reply

    def _get_from_cache(self, key: str, ttl_seconds: int) -> dict[str, Any] | None:
        stored_at, value = self._cache.get(key, (0.0, None))
        return value if time.monotonic() - stored_at < ttl_seconds else None

    def _set_cache(self, key: str, value: dict[str, Any]) -> None:
        self._cache[key] = (time.monotonic(), value)

    async def close(self) -> None:
        """Close the session that was given, if any."""
        if self.session:
            self.session.close()


def _market_data(candles: list[dict[str, Any]]) -> dict[str, Any]:
    newest = candles[-1]
    closes = [candle["close"] for candle in candles]
    returns = [later / earlier - 1 for earlier, later in pairwise(closes)]
    age = max(0.0, time.time() - newest["timestamp"])
    return {
        **{key: newest[key] for key in ("open", "high", "low", "close", "volume", "timestamp")},
        "provider": "coinbase",
        "type": "stock",
        "data_date": newest["date"],
        "data_age_seconds": age,
        "data_age": describe_age(age),
        "stale_data": False,
        "closes": closes[-21:],
        "volatility": statistics.pstdev(returns[-20:]) if len(returns) > 1 else 0.0,
        "trend": "up" if closes[-1] >= closes[0] else "down",
    }
