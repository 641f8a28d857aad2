# SPDX-License-Identifier: Apache-2.0
"""The trading loop: a state machine that runs one cycle after another."""

from __future__ import annotations

import asyncio
import logging
import queue
import time
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from finance_feedback_engine.decision_engine.policy import HOLD
from finance_feedback_engine.monitoring import prometheus
from finance_feedback_engine.observability.instruments import tracer
from finance_feedback_engine.risk.gatekeeper import RiskGatekeeper
from finance_feedback_engine.utils.validation import validate_data_freshness

from . import performance, steps
from .cooldown import Cooldowns
from .events import decision_event, offer
from .states import PHASES, STATE_METRIC_VALUES, VALID_TRANSITIONS, AgentState, LoopMetrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from finance_feedback_engine.core import FinanceFeedbackEngine
    from finance_feedback_engine.monitoring.trade_monitor import TradeMonitor
    from finance_feedback_engine.persistence.memory import PortfolioMemory
    from finance_feedback_engine.trading_platforms.base_platform import BaseTradingPlatform

    from .config import TradingAgentConfig

logger = logging.getLogger(__name__)

Decision = dict[str, Any]
_MAX_ITERATIONS = 10


class TradingLoopAgent:
    """Perceives, reasons, checks the risk, executes and learns, until it is told to stop.

    Attributes:
        state: What the agent is doing.
        is_running: False before ``run`` and after ``stop``.
        stop_reason: Why it stopped: ``max_cycles``, ``kill_switch`` or ``requested``.
        phase_timeouts: How many phases had to be given up.
        on_cycle: Called with the agent when a cycle begins, before anything else is done.
        phase_gate: Awaited with the name of a phase when it begins.
    """

    def __init__(
        self,
        config: TradingAgentConfig,
        engine: FinanceFeedbackEngine,
        trade_monitor: TradeMonitor,
        portfolio_memory: PortfolioMemory,
        trading_platform: BaseTradingPlatform,
    ) -> None:
        self.config = config
        self.engine = engine
        self.trade_monitor = trade_monitor
        self.portfolio_memory = portfolio_memory
        self.trading_platform = trading_platform
        self.risk_gatekeeper = RiskGatekeeper(
            max_drawdown_pct=config.max_drawdown_percent,
            correlation_threshold=config.correlation_threshold,
            max_var_pct=config.max_var_pct,
        )
        self.state = AgentState.IDLE
        self.is_running = False
        self.stop_reason = ""
        self.phase_timeouts = 0
        self.daily_trade_count = 0
        self.on_cycle: Callable[[TradingLoopAgent], None] = lambda _: None
        self.phase_gate: Callable[[str], Awaitable[None]] = _open_gate
        self._wake = asyncio.Event()
        self._current_cycle_id: str | None = None
        self._cycle_count = 0
        self._cycles_begun = 0
        self._start_time: float | None = None
        self._recovered_positions: list[dict[str, Any]] = []
        self._current_decisions: list[Decision] = []
        self._cooldowns = Cooldowns()
        self._streak_pause_until: int | None = None
        self._performance_metrics = performance.new_metrics()
        self._loop_metrics = LoopMetrics()
        self._dashboard_event_queue: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=100)
        self.state_handlers: dict[AgentState, Callable[[], Awaitable[None]]] = {
            AgentState.IDLE: self.handle_idle_state,
            AgentState.RECOVERING: self.handle_recovering_state,
            AgentState.PERCEPTION: self.handle_perception_state,
            AgentState.REASONING: self.handle_reasoning_state,
            AgentState.RISK_CHECK: self.handle_risk_check_state,
            AgentState.EXECUTION: self.handle_execution_state,
            AgentState.LEARNING: self.handle_learning_state,
        }
        self._record_state_metric()

    async def run(self) -> None:
        """Run cycles until ``stop`` is called or the last one was run."""
        with tracer.start_as_current_span("agent.ooda.run") as span:
            span.set_attribute("agent.started", True)
            logger.info("Starting autonomous trading agent...")
            # Whoever starts this as a task may have stopped it before it ran.
            self.is_running = not self.stop_reason
            self._start_time = time.time()
            await self._transition_to(AgentState.RECOVERING)
            while self.is_running:
                if await self.process_cycle():
                    self._cycle_count += 1
                    pause = self.config.analysis_frequency_seconds
                else:
                    logger.warning("Cycle execution failed, backing off before retry")
                    pause = self.config.main_loop_error_backoff_seconds
                if self.is_running and self._cycles_begun == self.config.max_cycles:
                    self._stop_because("max_cycles")
                if self.is_running:
                    await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def process_cycle(self) -> bool:
        """Run one cycle; False when a phase failed for good or the agent is stopped."""
        if not self.is_running:
            return False
        self._cycles_begun += 1
        self._current_cycle_id = uuid.uuid4().hex[:8]
        self.engine.stats.count("cycles_begun")
        try:
            self.on_cycle(self)
            if self.state is AgentState.IDLE:
                await self._transition_to(AgentState.PERCEPTION)
            with tracer.start_as_current_span("agent.ooda.cycle") as span:
                completed = await self._run_phases(span)
        except Exception:
            logger.exception("Error in process_cycle")
            completed = False
        self.engine.stats.count("cycles_completed" if completed else "cycles_failed")
        self._current_cycle_id = None
        return completed

    async def _run_phases(self, span: Any) -> bool:
        spent = dict.fromkeys(PHASES, 0.0)
        retries = self.config.max_retries_per_cycle
        iterations = 0
        while self.state is not AgentState.IDLE and self.is_running:
            if iterations == _MAX_ITERATIONS:
                logger.warning("process_cycle exceeded max iterations, possible infinite loop")
                return False
            iterations += 1
            name = self.state.name
            span.add_event("state_handler_start", {"state": name})
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self.config.phase_timeout_seconds or None):
                    await self.state_handlers[self.state]()
            except Exception as error:
                self._handle_state_exception(error, name)
                retries -= 1
                if isinstance(error, TimeoutError) or retries < 0:
                    logger.exception("State handler failed; aborting cycle")
                    return False
                logger.warning(
                    "State %s failed; retrying within cycle (remaining=%s)", name, retries
                )
                continue
            finally:
                seconds = time.perf_counter() - began
                spent[name] = spent.get(name, 0.0) + seconds
                self._loop_metrics.record_phase(name, seconds)
            span.add_event("state_handler_end", {"state": self.state.name})
        span.set_attribute("iterations", iterations)
        self._loop_metrics.finalize_cycle(spent)
        words = " ".join(f"{phase}={spent[phase]:.4f}" for phase in PHASES)
        total = self._loop_metrics.last_cycle_total_duration
        logger.info("Cycle phase durations (s): %s TOTAL=%.4f", words, total)
        return True

    async def _transition_to(self, new_state: AgentState) -> None:
        old = self.state
        if not self.is_running:
            logger.info("Stopped; not going on from %s to %s", old.name, new_state.name)
            return
        if new_state not in VALID_TRANSITIONS[old]:
            logger.error("ILLEGAL state transition blocked: %s -> %s", old.name, new_state.name)
            raise ValueError(f"illegal state transition: {old.name} -> {new_state.name}")
        self.state = new_state
        logger.info("Transitioning %s -> %s", old.name, new_state.name)
        self._record_state_metric()
        self._emit_dashboard_event(
            {"type": "state_transition", "from": old.name, "to": new_state.name}
        )

    def _record_state_metric(self) -> None:
        prometheus.update_agent_state(STATE_METRIC_VALUES[self.state])

    def _emit_dashboard_event(self, event: dict[str, Any]) -> None:
        offer(self._dashboard_event_queue, event)

    def _handle_state_exception(self, error: Exception, state_name: str) -> str | None:
        self.engine.stats.count("errors")
        if isinstance(error, TimeoutError):
            self.phase_timeouts += 1
            seconds = self.config.phase_timeout_seconds
            logger.error("Phase %s timed out after %.1fs", state_name, seconds)
        dump_path = self.engine.error_tracker.capture_crash_dump(
            error, {"state": state_name, "cycle_id": self._current_cycle_id}
        )
        self._emit_dashboard_event(
            {
                "type": "agent_crashed",
                "state": state_name,
                "error": f"{type(error).__name__}: {error}",
                "cycle_id": self._current_cycle_id,
                "dump_path": dump_path,
            }
        )
        return dump_path

    async def handle_idle_state(self) -> None:
        """Do nothing: the pause between cycles is not part of a cycle."""
        logger.info("State: IDLE - Cycle complete, waiting for next interval...")

    async def handle_recovering_state(self) -> None:
        """Take over what an earlier run left open."""
        try:
            await self._recover_existing_positions()
        except Exception as error:
            logger.exception("Unexpected error during recovery state")
            self._emit_dashboard_event(
                {"type": "recovery_failed", "reason": "platform_api_error", "error": str(error)}
            )
        await self._transition_to(AgentState.PERCEPTION)

    async def _recover_existing_positions(self) -> None:
        event = await steps.recover(self.engine, self.trade_monitor)
        self._recovered_positions = event["positions"]
        self._emit_dashboard_event(event)

    async def handle_perception_state(self) -> None:
        """Fetch prices, value what is held, and stop when the account is in danger."""
        logger.info("State: PERCEPTION - Fetching data and performing safety checks...")
        await self.phase_gate("PERCEPTION")
        quotes = await self._update_position_mtm()
        provider = self.trade_monitor.monitoring_context_provider
        context = provider.get_monitoring_context() if provider else {}
        if provider:
            provider.note_equity(context["risk_metrics"]["account_value"])
        stale = [validate_data_freshness(item["timestamp"]) for item in quotes]
        if stale and not any(fresh for fresh, _, _ in stale):
            _, age, message = stale[0]
            logger.error("DATA FRESHNESS CHECK FAILED: %s (age: %s)", message, age)
            self._emit_dashboard_event(
                {"type": "data_freshness_failed", "reason": message, "age": age}
            )
            await self._transition_to(AgentState.IDLE)
            return
        if self._killed(context.get("unrealized_pnl_percent", 0.0)):
            return
        await self._transition_to(AgentState.REASONING)

    def _killed(self, unrealized_pnl_percent: float) -> bool:
        reason = performance.kill_reason(
            self._performance_metrics, self.config, unrealized_pnl_percent
        )
        if reason is None:
            return False
        logger.critical("%s Stopping agent.", reason)
        self._stop_because("kill_switch")
        return True

    async def _update_position_mtm(self) -> list[dict[str, Any]]:
        """Fetch a price for each asset and value what is held; return those that could be had."""
        quotes = await steps.fetch_quotes(self.engine, self.config.asset_pairs)
        self.trading_platform.update_position_prices(
            {item["asset_pair"]: item["price"] for item in quotes}
        )
        return quotes

    async def handle_reasoning_state(self) -> None:
        """Analyse all assets at once and keep the decisions worth a risk check."""
        logger.info("State: REASONING - Analyzing assets...")
        await self.phase_gate("REASONING")
        cycle = self._cycles_begun
        assets = [item for item in self.config.asset_pairs if self._cooldowns.due(item, cycle)]
        semaphore = asyncio.Semaphore(self.config.reasoning_max_concurrent_assets)
        tasks = [asyncio.create_task(self._analyze_one(asset, semaphore)) for asset in assets]
        decisions = await asyncio.gather(*tasks)
        self._current_decisions = []
        for decision in decisions:
            if decision is not None and await self._is_actionable(decision):
                self._current_decisions.append(decision)
        if self._current_decisions:
            await self._transition_to(AgentState.RISK_CHECK)
        else:
            logger.info("No actionable decisions. Going back to IDLE.")
            await self._transition_to(AgentState.IDLE)

    async def _analyze_one(self, asset: str, semaphore: asyncio.Semaphore) -> Decision | None:
        async with semaphore:
            logger.info(">>> Starting analysis for %s", asset)
            try:
                decision = await self.engine.analyze_asset_async(asset)
            except Exception as error:  # noqa: BLE001 - one asset must not stop the others
                logger.warning("Analysis for %s failed: %s", asset, error)
                self.engine.stats.count("errors")
                until = self._cycles_begun + self.config.failure_cooldown_cycles
                self._cooldowns.failed(asset, until)
                return None
        self._cooldowns.succeeded(asset)
        return decision

    async def _is_actionable(self, decision: Decision) -> bool:
        asset, action = decision["asset_pair"], decision["policy_action"]
        self.engine.stats.decided(asset, action, decision["confidence"])
        if decision["decision_origin"] == "fallback":
            self.engine.stats.count("errors")
            code, message = decision["filtered_reason_code"], decision["reasoning"]
        elif action == HOLD:
            logger.info("Holding %s (%s%%)", asset, decision["confidence"])
            return False
        else:
            should, code, message = await self._should_execute_with_reason(decision)
            if should:
                return True
        self._mark_decision_not_executed(decision, code, message)
        self.engine.stats.turned_down("filtered", code)
        logger.info("Decision to %s %s filtered: %s (%s).", action, asset, code, message)
        self._emit_dashboard_event(decision_event("decision_filtered", decision, message))
        return False

    async def _should_execute_with_reason(self, decision: Decision) -> tuple[bool, str, str]:
        """Return whether a decision is good enough to be checked, a reason code and a reason."""
        problem = steps.shortcoming(decision, self.config, self.daily_trade_count)
        if problem is None:
            return True, "", ""
        code, message = problem
        logger.info("Skipping trade due to %s", message)
        return False, code, message

    async def handle_risk_check_state(self) -> None:
        """Let the gatekeeper and the account's history say which decisions may be executed."""
        logger.info("State: RISK_CHECK - Running RiskGatekeeper...")
        await self.phase_gate("RISK_CHECK")
        approved = [decision for decision in self._current_decisions if self._passes(decision)]
        self._current_decisions = approved
        if approved:
            logger.info("Proceeding to EXECUTION with %d approved decisions.", len(approved))
            await self._transition_to(AgentState.EXECUTION)
        else:
            logger.info("No decisions approved by RiskGatekeeper. Going back to IDLE.")
            await self._transition_to(AgentState.IDLE)

    def _passes(self, decision: Decision) -> bool:
        asset = decision["asset_pair"]
        kind, code = "rejected", "RISK_REJECTED"
        if decision.get("structural_action_validity") == "invalid":
            allowed, reason = False, decision["invalid_action_reason"]
            kind, code = "invalid", "INVALID_POLICY_ACTION"
        else:
            allowed, reason = steps.check_risk(
                self.risk_gatekeeper, self.trade_monitor, decision, self.config
            )
            if allowed:
                allowed, reason = self._check_performance_based_risks(decision)
        if allowed:
            self.engine.stats.count("approved")
            logger.info(
                "Trade for %s approved by RiskGatekeeper. Adding to execution queue.", asset
            )
            self._emit_dashboard_event(decision_event("decision_approved", decision, reason))
            return True
        logger.info("Trade for %s is %s: %s.", asset, kind, reason)
        self._mark_decision_not_executed(decision, code, reason)
        self.engine.stats.turned_down("rejected", code)
        until = self._cycles_begun + self.config.rejection_cooldown_cycles
        self._cooldowns.skip(asset, until, "recently rejected. Cooldown active.")
        event = decision_event("decision_rejected", decision, reason)
        self._emit_dashboard_event({**event, "outcome_kind": kind})
        return False

    def _check_performance_based_risks(self, decision: Decision) -> tuple[bool, str]:
        """Return whether the account's own history lets a decision pass, and why not."""
        pause = self._streak_pause_until
        if pause is not None and self._cycles_begun > pause:
            # Without an end the pause would last for ever: no trade, no win, no new streak.
            self._performance_metrics["current_streak"] = 0
            self._streak_pause_until = None
        reason = performance.veto(
            self._performance_metrics, decision, self.config.loss_streak_pause
        )
        if reason and self._streak_pause_until is None:
            self._streak_pause_until = self._cycles_begun + self.config.loss_streak_pause_cycles
        return reason is None, reason or "Performance-based risk checks passed"

    def _mark_decision_not_executed(
        self, decision: Decision, reason_code: str, reason: str
    ) -> None:
        """Write down on a decision why it was not executed."""
        decision["executed"] = False
        decision["filtered_reason_code"] = reason_code
        decision["filtered_reason_text"] = reason
        decision["execution_status"] = "filtered"
        self.engine.decision_store.update_decision(decision)

    async def handle_execution_state(self) -> None:
        """Send the approved decisions to the platform."""
        logger.info("State: EXECUTION - Processing decisions...")
        await self.phase_gate("EXECUTION")
        decisions, self._current_decisions = self._current_decisions, []
        if not decisions:
            logger.warning("EXECUTION state reached without decisions. Returning to IDLE.")
            await self._transition_to(AgentState.IDLE)
            return
        for decision in decisions:
            if await steps.execute(self.engine, self.trade_monitor, decision):
                self.daily_trade_count += 1
        await self._transition_to(AgentState.LEARNING)

    async def handle_learning_state(self) -> None:
        """Take closed trades into account."""
        logger.info("State: LEARNING - Processing closed trades for feedback...")
        await self.phase_gate("LEARNING")
        positions = self.trading_platform.get_active_positions()["positions"]
        self.engine.trade_outcome_recorder.update_positions(positions)
        closed = self.trade_monitor.get_closed_trades()
        if not closed:
            logger.info("No closed trades to process.")
        for trade in closed:
            self.engine.record_trade_outcome(trade)
            self._update_performance_metrics(trade)
            logger.info(
                "Learning handoff ACCEPTED for monitor-closed trade %s | trade_id=%s",
                trade["product_id"],
                trade["trade_id"],
            )
        await self._transition_to(AgentState.IDLE)

    def _update_performance_metrics(self, trade_outcome: dict[str, Any]) -> None:
        pnl = float(trade_outcome["realized_pnl"])
        performance.add_outcome(self._performance_metrics, pnl)
        self.engine.stats.closed(pnl)
        total = self._performance_metrics["total_pnl"]
        logger.info("Updated performance metrics: P&L=$%.2f, Total=$%.2f", pnl, total)

    def get_performance_summary(self) -> dict[str, Any]:
        """Return how closed trades went."""
        return dict(self._performance_metrics)

    def get_loop_metrics(self) -> dict[str, Any]:
        """Return cycles and seconds spent in phases."""
        return asdict(self._loop_metrics)

    def _stop_because(self, reason: str) -> None:
        self.stop_reason = self.stop_reason or reason
        self.stop()

    def stop(self) -> None:
        """Stop after the phase under way."""
        logger.info("Stopping autonomous trading agent...")
        self.stop_reason = self.stop_reason or "requested"
        self.is_running = False
        self.state = AgentState.IDLE
        self._record_state_metric()
        self._wake.set()

    def pause(self) -> bool:
        """Stop for a while, which for the loop is the same as stopping; False when not running."""
        if not self.is_running:
            logger.warning("Cannot pause: agent is not running")
            return False
        self.is_running = False
        self._wake.set()
        return True


async def _open_gate(phase: str) -> None:
    del phase
