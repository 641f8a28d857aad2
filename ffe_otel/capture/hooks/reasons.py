# SPDX-License-Identifier: Apache-2.0
"""Reason texts of the engine's rejections as bounded codes, fit for a metric label."""

from __future__ import annotations

import re
from typing import Final

OTHER: Final = "other"
KILL_SWITCH: Final = "kill_switch"
STALE_DATA: Final = "stale_data"
MARKET_HOURS: Final = "market_hours"

# The first that matches wins: a text about concentration may well name the leverage too.
_PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"kill[ _-]?switch", KILL_SWITCH),
        (r"\bstale\b|freshness|invalid timestamp", STALE_DATA),
        (r"market (?:is )?closed|market hours|weekend", MARKET_HOURS),
        (r"drawdown", "drawdown"),
        (r"correlat", "correlation"),
        (r"\bvar\b", "var"),
        (r"concentration", "concentration"),
        (r"leverage", "leverage"),
        (r"volatility", "volatility_confidence"),
        (r"streak|win rate|loss/win|recent profits|performance", "performance"),
    )
)

# The engine's own codes for decisions it does not execute.
_ENGINE_CODES: Final = frozenset(
    {
        "LOW_CONFIDENCE",
        "QUALITY_GATE_BLOCK",
        "JUDGED_OPEN_MIN_CONFIDENCE",
        "JUDGED_OPEN_REGIME_MIN_CONFIDENCE",
        "JUDGED_OPEN_CONTEXT_MIN_CONFIDENCE",
        "DAILY_TRADE_LIMIT",
        "DUPLICATE_ENTRY_GUARD",
        "NOTIFICATION_UNAVAILABLE",
        "APPROVAL_DISABLED",
        "APPROVAL_PATH_UNAVAILABLE",
        "INVALID_POLICY_ACTION",
        "RISK_VETO",
        "REJECTED",
        "ANALYSIS_TIMEOUT",
        "ANALYSIS_EXCEPTION",
        "NO_DECISION_PAYLOAD",
        "MALFORMED_PROVIDER_RESPONSE",
        "LLM_ERROR",
        "LLM_TIMEOUT",
    }
)


def risk_code(reason: str | None) -> str:
    """The code of a gatekeeper's reason text."""
    for pattern, code in _PATTERNS:
        if reason and pattern.search(reason):
            return code
    return OTHER


def engine_code(code: object) -> str:
    """One of the engine's own reason codes in lower case; ``other`` for one not known."""
    name = str(code).upper()
    if name in _ENGINE_CODES:
        return name.lower()
    return "judged_open" if name.startswith("JUDGED_OPEN") else OTHER
