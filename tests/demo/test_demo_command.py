# SPDX-License-Identifier: Apache-2.0
"""The command: its arguments, its exit codes, what it prints where, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from finance_feedback_engine.simulation.faults import FAULTS
from finance_feedback_engine.simulation.http import LoopbackServer
from finance_feedback_engine.simulation.llm import OllamaService

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine_runs import Ended


def test_a_run_logs_to_stderr_and_sums_up_on_stdout(
    process: Callable[..., Ended], tmp_path: Path
) -> None:
    file = tmp_path / "summary.json"
    done = process(
        *("-m", "finance_feedback_engine", "--cycles", "2", "--interval", "0"),
        *("--summary", "--summary-json", str(file)),
    )
    assert done.code == 0
    assert len(done.out.splitlines()) == 1
    assert done.summary == json.loads(file.read_text())
    assert done.summary["cycles_begun"] == 2
    assert "using the built-in language models at http://127.0.0.1:" in done.err
    assert " - finance_feedback_engine.agent.trading_loop_agent - INFO - " in done.err
    assert list(tmp_path.iterdir()) == [file]


def test_the_console_may_show_less_than_is_logged(process: Callable[..., Ended]) -> None:
    program = (
        "import logging, sys, finance_feedback_engine.__main__ as engine\n"
        "logged = []\n"
        "logging.Logger.callHandlers = (lambda real: lambda self, record: \n"
        "    (logged.append(record.levelname), real(self, record)))(logging.Logger.callHandlers)\n"
        "engine.main(['--cycles', '1', '--interval', '0', '--console-level', 'error'])\n"
        "print('INFO' in logged)"
    )
    done = process("-c", program)
    assert done.out == "True\n"
    assert " - INFO - " not in done.err


@pytest.mark.parametrize(("fault", "code"), [("kill_switch", 3), ("stuck_phase", 4)])
def test_some_faults_have_an_exit_code(
    command: Callable[..., Ended], fault: str, code: int
) -> None:
    done = command("--cycles", "3", "--interval", "0", "--fault", fault, "--summary")
    assert done.code == done.summary["exit_code"] == code


def test_faults_add_up(command: Callable[..., Ended]) -> None:
    done = command(
        *("--cycles", "2", "--interval", "0", "--summary", "--llm", "ensemble"),
        *("--fault", "memory_leak", "--fault", "failing_provider"),
    )
    assert done.code == 0
    assert done.summary["faults"] == ["failing_provider", "memory_leak"]


def test_faults_are_listed_one_a_line(command: Callable[..., Ended]) -> None:
    listed, helped = command("--fault", "list"), command("--help")
    assert listed.code == helped.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == list(FAULTS)
    for line in listed.out.splitlines():
        assert line in helped.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--assets", "BTCUSD"), "no recorded prices for BTCUSD; there are prices for: AAPL, GOOG"),
        (("--assets", ","), "no asset given; there are prices for"),
        (("--fault", "meteor"), "unknown fault meteor; there are: none, slow_provider"),
        (("--cycles", "-1"), "must not be negative"),
        (("--start", "2013-12-24"), "choose a day from 2005-05-25 to 2013-03-01"),
        (("--log-level", "LOUD"), "unknown log level 'LOUD'"),
        (("--console-level", "LOUD"), "unknown log level 'LOUD'"),
    ],
)
def test_what_is_not_understood_is_said(
    command: Callable[..., Ended], arguments: tuple[str, ...], said: str
) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_bad_environment_is_named(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFE_DEMO_LLM_LATENCY", "soon")
    done = command("--cycles", "1")
    assert done.code == 2
    assert "FFE_DEMO_LLM_LATENCY must be a number >= 0, not 'soon'" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_endless_run_with_a_summary(number: signal.Signals) -> None:
    arguments = ["--interval", "60", "--summary"]
    with subprocess.Popen(
        [sys.executable, "-m", "finance_feedback_engine", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Cycle phase durations" in line:
                break
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert json.loads(out)["stop_reason"] == "requested"
    assert json.loads(out)["cycles_completed"] == 1


def test_a_language_model_server_that_answers_is_used(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = LoopbackServer(OllamaService(seed=1, latency=0), "somebody-elses-llm")
    try:
        monkeypatch.setenv("OLLAMA_HOST", server.url.removeprefix("http://"))
        done = command("--cycles", "1", "--interval", "0", "--summary")
    finally:
        server.close()
    assert done.code == 0
    assert f"Using the language model server at {server.url}" in done.err
    assert "built-in" not in done.err
    assert done.summary["llm_calls"] > 0


def test_it_knows_nothing_of_the_package_that_watches_it(process: Callable[..., Ended]) -> None:
    program = (
        "import sys, pkgutil, importlib, finance_feedback_engine as engine\n"
        "for item in pkgutil.walk_packages(engine.__path__, 'finance_feedback_engine.'):\n"
        "    importlib.import_module(item.name)\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] == 'ffe_otel'))"
    )
    assert process("-c", program).out.strip() == "[]"
