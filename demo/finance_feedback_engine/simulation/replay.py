# SPDX-License-Identifier: Apache-2.0
"""Recorded daily bars of real shares, replayed forward one bar a cycle.

The bars keep their recorded prices and trading days; only their time stamps are moved to the
present by the server that hands them out. Sources and licence are in ``DATA.md``.
"""

from __future__ import annotations

import csv
import gzip
import io
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HISTORY = 60
"""Bars that must lie before the first replayed one, so that averages have something to stand on."""


class UnknownAssetError(ValueError):
    """An asset was asked for that has no recorded prices."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One recorded trading day; prices in dollars, unadjusted."""

    day: str
    open: float
    high: float
    low: float
    close: float
    volume: int


@lru_cache(maxsize=1)
def price_book() -> Mapping[str, tuple[Bar, ...]]:
    """Return every recorded series, oldest bar first, by symbol."""
    packed = resources.files(__package__).joinpath("prices.csv.gz").read_bytes()
    series: dict[str, list[Bar]] = {}
    for row in csv.DictReader(io.StringIO(gzip.decompress(packed).decode())):
        bar = Bar(
            day=row["date"],
            open=float(row["open"]),
            high=float(row["high"]),
            low=float(row["low"]),
            close=float(row["close"]),
            volume=int(row["volume"]),
        )
        series.setdefault(row["symbol"], []).append(bar)
    return {symbol: tuple(bars) for symbol, bars in series.items()}


class Replay:
    """The present, as an index into the recorded series of some assets.

    Args:
        assets: Symbols to replay; each must be in the price book.
        start: The day to begin with, ``YYYY-MM-DD``; the first recorded day on or after it is used.

    Raises:
        UnknownAssetError: A symbol has no recorded prices; the text lists those that have.
        ValueError: ``start`` leaves no bar to replay or no history before it.
    """

    def __init__(self, assets: Sequence[str], start: str) -> None:
        book = price_book()
        unknown = [asset for asset in assets if asset not in book]
        if unknown or not assets:
            what = f"no recorded prices for {', '.join(unknown)}" if unknown else "no asset given"
            raise UnknownAssetError(f"{what}; there are prices for: {', '.join(sorted(book))}")
        self._series = {asset: book[asset] for asset in assets}
        days = [bar.day for bar in self._series[assets[0]]]
        self._first = next((i for i, day in enumerate(days) if day >= start), len(days))
        if not HISTORY <= self._first < len(days):
            raise ValueError(
                f"the replay cannot start on {start}: "
                f"choose a day from {days[HISTORY]} to {days[-1]}"
            )
        self._lock = threading.Lock()
        self._index = self._first - 1
        self._last = min(len(bars) for bars in self._series.values()) - 1

    @property
    def index(self) -> int:
        """Return how many bars the present lies behind the first recorded one."""
        with self._lock:
            return self._index

    @property
    def played(self) -> int:
        """Return how many bars were replayed, the present one included."""
        return self.index - self._first + 1

    @property
    def assets(self) -> tuple[str, ...]:
        """Return the symbols that take part."""
        return tuple(self._series)

    def seek(self, index: int) -> None:
        """Continue from an index that an earlier run left off at; one out of range is ignored."""
        if self._first - 1 <= index <= self._last:
            with self._lock:
                self._index = index

    def advance(self) -> bool:
        """Move the present one bar forward; True when the series ended and began anew."""
        with self._lock:
            wrapped = self._index >= self._last
            self._index = self._first if wrapped else self._index + 1
            return wrapped

    def window(self, asset: str, limit: int) -> tuple[Bar, ...]:
        """Return the last ``limit`` bars of an asset up to the present, oldest first."""
        end = max(self.index, 0) + 1
        return self._series[asset][max(0, end - limit) : end]

    def knows(self, asset: str) -> bool:
        """Tell whether an asset takes part in this replay."""
        return asset in self._series
