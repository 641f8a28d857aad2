# SPDX-License-Identifier: Apache-2.0
"""A captured process that makes marked spans and log records, and writes down when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD = """
import logging, os, signal, sys, threading, time
import ffe_otel
from opentelemetry import trace

logging.getLogger("ffe_otel").addHandler(logging.StreamHandler())
logging.getLogger("ffe_otel").setLevel("INFO")
log = logging.getLogger("engine")
log.setLevel("INFO")
log.addHandler(logging.NullHandler())
handle = ffe_otel.install()
tracer = trace.get_tracer("engine")
name = sys.argv[1]

def say(text):
    os.write(1, f"{text}\\n".encode())

def mark(number, text=""):
    with tracer.start_as_current_span(f"span {name} {number}", attributes={"text": text}):
        pass
    log.info(f"log {name} {number}")
    say(f"{time.time()} {name} {number}")
"""
_LOOP = """
number = 0
while True:
    with ffe_otel.cycle(["BTCUSD"]), ffe_otel.phase("reasoning"):
        mark(number)
    number += 1
    time.sleep(0.1)
"""
DRAIN = """
ready = handle.flush(30)
say(f"flushed {ready}")
"""


class Engine:
    """The process; without a ``body`` it makes a cycle ten times a second, for ever."""

    def __init__(self, state: Path, number: int, body: str, environment: Mapping[str, str]) -> None:
        self.name = f"engine{number}"
        self.state = state
        self._lines: list[str] = []
        self._messages = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HEAD + textwrap.dedent(body or _LOOP), self.name],
            env=os.environ
            | {
                "FFE_OTEL__STATE_DIR": str(state),
                "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
                "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
                "FFE_OTEL__LOGGING__OUTPUTS__FILE__ENABLED": "false",
            }
            | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_marks(self, count: int) -> None:
        """Wait until so many marks were made."""
        assert self.process.stdout is not None
        while len(self._lines) < count:
            line = self.process.stdout.readline()
            assert line, self.messages
            self._lines.append(line)

    def kill(self) -> float:
        """SIGKILL; when."""
        when = time.time()
        self.process.kill()
        self._finish()
        return when

    def terminate(self) -> float:
        """SIGTERM; how long it took to die of it, seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self._finish()
        assert self.process.returncode == -signal.SIGTERM, self.messages
        return time.monotonic() - began

    def wait(self) -> str:
        """Let it end by itself; what it said."""
        self.wait_after("")
        return "".join(self._lines)

    def wait_after(self, typed: str) -> str:
        """Let it end by itself after it got this text; what it said from then on."""
        before = len(self._lines)
        self._finish(typed)
        assert self.process.returncode == 0, self.messages
        return "".join(self._lines[before:])

    @property
    def messages(self) -> str:
        """What it wrote to standard error."""
        return self._messages

    def marks(self, before: float = float("inf")) -> set[str]:
        """The marks that were made before a Unix time."""
        found: set[str] = set()
        for line in self._lines:
            when, _, mark = line.strip().partition(" ")
            if line.endswith("\n") and mark.startswith(self.name) and float(when) < before:
                found |= {f"span {mark}", f"log {mark}"}
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()

    def _finish(self, typed: str = "") -> None:
        out, err = self.process.communicate(typed, timeout=90)
        self._lines += out.splitlines(keepends=True)
        self._messages += err


def spool_files(state: Path) -> list[str]:
    """Everything in the spool but the names of the endpoints."""
    return sorted(
        str(path.relative_to(state))
        for path in (state / "spool").rglob("*")
        if path.is_file() and path.name != "endpoint"
    )
