# SPDX-License-Identifier: Apache-2.0
"""The parts of the reference engine that a whole run does not show from all sides."""

from __future__ import annotations

import asyncio
import gzip
import json
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from finance_feedback_engine.agent import performance
from finance_feedback_engine.agent.config import TradingAgentConfig
from finance_feedback_engine.decision_engine.ensemble_manager import EnsembleDecisionManager
from finance_feedback_engine.monitoring.error_tracking import ErrorTracker
from finance_feedback_engine.monitoring.trade_monitor import TradeMonitor
from finance_feedback_engine.monitoring.trade_outcome_recorder import TradeOutcomeRecorder
from finance_feedback_engine.risk.gatekeeper import RiskGatekeeper
from finance_feedback_engine.simulation.replay import Replay, price_book
from finance_feedback_engine.trading_platforms.mock_platform import MockTradingPlatform
from finance_feedback_engine.utils.circuit_breaker import (
    CircuitBreaker,
    CircuitBreakerOpenError,
    CircuitState,
)
from finance_feedback_engine.utils.rate_limiter import RateLimiter
from finance_feedback_engine.utils.retry import async_retry

if TYPE_CHECKING:
    from pathlib import Path


def _order(action: str, amount: float, price: float, asset: str = "AAPL") -> dict[str, Any]:
    return {
        "id": f"decision-{action}",
        "asset_pair": asset,
        "action": action,
        "policy_action": action,
        "suggested_amount": amount,
        "entry_price": price,
    }


class TestBreaker:
    """Sync and async calls share one count."""

    def test_it_opens_refuses_probes_and_closes(self) -> None:
        breaker = CircuitBreaker(2, 0.0, name="it")
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                breaker.call_sync(lambda: 1 / 0)
        assert breaker.state is CircuitState.OPEN
        # With no time to wait the next call is the probe.
        assert breaker.call_sync(lambda: "works") == "works"
        assert breaker.state is CircuitState.CLOSED
        assert breaker.get_stats()["circuit_open_count"] == 1

    def test_an_open_breaker_does_not_call(self) -> None:
        breaker = CircuitBreaker(1, 3600, name="it")
        calls: list[int] = []

        async def fail() -> None:
            calls.append(1)
            raise ConnectionError("no")

        async def twice() -> None:
            with pytest.raises(ConnectionError):
                await breaker.call(fail)
            with pytest.raises(CircuitBreakerOpenError, match="'it' is OPEN"):
                await breaker.call(fail)

        asyncio.run(twice())
        assert calls == [1]

    def test_a_failed_probe_opens_it_again_and_other_errors_do_not_count(self) -> None:
        breaker = CircuitBreaker(1, 0.0, expected_exception=KeyError)
        with pytest.raises(ValueError, match="other"):
            breaker.call_sync(int, "other")
        assert breaker.state is CircuitState.CLOSED
        for _ in range(2):
            with pytest.raises(KeyError):
                breaker.call_sync({}.__getitem__, "x")
            assert breaker.state is CircuitState.OPEN

    def test_only_one_call_probes_at_a_time(self) -> None:
        breaker = CircuitBreaker(1, 0.0)

        async def fail() -> None:
            raise OSError("no")

        async def probe(gate: asyncio.Event) -> str:
            await gate.wait()
            return "recovered"

        async def scene() -> str:
            gate = asyncio.Event()
            with pytest.raises(OSError, match="no"):
                await breaker.call(fail)
            first = asyncio.create_task(breaker.call(probe, gate))
            await asyncio.sleep(0)
            with pytest.raises(CircuitBreakerOpenError, match="HALF_OPEN"):
                await breaker.call(probe, gate)
            gate.set()
            return await first

        assert asyncio.run(scene()) == "recovered"


