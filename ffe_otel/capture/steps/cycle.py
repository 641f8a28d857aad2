# SPDX-License-Identifier: Apache-2.0
"""The OODA cycle, its phases, and the state of the agent in them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from ffe_otel import semconv
from ffe_otel.capture import runtime
from ffe_otel.capture.steps.arguments import number, optional_text, text, texts, whole
from ffe_otel.capture.steps.base import (
    _CYCLE_KEY,
    _FIELDS_KEY,
    Aborted,
    Step,
    cycle_of,
    describe,
    fields_of,
    guarded,
    leaves_in_peace,
    with_fields,
)
from ffe_otel.capture.steps.roots import Root
from ffe_otel.correlation import correlation_id as to_correlation_id
from ffe_otel.correlation import current_correlation_id, with_requested_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ffe_otel.capture.runtime import Runtime

EXECUTED, REJECTED, NO_TRADE = "executed", "rejected", "no_trade"
FAILED, STOPPED, CANCELLED, ABORTED = "failed", "stopped", "cancelled", "aborted"
_RANK = {
    NO_TRADE: 1,
    REJECTED: 2,
    FAILED: 3,
    EXECUTED: 4,
    STOPPED: 5,
    CANCELLED: 6,
    ABORTED: 7,
}


class Cycle(Root):
    """One OODA cycle: the root span, and the summary it ends with."""

    def __init__(
        self,
        asset_pairs: Sequence[str] = (),
        *,
        agent_id: str | None = None,
        number: int | None = None,
        cycle_id: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(semconv.SPAN_CYCLE)
        self.agent_id = optional_text(agent_id, "cycle")
        self._asked_for = optional_text(correlation_id, "cycle")
        given = {
            semconv.ASSET_PAIRS: texts(asset_pairs, "cycle") or None,
            semconv.CYCLE_NUMBER: whole(number, "cycle"),
            semconv.CYCLE_ID: optional_text(cycle_id, "cycle"),
        }
        self.attributes.update({k: v for k, v in given.items() if v is not None})

    def _reset(self) -> None:
        super()._reset()
        self._run_id: str | None = None
        self._outcome = ""
        self._reason: str | None = None
        self._decision_rank = 0
        self.errors = 0
        self._trades = 0
        self._first_error: str | None = None
        self._seen_errors: set[tuple[int, str]] = set()
        self._cost = 0.0
        self._cost_known = False
        self._tokens = 0
        self._pnl: float | None = None
        self._fields: dict[str, object] = {}

    @property
    def correlation_id(self) -> str | None:
        """The trace id as UUID, or ``None`` when nothing is captured."""
        context = self.span.get_span_context()
        return to_correlation_id(context.trace_id) if context.is_valid else None

    def error(self, error: BaseException | str, where: str = "") -> None:
        """Make a failure visible on the cycle, also when the agent swallows it."""
        rt = self._runtime
        if rt is None:
            return
        try:
            where = optional_text(where, "Cycle.error") or ""
            self.failed_inside(error, where or "cycle")
            self.event(
                semconv.SPAN_EVENT_CYCLE_ERROR,
                {"where": where or None, "message": describe(error)},
            )
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed("error")

    def failed_inside(self, error: BaseException | str, where: str) -> None:
        """A step under the cycle failed; one exception counts once on its way up."""
        words = describe(error)
        if isinstance(error, BaseException):
            # By id and text: keeping the exception would keep its frames alive, and an id
            # alone is used again once it is gone.
            key = (id(error), words)
            if key in self._seen_errors:
                return
            self._seen_errors.add(key)
        self.errors += 1
        if self._first_error is None:
            self._first_error = f"{where}: {words}" if where else words

    @guarded
    def decided(
        self,
        asset_pair: str,
        action: str | None,
        confidence: float | None,
        decision_id: str | None = None,
        *,
        rank: int = 1,
    ) -> None:
        """Say what was decided. Of several decisions the one that went furthest is shown."""
        if rank < self._decision_rank:
            return
        self._decision_rank = rank
        self.set(
            {
                semconv.ASSET_PAIR: text(asset_pair, "Cycle.decided"),
                semconv.DECISION_ACTION: optional_text(action, "Cycle.decided"),
                semconv.DECISION_CONFIDENCE: number(confidence, "Cycle.decided"),
                semconv.DECISION_ID: optional_text(decision_id, "Cycle.decided"),
            }
        )

    @guarded
    def outcome(self, outcome: str, reason: str | None = None) -> None:
        """Say how the cycle ended; of several outcomes the weightiest stays."""
        if _RANK.get(outcome, 0) > _RANK.get(self._outcome, 0):
            self._outcome, self._reason = outcome, optional_text(reason, "Cycle.outcome")

    @guarded
    def spent(self, tokens: int | None, cost_usd: float | None) -> None:
        """Add an LLM call's tokens and cost to the cycle's."""
        self._tokens += whole(tokens, "Cycle.spent") or 0
        cost = number(cost_usd, "Cycle.spent")
        if cost is not None:
            self._cost += cost
            self._cost_known = True

    def traded(self) -> None:
        """Count an executed order."""
        self._trades += 1

    @guarded
    def moved(self, state: str) -> None:
        """Say what state the agent is in, for what is logged outside phases."""
        self._fields["agent_state"] = text(state, "Cycle.moved")

    @guarded
    def earned(self, pnl_dollars: float) -> None:
        """Add realised profit or loss."""
        pnl = number(pnl_dollars, "Cycle.earned")
        if pnl is not None:
            self._pnl = (self._pnl or 0.0) + pnl

    def _parent_context(self) -> Context:
        self._run_id = current_correlation_id()
        if self._asked_for:
            return with_requested_root(Context(), self._asked_for)
        return Context()

    def _context(self, context: Context) -> Context:
        context = otel_context.set_value(_CYCLE_KEY, self, context)
        return otel_context.set_value(_FIELDS_KEY, self._fields, context)

    def _begun(self, rt: Runtime) -> None:
        rt.at_work()
        agent = self.agent_id = self.agent_id or rt.agent_id
        if agent in rt.agent_states:
            self.moved(rt.agent_states[agent])
        self.set({semconv.AGENT_ID: agent, semconv.RUN_CORRELATION_ID: self._run_id})
        if self.span.is_recording():
            rt.emit(
                semconv.EVENT_CYCLE_STARTED,
                {
                    semconv.AGENT_ID: agent,
                    semconv.CYCLE_NUMBER: self.attributes.get(semconv.CYCLE_NUMBER),
                    semconv.ASSET_PAIRS: self.attributes.get(semconv.ASSET_PAIRS),
                },
            )

    def _left_by(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.outcome(CANCELLED, "cancelled")
        elif isinstance(error, Aborted):
            self.outcome(ABORTED, "process_ended")
        elif not leaves_in_peace(error):
            self.outcome(FAILED, type(error).__qualname__)
        elif not self._outcome and not self.errors:
            self.outcome(STOPPED, type(error).__qualname__)

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        if error is not None:
            self._left_by(error)
        if not self._outcome:
            self._outcome = FAILED if self.errors else NO_TRADE
            self._reason = "error" if self.errors else "no_decision"
        if self.errors and self._failure is None:
            self._failure = self._first_error
        self.set(
            {
                semconv.CYCLE_OUTCOME: self._outcome,
                semconv.CYCLE_REASON: self._reason,
                semconv.CYCLE_ERRORS: self.errors,
                semconv.CYCLE_TRADES: self._trades,
                semconv.LLM_TOKENS: self._tokens or None,
                semconv.LLM_COST_USD: self._cost if self._cost_known else None,
                semconv.TRADE_PNL_DOLLARS: self._pnl,
            }
        )
        rt.instruments.record(semconv.CYCLE_DURATION, self.duration_ns / 1e9)


class Phase(Step):
    """A phase of the cycle; its span is a child of the cycle's own."""

    def __init__(self, name: str) -> None:
        self.phase = text(name, "phase").lower()
        super().__init__(semconv.SPAN_PHASE_PREFIX + self.phase)
        self.attributes[semconv.PHASE] = self.phase

    def _parent_context(self) -> Context:
        current = otel_context.get_current()
        cycle = cycle_of(current)
        # The engine opens a span of its own around all phases; theirs is a sibling.
        return trace.set_span_in_context(cycle.span, current) if cycle is not None else current

    def _context(self, context: Context) -> Context:
        return with_fields(context, agent_state=self.phase.upper())

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        del error
        rt.instruments.record(semconv.PHASE_DURATION, self.duration_ns / 1e9, self.phase.upper())


