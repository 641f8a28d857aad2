# SPDX-License-Identifier: Apache-2.0
"""A captured process that makes marked spans and log records, and writes down when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from typing import TYPE_CHECKING, BinaryIO

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
        # Files and not pipes: what is waiting in a reader's buffer would be missed.
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the engine
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
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
            stdout=self._out,
            stderr=self._err,
            text=True,
        )

    def wait_for_lines(self, count: int) -> None:
        """Wait until it has said so much."""
        deadline = time.monotonic() + 90
        while len(self._lines()) < count:
            assert self.process.poll() is None or len(self._lines()) >= count, self.messages
            assert time.monotonic() < deadline, self.messages
            time.sleep(0.01)

    def _lines(self) -> list[str]:
        return text_of(self._out).splitlines(keepends=True)

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

    def wait(self, seconds: float = 90) -> str:
        """Let it end by itself; what it said."""
        self.wait_after("", seconds)
        return "".join(self._lines())

    def wait_after(self, typed: str, seconds: float = 90) -> str:
        """Let it end by itself after it got this text; what it said from then on."""
        before = len(self._lines())
        self._finish(typed, seconds)
        assert self.process.returncode == 0, self.messages
        return "".join(self._lines()[before:])

    @property
    def messages(self) -> str:
        """What it wrote to standard error."""
        return text_of(self._err)

    def marks(self, before: float = float("inf")) -> set[str]:
        """The marks that were made before a Unix time."""
        found: set[str] = set()
        for line in self._lines():
            when, _, mark = line.strip().partition(" ")
            if line.endswith("\n") and mark.startswith(self.name) and float(when) < before:
                found |= {f"span {mark}", f"log {mark}"}
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._out.close()
        self._err.close()

    def _finish(self, typed: str = "", seconds: float = 90) -> None:
        self.process.communicate(typed, timeout=seconds)


def text_of(file: BinaryIO) -> str:
    return os.pread(file.fileno(), 1 << 26, 0).decode("utf-8", "replace")


def spool_files(state: Path) -> list[str]:
    """Everything in the spool but the names of the endpoints."""
    return sorted(
        str(path.relative_to(state))
        for path in (state / "spool").rglob("*")
        if path.is_file() and path.name != "endpoint"
    )
