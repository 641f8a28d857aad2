# SPDX-License-Identifier: Apache-2.0
"""Who answers ``force_flush`` of a provider of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

# Given the SDK's part of the flush and the milliseconds it was called with.
Flusher: TypeAlias = Callable[[Callable[..., Any], float | None], bool]


def flush(flusher: Flusher | None, below: Callable[..., Any], timeout_millis: float | None) -> bool:
    """Flush a provider by ``flusher``; without one as the SDK does."""
    if flusher is not None:
        return flusher(below, timeout_millis)
    return bool(below() if timeout_millis is None else below(timeout_millis))
