# SPDX-License-Identifier: Apache-2.0
"""The agent: its life, its cycles, phases and state machine, and how it stops itself."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import context as otel_context

from ffe_otel import semconv
from ffe_otel.capture import api, runtime
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import about, outcome, recovery, venues
from ffe_otel.capture.hooks.facts import carrying, field, integer, state_name, text
from ffe_otel.capture.hooks.reasons import KILL_SWITCH, STALE_DATA
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Body, Call
    from ffe_otel.capture.steps.cycle import Cycle

MODULE: Final = "finance_feedback_engine.agent.trading_loop_agent"
_LOGGING_MODULE: Final = "finance_feedback_engine.monitoring.logging_config"
_CLASS: Final = "TradingLoopAgent"
_IDLE: Final = "IDLE"
_DONE_WITH_A_DECISION: Final = frozenset(
    {"decision_approved", "decision_rejected", "decision_filtered"}
)
_NOTES: Final = otel_context.create_key("ffe-otel-cycle-notes")
_PERCEIVING: Final = otel_context.create_key("ffe-otel-perceiving")


class _Notes:
    """What a cycle's hooks tell each other while it runs."""

    __slots__ = ("came_to_idle",)

    def __init__(self) -> None:
        self.came_to_idle = False


class _AgentIds:
    """Tells the agents of a process apart: the configured id, then ``-2``, ``-3``, ...

    A number is free again when its agent's run ends, since a process that stops and
    starts its agent builds a new one each time.
    """

    def __init__(self) -> None:
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._lock = native.Lock()

    def of(self, agent: Any) -> str | None:
        own = text(getattr(agent, "agent_id", None))
        rt = runtime.get()
        if own or rt is None:
            return own
        number = self._numbers.get(agent) or self._number(agent)
        return rt.agent_id if number == 1 else f"{rt.agent_id}-{number}"

    def release(self, agent: Any) -> None:
        with self._lock:
            self._numbers.pop(agent, None)

    def _number(self, agent: Any) -> int:
        with self._lock:
            taken = set(self._numbers.values())
            number = next(n for n in range(1, len(taken) + 2) if n not in taken)
            return self._numbers.setdefault(agent, number)


class _CycleNumbers:
    """Counts each agent's cycles: the engine's own count leaves out those that failed."""

    def __init__(self) -> None:
        self._last: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def of_next(self, agent: Any) -> int:
        completed = integer(getattr(agent, "_cycle_count", None)) or 0
        number = max(completed, self._last.get(agent, 0)) + 1
        self._last[agent] = number
        return number


_agent_ids = _AgentIds()
_cycle_numbers = _CycleNumbers()


def _asset_pairs(agent: Any) -> list[str]:
    pairs = field(getattr(agent, "config", None), "asset_pairs") or ()
    return [pair for pair in pairs if isinstance(pair, str)]


def _venue(agent: Any) -> str:
    platform = getattr(agent, "trading_platform", None)
    return venues.of(platform or getattr(getattr(agent, "engine", None), "trading_platform", None))


def _cancel_requests() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _run_correlation_id() -> str | None:
    """The engine's own correlation id, which covers its main thread's whole life."""
    module = sys.modules.get(_LOGGING_MODULE)
    return text(module.get_correlation_id()) if module is not None else None


def _run(call: Call) -> Generator[None, Any, None]:
    try:
        with api.agent_run(_agent_ids.of(call.instance)):
            yield
    finally:
        _agent_ids.release(call.instance)


def _cycle(call: Call) -> Generator[None, Any, None]:
    agent = call.instance
    if not getattr(agent, "is_running", False):
        yield  # it returns at once: no cycle begins
        return
    notes, cancelled_before = _Notes(), _cancel_requests()
    with (
        api.cycle(
            _asset_pairs(agent),
            agent_id=_agent_ids.of(agent),
            number=_cycle_numbers.of_next(agent),
        ) as cycle,
        about.in_the_loop(),
        carrying(_NOTES, notes),
        carrying(outcome.VENUE, _venue(agent)),
    ):
        cycle.set({semconv.RUN_CORRELATION_ID: _run_correlation_id()})
        completed = yield
        if _cancel_requests() > cancelled_before:
            # process_cycle swallows the CancelledError, so only the task still knows.
            cycle.outcome("cancelled", "cancelled")
        elif completed is False:
            _broken_off(cycle)
        elif not agent.is_running and not notes.came_to_idle:
            cycle.outcome("stopped", "stop_requested")


