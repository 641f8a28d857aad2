# SPDX-License-Identifier: Apache-2.0
"""What one run is asked to do: arguments, and the environment for what tests and demos tune."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_ASSETS = ("AAPL", "MSFT")
DEFAULT_START = "2008-09-02"
DEFAULT_SEED = 7
LLM_MODES = ("local", "ensemble", "debate", "cli")


@dataclass(frozen=True, slots=True)
class Options:
    """One run.

    Attributes:
        cycles: Cycles to begin; 0 means until stopped.
        interval: Seconds between two cycles.
        llm: One of ``LLM_MODES``.
        assets: Symbols with recorded prices.
        faults: Names of the faults that are on.
        seed: What decisions and slippage depend on.
        state_dir: Where positions and outcomes are kept; None: nowhere beyond the run.
        start: The recorded day that the first cycle sees.
        llm_latency: Seconds that the built-in models take for a short answer.
        data_latency: Seconds that the built-in market data API takes.
        phase_timeout: Seconds after which a phase is given up; 0 means never.
        leak_megabytes: What each cycle keeps under the fault ``memory_leak``.
    """

    cycles: int = 0
    interval: float = 1.0
    llm: str = "local"
    assets: tuple[str, ...] = DEFAULT_ASSETS
    faults: frozenset[str] = frozenset()
    seed: int = DEFAULT_SEED
    state_dir: Path | None = None
    start: str = DEFAULT_START
    llm_latency: float = 0.03
    data_latency: float = 0.005
    phase_timeout: float = 0.0
    leak_megabytes: float = 8.0


def environment_number(name: str, default: float) -> float:
    """Return a number that is zero or more from the environment.

    Raises:
        ValueError: The variable is set to something else.
    """
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if value < 0:
        raise ValueError(f"the environment variable {name} must be a number >= 0, not {text!r}")
    return value
