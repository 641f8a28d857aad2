# SPDX-License-Identifier: Apache-2.0
"""Checks of what comes from outside."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

STALE_AFTER_SECONDS = 90 * 60


def standardize_asset_pair(asset_pair: str) -> str:
    """Return an asset pair in capitals and without separators."""
    return "".join(letter for letter in asset_pair.upper() if letter.isalnum())


def describe_age(seconds: float) -> str:
    """Return an age in the unit a person would choose."""
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    if seconds < 3600:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:.2f} hours"


def validate_data_freshness(data_timestamp: float) -> tuple[bool, str, str]:
    """Tell whether data is fresh enough to trade on.

    Args:
        data_timestamp: Seconds since the epoch that the newest data is from.

    Returns:
        Whether it is fresh, its age in words, and a message when it is not.
    """
    age = max(0.0, time.time() - data_timestamp)
    words = describe_age(age)
    if age <= STALE_AFTER_SECONDS:
        return True, words, ""
    message = (
        f"CRITICAL: intraday data is {words} old "
        f"(threshold: {STALE_AFTER_SECONDS // 60} minutes). Stale market data detected."
    )
    logger.error("%s", message)
    return False, words, message
