# SPDX-License-Identifier: Apache-2.0
"""Steps with a trace of their own, and those that surround cycles: run, recovery, monitors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from ffe_otel import semconv
from ffe_otel.capture.steps.arguments import optional_text, text, whole
from ffe_otel.capture.steps.base import Step, cycle_of, guarded

if TYPE_CHECKING:
    from ffe_otel.capture.runtime import Runtime


class Root(Step):
    """A step that owns a trace and links to whatever was current."""

    root = True

    def _parent_context(self) -> Context:
        # A fresh context: under the engine's own run-long span every cycle would share
        # one trace and be sampled all or nothing.
        return Context()

    def _links(self) -> list[Link]:
        current = trace.get_current_span().get_span_context()
        return [Link(current)] if current.is_valid else []


class AgentRun(Root):
    """The life of an agent, from start to stop."""

    def __init__(self, agent_id: str | None = None) -> None:
        super().__init__(semconv.SPAN_AGENT_RUN)
        if agent := optional_text(agent_id, "agent_run"):
            self.attributes[semconv.AGENT_ID] = agent


class Monitor(Root):
    """One pass of a monitor thread, in a trace of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(semconv.SPAN_MONITOR)
        self.attributes[semconv.DATA_ENDPOINT] = text(name, "monitor")


class Recovery(Root):
    """Recovery of open positions at start."""

    def __init__(self, platform: str) -> None:
        super().__init__(semconv.SPAN_RECOVERY)
        self._platform = text(platform, "recovery")
        self.attributes[semconv.TRADE_PLATFORM] = self._platform

    @guarded
    def recovered(self, count: int) -> None:
        """Say how many positions were found."""
        self.set({semconv.RECOVERY_POSITIONS: whole(count, "Recovery.recovered")})

    def _parent_context(self) -> Context:
        cycle = cycle_of()
        if cycle is None:
            return Context()
        return trace.set_span_in_context(cycle.span)

    def _links(self) -> list[Link]:
        return [] if cycle_of() is not None else super()._links()

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        del error
        rt.instruments.record(semconv.RECOVERY_DURATION, self.duration_ns / 1e9, self._platform)
