# SPDX-License-Identifier: Apache-2.0
"""A bucket of tokens, refilled at a steady rate; each request takes one."""

from __future__ import annotations

import asyncio
import threading
import time


class RateLimiter:
    """Makes callers wait for a token.

    Args:
        tokens_per_second: How fast the bucket fills.
        max_tokens: How many tokens it holds, and starts with.

    Raises:
        ValueError: One of the arguments is not positive.
    """

    def __init__(self, tokens_per_second: float, max_tokens: int) -> None:
        if tokens_per_second <= 0 or max_tokens <= 0:
            raise ValueError("tokens_per_second and max_tokens must be positive")
        self.tokens_per_second = tokens_per_second
        self.max_tokens = max_tokens
        self._tokens = float(max_tokens)
        self._filled_at = time.monotonic()
        self._lock = threading.Lock()

    def wait_for_token(self) -> None:
        """Block the calling thread until a token is there, and take it."""
        while (seconds := self._take()) > 0:
            time.sleep(seconds)

    async def wait_for_token_async(self) -> None:
        """Wait without blocking the event loop until a token is there, and take it."""
        while (seconds := self._take()) > 0:  # noqa: ASYNC110 - tokens come with time
            await asyncio.sleep(seconds)

    def _take(self) -> float:
        """Take a token, or return the seconds until there may be one."""
        with self._lock:
            now = time.monotonic()
            gained = (now - self._filled_at) * self.tokens_per_second
            self._tokens = min(float(self.max_tokens), self._tokens + gained)
            self._filled_at = now
            if self._tokens < 1:
                return (1 - self._tokens) / self.tokens_per_second
            self._tokens -= 1
            return 0.0
