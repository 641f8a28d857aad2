# SPDX-License-Identifier: Apache-2.0
"""Runs of the reference engine, in this process and in one of their own."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from engine_runs import NOBODY, Ended, Run
from finance_feedback_engine.__main__ import main
from finance_feedback_engine.options import Options
from finance_feedback_engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_QUICK = {
    "FFE_DEMO_LLM_LATENCY": "0",
    "FFE_DEMO_DATA_LATENCY": "0",
    "FFE_DEMO_PHASE_TIMEOUT": "1",
    "OLLAMA_HOST": NOBODY,
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the engine fast and find no language model server."""
    for name, value in _QUICK.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(name="run")
def _run() -> Callable[..., Run]:
    """Run an engine in this process; keyword arguments are those of ``Options``."""

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


@pytest.fixture(name="command")
def _command(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """Call the command's main function with arguments; logging is put back in order afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def command(*arguments: str) -> Ended:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capsys.readouterr())

    yield command
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(name="process")
def _process(tmp_path: Path) -> Callable[..., Ended]:
    """Run ``python`` with arguments, in an empty folder."""

    def process(*arguments: str) -> Ended:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=os.environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return process
