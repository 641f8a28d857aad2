# SPDX-License-Identifier: Apache-2.0
"""How a request to a provider ended, in the words of the counters."""

from __future__ import annotations

UNKNOWN = "unknown"
SUCCESS, FAILURE, TIMEOUT = "success", "failure", "timeout"


def is_timeout(error: BaseException | None) -> bool:
    """Whether an exception says that a deadline passed, whoever defined it."""
    return isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower()
