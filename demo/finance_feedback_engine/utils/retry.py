# SPDX-License-Identifier: Apache-2.0
"""Tries again after a failure, waiting longer each time."""

from __future__ import annotations

import asyncio
import logging
import random
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


def async_retry(
    max_retries: int = 3,
    base_delay: float = 1.0,
    max_delay: float = 60.0,
    exponential_base: float = 2.0,
    jitter: bool = True,
    exceptions: tuple[type[BaseException], ...] = (ConnectionError, TimeoutError),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a coroutine function so that it is tried again after some exceptions.

    Args:
        max_retries: Tries after the first one.
        base_delay: Seconds before the first of them.
        max_delay: Seconds that no delay exceeds.
        exponential_base: Factor between one delay and the next.
        jitter: Whether delays are shortened at random, so that callers do not march in step.
        exceptions: What is worth another try; everything else is raised at once.
    """

    def decorator(func: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(func)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            attempt = 0
            while True:
                try:
                    return await func(*args, **kwargs)
                except exceptions as error:
                    if attempt >= max_retries:
                        logger.error(  # noqa: TRY400 - the caller logs the traceback
                            "Max retries (%s) exceeded for %s: %s",
                            max_retries,
                            func.__name__,
                            error,
                        )
                        raise
                    delay = min(max_delay, base_delay * exponential_base**attempt)
                    delay *= random.uniform(0.5, 1.0) if jitter else 1.0
                    attempt += 1
                    logger.warning(
                        "%s failed (attempt %s/%s). Retrying in %.2fs due to %s: %s",
                        func.__name__,
                        attempt,
                        max_retries,
                        delay,
                        type(error).__name__,
                        error,
                    )
                    await asyncio.sleep(delay)

        return wrapper

    return decorator