def test_a_retry_stays_a_coroutine_function_and_gives_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[int] = []

    @async_retry(max_retries=2, base_delay=0, exceptions=(KeyError,))
    async def work(fails: int) -> str:
        tries.append(1)
        if len(tries) <= fails:
            raise KeyError("again")
        return "done"

    assert asyncio.iscoroutinefunction(work)
    assert asyncio.run(work(2)) == "done"
    tries.clear()
    with pytest.raises(KeyError):
        asyncio.run(work(9))
    assert len(tries) == 3
    assert "Max retries (2) exceeded for work" in caplog.text


def test_a_rate_limiter_gives_what_it_holds_and_then_makes_wait() -> None:
    limiter = RateLimiter(tokens_per_second=1e6, max_tokens=2)
    limiter.wait_for_token()
    asyncio.run(limiter.wait_for_token_async())
    assert limiter._tokens < 2
    with pytest.raises(ValueError, match="must be positive"):
        RateLimiter(0, 1)


class TestPaperAccount:
    """Money is neither made nor lost but by prices, slippage and fees."""

    def test_a_round_trip_costs_slippage_and_two_fees(self) -> None:
        platform = MockTradingPlatform(slippage_config={"max_bps": 10})
        bought = platform.execute_trade(_order("OPEN_SMALL_LONG", 1000, 100))
        assert bought["success"]
        assert 100 <= bought["execution_price"] <= 100.1
        assert bought["fee_amount"] == pytest.approx(0.6)
        sold = platform.execute_trade(_order("CLOSE_LONG", 1000, 110))
        assert 109.89 <= sold["execution_price"] <= 110
        (closed,) = platform.drain_closed_trades()
        fees = bought["fee_amount"] + sold["fee_amount"]
        gain = (sold["execution_price"] - bought["execution_price"]) * bought["filled_size"] - fees
        assert closed["realized_pnl"] == pytest.approx(gain)
        assert closed["decision_id"] == "decision-OPEN_SMALL_LONG"
        assert platform.get_balance()["FUTURES_USD"] == pytest.approx(10_000 + gain)
        assert platform.drain_closed_trades() == []

    def test_a_short_gains_when_prices_fall_and_halves_are_halves(self) -> None:
        platform = MockTradingPlatform(slippage_config={"max_bps": 0})
        platform.execute_trade(_order("OPEN_MEDIUM_SHORT", 1000, 100))
        platform.execute_trade(_order("ADD_SMALL_SHORT", 1000, 80))
        platform.update_position_prices({"AAPL": 70, "IBM": 1})
        (held,) = platform.get_active_positions()["positions"]
        assert held["side"] == "SHORT"
        assert held["entry_price"] == pytest.approx(2000 / 22.5)
        assert held["unrealized_pnl"] == pytest.approx(2000 - 22.5 * 70)
        platform.execute_trade(_order("REDUCE_SHORT", 1, 70))
        (left,) = platform.get_active_positions()["positions"]
        assert left["contracts"] == pytest.approx(22.5 / 2)
        (closed,) = platform.drain_closed_trades()
        assert closed["partial"]
        assert closed["was_profitable"]

    @pytest.mark.parametrize(
        ("order", "why"),
        [
            (_order("HOLD", 1, 1), "not an order"),
            (_order("OPEN_SMALL_LONG", 0, 1), "not an order"),
            (_order("CLOSE_LONG", 1, 1), "no LONG position in AAPL"),
            (_order("OPEN_SMALL_LONG", 20_000, 1), "insufficient balance"),
        ],
    )
    def test_what_cannot_be_filled_is_refused(self, order: dict[str, Any], why: str) -> None:
        result = MockTradingPlatform().execute_trade(order)
        assert result["success"] is False
        assert why in result["error"]

    def test_positions_survive_in_the_state_file(self, tmp_path: Path) -> None:
        where = {"state_file": str(tmp_path / "positions.json")}
        first = MockTradingPlatform(where)
        first.execute_trade(_order("OPEN_SMALL_LONG", 1000, 100))
        second = MockTradingPlatform(where)
        assert second.get_active_positions() == first.get_active_positions()
        assert second.get_balance() == first.get_balance()
        second.reset()
        assert MockTradingPlatform(where).get_active_positions() == {"positions": []}


