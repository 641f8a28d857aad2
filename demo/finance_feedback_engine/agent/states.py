# SPDX-License-Identifier: Apache-2.0
"""The states of the trading loop and how long it spent in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

PHASES = ("PERCEPTION", "REASONING", "RISK_CHECK", "EXECUTION", "LEARNING")


class AgentState(Enum):
    """What the agent is doing."""

    IDLE = auto()
    RECOVERING = auto()
    PERCEPTION = auto()
    REASONING = auto()
    RISK_CHECK = auto()
    EXECUTION = auto()
    LEARNING = auto()


STATE_METRIC_VALUES: dict[AgentState, int] = {
    AgentState.IDLE: 0,
    AgentState.RECOVERING: 1,
    AgentState.LEARNING: 2,
    AgentState.PERCEPTION: 3,
    AgentState.REASONING: 4,
    AgentState.RISK_CHECK: 5,
    AgentState.EXECUTION: 6,
}

VALID_TRANSITIONS: dict[AgentState, frozenset[AgentState]] = {
    AgentState.IDLE: frozenset({AgentState.RECOVERING, AgentState.PERCEPTION}),
    AgentState.RECOVERING: frozenset({AgentState.IDLE, AgentState.PERCEPTION}),
    AgentState.PERCEPTION: frozenset({AgentState.REASONING, AgentState.IDLE}),
    AgentState.REASONING: frozenset({AgentState.RISK_CHECK, AgentState.IDLE}),
    AgentState.RISK_CHECK: frozenset({AgentState.EXECUTION, AgentState.IDLE}),
    AgentState.EXECUTION: frozenset({AgentState.LEARNING, AgentState.IDLE}),
    AgentState.LEARNING: frozenset({AgentState.IDLE}),
}


@dataclass(slots=True)
class LoopMetrics:
    """Seconds spent in each phase, of the last cycle and in all."""

    cycles_completed: int = 0
    cumulative_phase_durations: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(PHASES, 0.0)
    )
    last_cycle_phase_durations: dict[str, float] = field(default_factory=dict)
    last_cycle_total_duration: float = 0.0

    def record_phase(self, phase_name: str, duration_seconds: float) -> None:
        """Add to what was spent in a phase."""
        so_far = self.cumulative_phase_durations.get(phase_name, 0.0)
        self.cumulative_phase_durations[phase_name] = so_far + duration_seconds

    def finalize_cycle(self, cycle_phase_durations: dict[str, float]) -> None:
        """Close the books of a cycle."""
        self.cycles_completed += 1
        self.last_cycle_phase_durations = dict(cycle_phase_durations)
        self.last_cycle_total_duration = sum(cycle_phase_durations.values())
