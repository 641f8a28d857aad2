# SPDX-License-Identifier: Apache-2.0
"""Whole runs of the reference engine: each way to decide, each fault, the same twice, recovery."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from finance_feedback_engine.simulation.faults import EXIT_DONE, EXIT_KILL_SWITCH, EXIT_STUCK
from finance_feedback_engine.simulation.llm import SLOW_FACTOR, OllamaService

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine_runs import Run

MODES = ("local", "ensemble", "debate", "cli")


@pytest.mark.parametrize("llm", MODES)
def test_each_mode_decides_and_trades(run: Callable[..., Run], llm: str) -> None:
    done = run(llm=llm, cycles=5)
    summary = done.summary
    assert done.code == EXIT_DONE
    assert summary["cycles_begun"] == summary["cycles_completed"] == 5
    assert summary["decisions"] > 0
    assert summary["trades_executed"] == len(done.trades) > 0
    assert summary["errors"] == 0
    per_decision = {"local": 2, "ensemble": 4, "debate": 4, "cli": 1}[llm]
    # The pre-reasoner is always asked; the others only when it sees something to act on.
    assert summary["decisions"] < summary["llm_calls"] + summary["cli_calls"]
    assert summary["llm_calls"] <= per_decision * summary["decisions"]
    assert (summary["cli_calls"] > 0) == (llm == "cli")


def test_thirty_cycles_show_gains_losses_and_vetoes_of_different_layers(
    run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    summary = run(cycles=30).summary
    assert summary["trades_opened"] >= 5
    assert summary["wins"] >= 2
    assert summary["losses"] >= 2
    assert summary["wins"] + summary["losses"] == summary["trades_closed"]
    assert set(summary["turned_down_reasons"]) == {"LOW_CONFIDENCE", "RISK_REJECTED"}
    verdicts = re.findall(r"Trade for (\S+) is (rejected|vetoed|invalid): (.*)\.", caplog.text)
    assert len(verdicts) == summary["rejected"]
    kinds = {re.split(r"[\d(]|for ", reason)[0].strip() for _, _, reason in verdicts}
    assert len(kinds) >= 3, kinds
    assert "recently rejected. Cooldown active." in caplog.text
    assert re.search(r"Cycle phase durations \(s\): PERCEPTION=\d\.\d{4} REASONING=", caplog.text)


def test_equal_seeds_decide_equally_and_other_seeds_do_not(run: Callable[..., Run]) -> None:
    first, second, other = (run(cycles=12, llm="debate", seed=seed).summary for seed in (3, 3, 4))
    assert first["decisions_digest"] == second["decisions_digest"]
    assert first["realized_pnl_dollars"] == second["realized_pnl_dollars"]
    assert first["decisions_digest"] != other["decisions_digest"]


def test_a_second_run_takes_over_positions_and_goes_on_in_time(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    first = run(cycles=2, state_dir=tmp_path)
    assert first.positions
    bars = json.loads((tmp_path / "replay.json").read_text())["index"]
    second = run(cycles=1, state_dir=tmp_path)
    recovered = next(event for event in second.events if event["type"] == "recovery_complete")
    assert second.summary["positions_recovered"] == recovered["found"] == len(first.positions)
    assert {item["product_id"] for item in recovered["positions"]} == {
        item["product_id"] for item in first.positions
    }
    assert json.loads((tmp_path / "replay.json").read_text())["index"] == bars + 1


@pytest.mark.parametrize("name", ["positions.json", "replay.json"])
def test_a_broken_state_file_is_named(run: Callable[..., Run], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match=f"{name}.* delete it"):
        run(state_dir=tmp_path)


def test_the_replay_begins_anew_when_the_prices_end(
    run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    done = run(cycles=16, start="2013-02-14")
    assert done.code == EXIT_DONE
    assert "closing all positions and beginning anew" in caplog.text
    assert done.summary["trades_closed"] > 0


@pytest.mark.parametrize("llm", ["local", "debate"])
def test_nothing_goes_wrong_under_none(run: Callable[..., Run], llm: str) -> None:
    assert run(llm=llm).summary["errors"] == 0


@pytest.mark.parametrize(
    ("fault", "llm", "log"),
    [
        ("failing_provider", "local", "Local LLM error on attempt 1"),
        ("failing_provider", "debate", "Debate mode: Critical debate providers failed"),
        ("failing_provider", "cli", "CLI provider failed with exit code 1"),
        ("data_502", "local", r"OPENING circuit after 5 failures\. Will retry after"),
        ("data_429", "local", r"failed \(attempt 1/2\)\. Retrying in .* due to HTTPError: 429"),
        ("llm_down", "local", "Failed to connect to Ollama"),
        ("llm_down", "ensemble", "All providers failed in parallel ensemble"),
        ("bad_llm_json", "ensemble", "LLM response is not a decision"),
        ("bad_llm_json", "cli", "CLI response is not a decision"),
        ("platform_error", "local", "Trade execution failed for AAPL: RuntimeError"),
    ],
)
def test_a_fault_is_an_error_and_no_end(
    run: Callable[..., Run], caplog: pytest.LogCaptureFixture, fault: str, llm: str, log: str
) -> None:
    caplog.set_level("INFO")
    done = run(faults=[fault], llm=llm, cycles=5)
    assert done.code == EXIT_DONE
    assert done.summary["cycles_begun"] == 5
    assert done.summary["errors"] > 0
    assert re.search(log, caplog.text)


def test_a_failing_model_costs_an_ensemble_only_confidence(run: Callable[..., Run]) -> None:
    summary = run(faults=["failing_provider"], llm="ensemble", cycles=5).summary
    assert summary["errors"] == 0
    assert summary["turned_down_reasons"]["LOW_CONFIDENCE"] > 0


def test_platform_errors_open_the_nested_breakers(
    run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    summary = run(faults=["platform_error"], cycles=5).summary
    assert summary["trades_executed"] == 0
    opened = set(re.findall(r"(\S+) OPENING circuit", caplog.text))
    assert opened == {
        "finance_feedback_engine.execute_decision",
        "execute_trade:unified",
        "execute_trade:mocktradingplatform",
    }


def test_stale_data_stops_one_asset_and_then_all(
    run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    done = run(faults=["stale_data"], cycles=5)
    assert "Market data for MSFT is STALE (age: 3.00 hours)" in caplog.text
    assert "[GATEKEEPER] Data is STALE (3.00 hours). Overriding" in caplog.text
    assert sum(event["type"] == "data_freshness_failed" for event in done.events) == 2
    assert {trade["asset_pair"] for trade in done.trades} == {"AAPL"}


def test_the_kill_switch_stops_the_agent(
    run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    done = run(faults=["kill_switch"])
    assert done.code == EXIT_KILL_SWITCH
    assert done.summary["stop_reason"] == "kill_switch"
    assert done.summary["cycles_begun"] == 2
    critical = [item for item in caplog.records if item.levelname == "CRITICAL"]
    assert [item.getMessage() for item in critical] == [
        "PERFORMANCE KILL SWITCH TRIGGERED! 8 consecutive losses. Stopping agent."
    ]


def test_a_stuck_phase_is_given_up(run: Callable[..., Run]) -> None:
    done = run(faults=["stuck_phase"], phase_timeout=2.0)
    assert done.code == EXIT_STUCK
    assert done.summary["cycles_begun"] == 4
    assert done.summary["cycles_failed"] == done.summary["phase_timeouts"] == 1
    crashed = [event for event in done.events if event["type"] == "agent_crashed"]
    assert [event["state"] for event in crashed] == ["REASONING"]


def test_a_slow_provider_takes_many_times_as_long(run: Callable[..., Run]) -> None:
    def spent(*faults: str) -> float:
        service = OllamaService(7, frozenset(faults), latency=0.002)
        body = {"model": "gemma2:9b", "prompt": "?"}
        return service.answer("POST", "/api/generate", {}, body)[1]["total_duration"] / 1e9

    assert spent("slow_provider") >= 0.002 * SLOW_FACTOR
    assert run(faults=["slow_provider"], cycles=1).code == EXIT_DONE


def test_every_state_follows_the_one_before(run: Callable[..., Run]) -> None:
    events = [event for event in run(cycles=3).events if event["type"] == "state_transition"]
    assert [events[0]["from"], events[0]["to"]] == ["IDLE", "RECOVERING"]
    for earlier, later in pairwise(events):
        assert later["from"] == earlier["to"]
    assert sum(event["to"] == "PERCEPTION" for event in events) == 3
    assert events[-1]["to"] == "IDLE"