def _context(**changes: Any) -> dict[str, Any]:
    calm: dict[str, Any] = {
        "risk_metrics": {"drawdown_pct": 0.0, "account_value": 10_000, "leverage_estimate": 0.0},
        "correlation_analysis": {"correlations": {}},
        "holdings": {},
        "var_analysis": {"var_pct": 0.0},
        "position_concentration": {"asset_position_pct": {}},
        "max_leverage": 0.5,
        "max_concentration": 30.0,
    }
    return {**calm, **changes}


_RISKY = {"drawdown_pct": -9.0, "account_value": 10_000, "leverage_estimate": 0.45}


@pytest.mark.parametrize(
    ("context", "changes", "verdict"),
    [
        (_context(), {}, "Trade approved"),
        (_context(risk_metrics=_RISKY), {}, "Max drawdown exceeded (-9.00%)"),
        (
            _context(risk_metrics={**_RISKY, "drawdown_pct": 0.0}),
            {},
            "Leverage 0.55 exceeds max 0.5",
        ),
        (
            _context(
                correlation_analysis={"correlations": {"MSFT": 0.9}}, holdings={"MSFT": "LONG"}
            ),
            {},
            "Correlation limit exceeded: AAPL and MSFT at 0.90",
        ),
        (
            _context(
                correlation_analysis={"correlations": {"MSFT": 0.9}}, holdings={"MSFT": "SHORT"}
            ),
            {},
            "Trade approved",
        ),
        (
            _context(var_analysis={"var_pct": 0.06}),
            {},
            "Portfolio VaR limit exceeded: 6.00% (max: 5.00%)",
        ),
        (
            _context(position_concentration={"asset_position_pct": {"AAPL": 25.0}}),
            {},
            "Effective position concentration for AAPL 35.0% exceeds max 30.0%",
        ),
        (_context(), {"volatility": 0.06}, "Volatility/confidence threshold exceeded"),
        (_context(), {"volatility": 0.06, "confidence": 85}, "Trade approved"),
        (_context(risk_metrics=_RISKY), {"policy_action": "CLOSE_LONG"}, "De-risking action"),
        (
            _context(),
            {"market_data": {"data_freshness": {"is_fresh": False, "age": "3.00 hours"}}},
            "Trade rejected: temporal constraints (market hours/data freshness)",
        ),
        (
            _context(),
            {"market_data": {"market_status": {"is_open": False}}},
            "Trade rejected: temporal constraints (market hours/data freshness)",
        ),
        (
            _context(),
            {
                "market_data": {"data_freshness": {"is_fresh": False}},
                "policy_action": "CLOSE_LONG",
            },
            "De-risking action",
        ),
    ],
)
def test_the_gatekeeper_has_reasons(
    context: dict[str, Any], changes: dict[str, Any], verdict: str
) -> None:
    decision = {**_order("OPEN_SMALL_LONG", 1000, 100), "volatility": 0.02, "confidence": 75}
    allowed, reason = RiskGatekeeper().validate_trade({**decision, **changes}, context)
    assert reason == verdict
    assert allowed == (verdict in {"Trade approved", "De-risking action"})


