# SPDX-License-Identifier: Apache-2.0
"""Runs of the reference engine, in this process and in one of their own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from finance_feedback_engine.options import Options
from finance_feedback_engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOBODY = "http://127.0.0.1:9"
"""An address where no language model server answers."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is left of a run: its exit code, its summary and the events it told."""

    code: int
    summary: dict[str, Any]
    events: list[dict[str, Any]]
    positions: list[dict[str, Any]]
    trades: list[dict[str, Any]]


@pytest.fixture(name="run")
def _run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run an engine in this process; keyword arguments are those of ``Options``."""
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)

    def run(**wishes: Any) -> Run:
        wishes = {"cycles": 4, "interval": 0.0, "llm_latency": 0.0, "data_latency": 0.0, **wishes}
        wishes["faults"] = frozenset(wishes.get("faults", ()))
        session = Session(Options(**wishes))
        events: list[dict[str, Any]] = []
        emit = session.agent._emit_dashboard_event
        session.agent._emit_dashboard_event = lambda event: (events.append(event), emit(event))
        try:
            code = asyncio.run(session.run())
        finally:
            session.close()
        paper = session.engine.trading_platform.paper
        positions = paper.get_active_positions()["positions"]
        return Run(code, session.summary(), events, positions, paper.get_trade_history())

    return run


@dataclass(frozen=True, slots=True)
class Process:
    """What is left of a process."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """Return the summary line."""
        return json.loads(self.out.splitlines()[-1])


@pytest.fixture(name="environment")
def _environment() -> dict[str, str]:
    """Return an environment in which the engine is fast and finds no language model server."""
    quick = {"FFE_DEMO_LLM_LATENCY": "0", "FFE_DEMO_DATA_LATENCY": "0", "OLLAMA_HOST": NOBODY}
    return {**os.environ, **quick, "FFE_DEMO_PHASE_TIMEOUT": "0.3"}


@pytest.fixture(name="command")
def _command(environment: dict[str, str], tmp_path: Path) -> Callable[..., Process]:
    """Run ``python -m finance_feedback_engine`` with arguments, in an empty folder."""

    def command(*arguments: str) -> Process:
        done = subprocess.run(
            [sys.executable, "-m", "finance_feedback_engine", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return Process(done.returncode, done.stdout, done.stderr)

    return command
