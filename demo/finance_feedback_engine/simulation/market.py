# SPDX-License-Identifier: Apache-2.0
"""The market data API: candles as Coinbase words them, news as Alpha Vantage words them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .http import Reply
    from .replay import Replay

DAY_SECONDS = 86_400
STALE_SECONDS = 3 * 3600
_BARS_BEFORE_ALL_IS_STALE = 3
_CANDLES = "/api/v3/brokerage/products/"


class MarketService:
    """Hands out the replayed bars, the newest one stamped with the present.

    Args:
        replay: Where the present is.
        api_key: The key that news requests must carry.
        faults: Names of the faults that are on.
        latency: Seconds that each answer takes.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        replay: Replay,
        api_key: str,
        faults: frozenset[str] = frozenset(),
        latency: float = 0.005,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._replay = replay
        self._api_key = api_key
        self._faults = faults
        self._latency = latency
        self._clock = clock

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        """Return candles or news; see ``Service``."""
        del method, body
        time.sleep(self._latency)
        if "data_502" in self._faults:
            return 502, {"error": "bad gateway"}
        if "data_429" in self._faults and self._replay.index % 2 == (path == "/query"):
            return 429, {"error": "too many requests"}
        if path.startswith(_CANDLES) and path.endswith("/candles"):
            return self._candles(path.removeprefix(_CANDLES).removesuffix("/candles"), query)
        if path == "/query":
            return self._news(query)
        return 404, {"error": f"there is nothing at {path}"}

    def _candles(self, product: str, query: dict[str, str]) -> Reply:
        asset = product.removesuffix("-USD")
        if not self._replay.knows(asset):
            return 404, {"error": f"unknown product {product}"}
        if query.get("granularity") != "ONE_DAY":
            return 400, {"error": "only granularity ONE_DAY is recorded"}
        span = int(query.get("end", 0)) - int(query.get("start", 0))
        bars = self._replay.window(asset, min(max(span // DAY_SECONDS, 1), 300))
        newest = self._clock() - (STALE_SECONDS if self._is_stale(asset) else 0)
        candles = [
            {
                "start": str(int(newest) - (len(bars) - 1 - place) * DAY_SECONDS),
                "open": str(bar.open),
                "high": str(bar.high),
                "low": str(bar.low),
                "close": str(bar.close),
                "volume": str(bar.volume),
                "recorded_day": bar.day,
            }
            for place, bar in enumerate(bars)
        ]
        return 200, {"candles": candles}

    def _is_stale(self, asset: str) -> bool:
        """One asset grows stale first, the others some bars later."""
        first_bars = self._replay.played <= _BARS_BEFORE_ALL_IS_STALE
        return "stale_data" in self._faults and (not first_bars or asset == self._replay.assets[-1])

    def _news(self, query: dict[str, str]) -> Reply:
        if query.get("apikey") != self._api_key:
            return 401, {"error": "the apikey parameter is missing or not known"}
        asset = query.get("tickers", "")
        if query.get("function") != "NEWS_SENTIMENT" or not self._replay.knows(asset):
            return 200, {"Information": "nothing is recorded for this function and ticker"}
        # There is no recorded news: what the last five bars did stands in for its tone.
        bars = self._replay.window(asset, 6)
        change = bars[-1].close / bars[0].close - 1
        score = max(-1.0, min(1.0, round(change * 5, 3)))
        article = {
            "title": f"{asset} closed at {bars[-1].close:.2f} on {bars[-1].day}",
            "overall_sentiment_score": score,
            "topics": [{"topic": "Price action"}],
        }
        return 200, {"feed": [article]}