class TestPerformance:
    """What closed trades forbid."""

    def test_averages_streaks_and_the_win_rate(self) -> None:
        metrics = performance.new_metrics()
        for pnl in (10.0, 20.0, -5.0, -7.0, 0.0):
            performance.add_outcome(metrics, pnl)
        assert metrics["avg_win"] == pytest.approx(15)
        assert metrics["avg_loss"] == pytest.approx(4)
        assert metrics["win_rate"] == pytest.approx(40)
        assert (metrics["best_streak"], metrics["worst_streak"]) == (2, -3)

    @pytest.mark.parametrize(
        ("metrics", "unrealized", "said"),
        [
            ({}, 0.0, None),
            ({"current_streak": -8}, 0.0, "PERFORMANCE KILL SWITCH TRIGGERED! 8 consecutive"),
            ({"total_trades": 20, "win_rate": 10.0}, 0.0, "Win rate (10.0%) is critically low"),
            (
                {"total_trades": 50, "win_rate": 40.0, "total_pnl": -2600.0},
                0.0,
                "Total loss of $2600.00 exceeds 25% of reference balance",
            ),
            ({}, -30.0, "PORTFOLIO KILL SWITCH TRIGGERED! Current P&L (-30.00%)"),
        ],
    )
    def test_when_the_agent_must_stop(
        self, metrics: dict[str, Any], unrealized: float, said: str | None
    ) -> None:
        known = {**performance.new_metrics(), **metrics}
        reason = performance.kill_reason(known, TradingAgentConfig(), unrealized)
        assert reason is None if said is None else said in str(reason)

    def test_a_streak_forbids_entries_but_no_exits(self) -> None:
        metrics = {**performance.new_metrics(), "current_streak": -4}
        entry = {"policy_action": "OPEN_SMALL_LONG", "confidence": 90}
        assert "4 consecutive losses" in str(performance.veto(metrics, entry, 4))
        leave = {"policy_action": "CLOSE_LONG", "confidence": 90}
        assert performance.veto(metrics, leave, 4) is None


class TestMonitor:
    """The thread and what it finds."""

    def test_the_thread_starts_once_finds_closed_trades_and_stops(self) -> None:
        platform = MockTradingPlatform()
        platform.execute_trade(_order("OPEN_SMALL_LONG", 1000, 100))
        platform.execute_trade(_order("CLOSE_LONG", 1000, 90))
        monitor = TradeMonitor(platform, detection_interval=0.01)
        monitor.start()
        monitor.start()
        try:
            assert monitor.is_running
            trade = monitor.closed_trades_queue.get(timeout=30)
        finally:
            assert monitor.stop()
        assert trade["realized_pnl"] < 0
        assert not monitor.is_running

    @pytest.mark.parametrize(
        ("pnl", "limit"), [(-0.06, "stop_loss"), (0.11, "take_profit"), (0.0, None)]
    )
    def test_a_limit_of_the_account_is_told_to_the_orchestrator(
        self, pnl: float, limit: str | None
    ) -> None:
        told: list[str] = []

        class Account:
            def get_portfolio_pnl_percentage(self) -> float:
                return pnl

            def pause_trading(self, reason: str) -> None:
                told.append(reason)

        monitor = TradeMonitor(
            MockTradingPlatform(),
            portfolio_stop_loss_percentage=0.05,
            portfolio_take_profit_percentage=0.1,
            monitoring_context_provider=Account(),
            orchestrator=Account(),
        )
        monitor._check_portfolio_pnl_limits()
        assert [reason.split()[1] for reason in told] == ([limit] if limit else [])


def test_the_recorder_writes_what_is_gone(tmp_path: Path) -> None:
    platform = MockTradingPlatform(slippage_config={"max_bps": 0})
    recorder = TradeOutcomeRecorder(str(tmp_path))
    platform.execute_trade(_order("OPEN_SMALL_LONG", 1000, 100))
    assert recorder.update_positions(platform.get_active_positions()["positions"]) == []
    platform.update_position_prices({"AAPL": 105})
    recorder.update_positions(platform.get_active_positions()["positions"])
    platform.execute_trade(_order("REDUCE_LONG", 500, 105))
    (half,) = recorder.update_positions(platform.get_active_positions()["positions"])
    assert Decimal(half["realized_pnl"]) == pytest.approx(Decimal(25))
    (file,) = (tmp_path / "trade_outcomes").iterdir()
    assert json.loads(file.read_text()) == half