def transition(
    old: str | None, new: str, *, agent_id: str | None = None, cycle_count: int = 0
) -> None:
    """Record a transition of the agent's state machine (names such as ``PERCEPTION``)."""
    rt = runtime.get()
    if rt is None:
        return
    try:
        cycle = cycle_of()
        given = optional_text(agent_id, "transition")
        agent = given or (cycle.agent_id if cycle is not None else None) or rt.agent_id
        before, state = optional_text(old, "transition"), text(new, "transition")
        value = semconv.AGENT_STATES.get(state, -1)
        rt.agent_states[agent] = state
        if cycle is not None and cycle.agent_id == agent:
            cycle.moved(state)
            set_state("agent_state", state)
        rt.instruments.record(semconv.AGENT_STATE_GAUGE, value)
        rt.instruments.record(semconv.AGENT_TRANSITIONS, 1, before or "NONE", state)
        rt.emit(
            semconv.EVENT_AGENT_STATE,
            {
                "agent_id": agent,
                "environment": rt.environment,
                "state_value": value,
                "cycle_count": whole(cycle_count, "transition") or 0,
                semconv.AGENT_STATE: state,
            },
        )
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed("transition")


def current_cycle() -> Cycle | None:
    """The cycle that the current code runs under, across threads and tasks."""
    return cycle_of()


def set_state(key: str, value: object) -> None:
    """Set a log field (``decision_id``, ``asset_pair``, ...) for the rest of the step."""
    fields = fields_of()
    if fields is not None:
        fields[text(key, "set_state")] = value


def log_context(context: Context | None = None) -> Mapping[str, object]:
    """What log records carry: agent_state, decision_id, asset_pair.

    Args:
        context: of the code that logs; the current one by default.
    """
    fields: Any = fields_of(context)
    return fields if fields is not None else {}
