# SPDX-License-Identifier: Apache-2.0
"""What can be made to go wrong, and how the process ends when it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_DONE = 0
"""The asked number of cycles was begun."""
EXIT_USAGE = 2
"""The command line could not be understood."""
EXIT_KILL_SWITCH = 3
"""A kill switch stopped the agent."""
EXIT_STUCK = 4
"""A phase had to be given up because it did not end in time."""

FAULTS: dict[str, str] = {
    "none": "nothing goes wrong (exit code 0)",
    "slow_provider": "every language model takes many times as long (exit code 0)",
    "failing_provider": "one of the models answers 500 to everything (exit code 0)",
    "data_502": "the market data API answers 502 (exit code 0)",
    "data_429": "prices and news are refused with 429 by turns (exit code 0)",
    "stale_data": "market data, of one asset first, is three hours old (exit code 0)",
    "llm_down": "the language model server refuses connections (exit code 0)",
    "bad_llm_json": "language models answer in prose instead of JSON (exit code 0)",
    "platform_error": "the trading platform fails every order (exit code 0)",
    "kill_switch": "a streak of losses before the second cycle stops the agent (exit code 3)",
    "memory_leak": "each cycle keeps some megabytes for ever (exit code 0)",
    "stuck_phase": "reasoning of the second cycle hangs until it is given up (exit code 4)",
}


def check(names: Iterable[str]) -> frozenset[str]:
    """Return the faults that are really on.

    Raises:
        ValueError: A name is not in ``FAULTS``.
    """
    asked = frozenset(names)
    unknown = sorted(asked - FAULTS.keys())
    if unknown:
        raise ValueError(f"unknown fault {', '.join(unknown)}; there are: {', '.join(FAULTS)}")
    return asked - {"none"}
