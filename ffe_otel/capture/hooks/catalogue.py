# SPDX-License-Identifier: Apache-2.0
"""All hooks together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel.capture.hooks import (
    agent,
    breaker,
    cache,
    data,
    decision,
    execution,
    holdings,
    llm,
    monitor,
    outcome,
    recovery,
    risk,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ffe_otel.capture.hooking import Hook


def all_hooks() -> Sequence[Hook]:
    """Every hook on the engine and on the LLM client it uses."""
    seams = (
        settings, agent, recovery, data, holdings, cache, decision, llm, risk, execution, outcome,
        breaker, monitor,
    )  # fmt: skip
    return tuple(hook for seam in seams for hook in seam.HOOKS)