def _broken_off(cycle: Cycle) -> None:
    if not cycle.errors:
        cycle.error("process_cycle gave up without an exception", "process_cycle")
    cycle.outcome("failed", "cycle_failed")


def _phase(name: str) -> Body:
    def body(_call: Call) -> Generator[None, Any, None]:
        with api.phase(name):
            yield

    return body


def _perception(call: Call) -> Generator[None, Any, None]:
    # The id, not the agent: a pool thread keeps the context it was started in for life.
    with api.phase("perception"), carrying(_PERCEIVING, id(call.instance)):
        yield


def _transition(call: Call) -> Generator[None, Any, None]:
    agent, new = call.instance, state_name(call.get("new_state"))
    old = state_name(getattr(agent, "state", None))
    about.turn_to()  # done with the last decision of the phase
    yield
    if state_name(getattr(agent, "state", None)) != new:
        return  # an agent that was stopped stays where it is
    _moved(agent, old, new)
    cycle = api.current_cycle()
    if cycle is not None:
        cycle.set({semconv.CYCLE_ID: text(getattr(agent, "_current_cycle_id", None))})
    notes: Any = otel_context.get_value(_NOTES)
    if notes is not None and new == _IDLE:
        notes.came_to_idle = True


def _moved(agent: Any, old: str | None, new: str | None) -> None:
    if new is not None:
        count = integer(getattr(agent, "_cycle_count", None)) or 0
        api.transition(old, new, agent_id=_agent_ids.of(agent), cycle_count=count)


def _stop(call: Call) -> Generator[None, Any, None]:
    agent = call.instance
    old = state_name(getattr(agent, "state", None))
    yield
    if old != _IDLE:
        _moved(agent, old, _IDLE)  # written directly, without _transition_to
    if otel_context.get_value(_PERCEIVING) == id(agent):
        _killed(agent)


def _killed(agent: Any) -> None:
    """The kill switches are no method: they are perception stopping its own agent."""
    metrics = getattr(agent, "_performance_metrics", None)
    shown = ", ".join(
        f"{name}={field(metrics, name)}" for name in ("current_streak", "win_rate", "total_trades")
    )
    api.risk_veto(KILL_SWITCH, KILL_SWITCH, f"the agent stopped itself ({shown})")
    cycle = api.current_cycle()
    if cycle is not None:
        cycle.outcome("stopped", KILL_SWITCH)


def _dashboard_event(call: Call) -> Generator[None, Any, None]:
    event = call.get("event")
    kind = text(field(event, "type"))
    if kind == "data_freshness_failed":
        reason = text(field(event, "reason")) or "market data is stale"
        api.risk_veto("data_freshness", STALE_DATA, reason)
    elif kind in {"recovery_complete", "recovery_failed"}:
        recovery.told(event)
    yield
    if kind in _DONE_WITH_A_DECISION:
        about.turn_to()


def _state_exception(call: Call) -> Generator[None, Any, None]:
    cycle, error = api.current_cycle(), call.get("error")
    if cycle is not None and isinstance(error, BaseException):
        cycle.error(error, text(call.get("state_name")) or "")
    yield


def _hook(method: str, wrapper: Body, *parameters: str) -> Hook:
    name = "agent." + method.strip("_")
    return Hook(name, MODULE, f"{_CLASS}.{method}", wrapper, parameters)


HOOKS: Final = (
    _hook("run", _run),
    _hook("process_cycle", _cycle),
    _hook("_transition_to", _transition, "new_state"),
    _hook("stop", _stop),
    _hook("handle_perception_state", _perception),
    *(
        _hook(f"handle_{phase}_state", _phase(phase))
        for phase in ("reasoning", "risk_check", "execution", "learning")
    ),
    _hook("_emit_dashboard_event", _dashboard_event, "event"),
    _hook("_handle_state_exception", _state_exception, "error", "state_name"),
)