def test_votes_are_weighed_and_absent_voters_cost_confidence() -> None:
    manager = EnsembleDecisionManager(
        {"ensemble": {"provider_weights": {"a": 0.6, "b": 0.2, "c": 0.2}}}
    )

    def says(action: str, confidence: int) -> dict[str, Any]:
        return {"action": action, "confidence": confidence, "reasoning": action}

    votes = {"a": says("HOLD", 60), "b": says("CLOSE_LONG", 80), "c": says("CLOSE_LONG", 80)}
    agreed = asyncio.run(manager.aggregate_decisions(votes))
    assert agreed["action"] == "HOLD"
    metadata = agreed["ensemble_metadata"]
    assert metadata["agreement_score"] == pytest.approx(1 / 3)
    assert metadata["providers_used"] == ["a", "b", "c"]
    alone = asyncio.run(manager.aggregate_decisions({"b": votes["b"]}, ["a", "c"]))
    assert alone["action"] == "CLOSE_LONG"
    assert alone["confidence"] == 64
    assert alone["ensemble_metadata"]["fallback_tier"] == "single_provider"
    with pytest.raises(ValueError, match="no provider decisions"):
        asyncio.run(manager.aggregate_decisions({}))


def test_a_judge_cannot_choose_what_the_position_forbids() -> None:
    manager = EnsembleDecisionManager({"ensemble": {}})
    case = {"action": "HOLD", "policy_action": "HOLD", "confidence": 50}
    judge = {"action": "CLOSE_LONG", "policy_action": "CLOSE_LONG", "confidence": 90}
    held = manager.debate_decisions(case, case, judge, position_state="long")
    assert (held["action"], held["decision_origin"]) == ("CLOSE_LONG", "judge")
    flat = manager.debate_decisions(case, case, judge, position_state="flat")
    assert (flat["action"], flat["policy_action"]) == ("HOLD", "HOLD")


def test_an_error_is_logged_with_its_context_and_dumps_are_limited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = ErrorTracker({"crash_dump_dir": str(tmp_path)})
    tracker.capture_exception(KeyError("lost"), {"module": "core", "asset_pair": "IBM"})
    assert "KeyError: 'lost' | Context: module=core, asset_pair=IBM" in caplog.text
    paths = [tracker.capture_crash_dump(OSError(str(n)), max_files=2) for n in range(3)]
    assert sorted(tmp_path.iterdir()) == sorted(tmp_path / str(path) for path in paths[1:])
    assert ErrorTracker().capture_crash_dump(OSError("nowhere to write")) is None


class TestPrices:
    """What is recorded, and how it is replayed."""

    def test_every_series_is_whole_and_makes_sense(self) -> None:
        book = price_book()
        assert sorted(book) == ["AAPL", "GOOG", "IBM", "MSFT"]
        days = {tuple(bar.day for bar in bars) for bars in book.values()}
        assert len(days) == 1
        assert list(days.pop()) == sorted({bar.day for bar in book["IBM"]})
        for bars in book.values():
            assert len(bars) == 2015
            assert all(bar.low <= min(bar.open, bar.close) for bar in bars)
            assert all(bar.high >= max(bar.open, bar.close) for bar in bars)

    def test_some_known_closes_are_there(self) -> None:
        recorded = {bar.day: bar for bar in price_book()["AAPL"]}
        assert recorded["2008-09-29"].close == 105.26
        assert recorded["2012-01-30"].close == 453.01

    def test_the_file_is_small_and_built_the_same_anywhere(self) -> None:
        package = resources.files("finance_feedback_engine.simulation")
        packed = package.joinpath("prices.csv.gz").read_bytes()
        assert len(packed) < 150_000
        assert packed[4:8] == bytes(4), "no time stamp"
        assert gzip.decompress(packed).startswith(b"symbol,date,open,high,low,close,volume\n")

    def test_a_replay_shows_only_the_past_and_begins_anew_at_its_end(self) -> None:
        replay = Replay(["IBM"], "2013-02-27")
        assert [replay.advance() for _ in range(4)] == [False, False, False, True]
        assert replay.window("IBM", 2)[-1].day == "2013-02-27"
        assert replay.played == 1
        replay.seek(10**6)
        assert replay.played == 1
