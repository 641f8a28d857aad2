# SPDX-License-Identifier: Apache-2.0
"""Look-ups in the engine's caches; a miss returns ``None``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Body, Call

_PROVIDERS: Final = "finance_feedback_engine.data_providers"


def _lookup(cache: str) -> Body:
    def body(_call: Call) -> Generator[None, Any, None]:
        found = yield
        api.cache(cache, found is not None)

    return body


HOOKS: Final = (
    Hook(
        "cache.alpha_vantage",
        f"{_PROVIDERS}.alpha_vantage_provider",
        "AlphaVantageProvider._get_from_cache",
        _lookup("alpha_vantage"),
    ),
    Hook(
        "cache.candles",
        f"{_PROVIDERS}.unified_data_provider",
        "UnifiedDataProvider._get_cached_candles",
        _lookup("candles"),
    ),
)
