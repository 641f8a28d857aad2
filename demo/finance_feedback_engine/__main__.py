# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python -m finance_feedback_engine``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from finance_feedback_engine.options import (
    DEFAULT_ASSETS,
    DEFAULT_SEED,
    DEFAULT_START,
    LLM_MODES,
    Options,
    environment_number,
)
from finance_feedback_engine.session import Session
from finance_feedback_engine.simulation.faults import EXIT_DONE, EXIT_USAGE, FAULTS, check

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_STUCK_TIMEOUT = 3.0
_STOP_PATIENCE = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    faults = "\n".join(f"  {name:17}{what}" for name, what in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m finance_feedback_engine",
        description="Paper-trade recorded prices, one recorded day a cycle.",
        epilog=f"faults:\n{faults}\n\na signal ends the run with exit code 128 + its number",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cycles", type=int, default=0, metavar="N", help="cycles to run; 0 (default): no end")
    add("--interval", type=float, default=1.0, metavar="S", help="seconds between cycles (1.0)")
    add("--llm", choices=LLM_MODES, default="local", help="how decisions are made (local)")
    add(
        "--assets",
        default=",".join(DEFAULT_ASSETS),
        metavar="A,B",
        help=f"recorded symbols ({','.join(DEFAULT_ASSETS)})",
    )
    add("--fault", action="append", default=[], metavar="NAME", help="see below; may be repeated")
    add("--seed", type=int, default=DEFAULT_SEED, metavar="N", help="equal seed, equal decisions")
    add("--start", default=DEFAULT_START, metavar="DAY", help=f"first day ({DEFAULT_START})")
    add(
        "--state-dir",
        metavar="DIR",
        help="keeps positions from run to run (default: nothing is kept)",
    )
    add("--summary", action="store_true", help="print one JSON line on standard output at the end")
    add("--summary-json", metavar="FILE", help="write the same to a file")
    add("--log-level", default="INFO", metavar="LEVEL", help="of the log (INFO)")
    add("--console-level", metavar="LEVEL", help="of what standard error shows of it (all)")
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    if arguments.cycles < 0 or arguments.interval < 0:
        raise ValueError("--cycles and --interval must not be negative")
    faults = check(arguments.fault)
    folder = arguments.state_dir or os.environ.get("FFE_DEMO_STATE_DIR")
    patience = _STUCK_TIMEOUT if "stuck_phase" in faults else 0.0
    return Options(
        cycles=arguments.cycles,
        interval=arguments.interval,
        llm=arguments.llm,
        assets=tuple(name.strip().upper() for name in arguments.assets.split(",") if name.strip()),
        faults=faults,
        seed=arguments.seed,
        start=arguments.start,
        state_dir=Path(folder) if folder else None,
        llm_latency=environment_number("FFE_DEMO_LLM_LATENCY", 0.03),
        data_latency=environment_number("FFE_DEMO_DATA_LATENCY", 0.005),
        phase_timeout=environment_number("FFE_DEMO_PHASE_TIMEOUT", patience),
        leak_megabytes=environment_number("FFE_DEMO_LEAK_MEGABYTES", 8.0),
    )


def _set_up_logging(level: str, console: str | None) -> None:
    """Log to standard error, and to nothing else that was there before."""
    root = logging.getLogger()
    root.handlers.clear()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    # Less on the console than in the log, for whoever reads the log elsewhere.
    handler.setLevel(_level(console) if console else logging.NOTSET)
    root.addHandler(handler)
    root.setLevel(_level(level))
    for chatty in ("httpx", "httpcore", "urllib3", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _level(name: str) -> int:
    number = logging.getLevelNamesMapping().get(name.upper())
    if number is None:
        raise ValueError(f"unknown log level {name!r}; choose DEBUG, INFO, WARNING or ERROR")
    return number


async def _run(session: Session) -> int:
    """Run a session; a signal stops the agent and becomes the exit code."""
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(session.run())
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        session.agent.stop()
        loop.call_later(_STOP_PATIENCE, running.cancel)
        # A second signal does what it does to any process.
        for name in _SIGNALS:
            loop.remove_signal_handler(name)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        code = await running
    except asyncio.CancelledError:
        if not received:
            raise
        code = 0
    return 128 + received[0] if received else code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the engine and return its exit code."""
    arguments = _parser().parse_args(argv)
    if "list" in arguments.fault:
        print("\n".join(f"{name:17}{what}" for name, what in FAULTS.items()))
        return EXIT_DONE
    try:
        _set_up_logging(arguments.log_level, arguments.console_level)
        options = _options(arguments)
        # Retries draw their delays from the global generator.
        random.seed(options.seed)
        session = Session(options)
    except (ValueError, OSError) as error:
        print(f"finance_feedback_engine: {error}", file=sys.stderr)
        return EXIT_USAGE
    try:
        code = asyncio.run(_run(session))
    finally:
        session.close()
    line = json.dumps({**session.summary(), "exit_code": code})
    if arguments.summary:
        print(line, flush=True)
    if arguments.summary_json:
        Path(arguments.summary_json).write_text(line + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
