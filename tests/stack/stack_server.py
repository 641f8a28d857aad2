# SPDX-License-Identifier: Apache-2.0
"""Real servers for a test: on free loopback ports, with a log, ended by their own process id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


def program(*names: str) -> str:
    """The first of ``names`` that is on this machine; Debian calls some of them differently."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if found:
            return found
    pytest.fail(f"no {names[0]} here; tests/stack/install_servers.sh installs it")


def until(condition: Callable[[], T], seconds: float = 30.0, what: str = "") -> T:
    """Poll until something true comes back; return it. What is not there yet may raise."""
    deadline = time.monotonic() + seconds
    while True:
        problem: object = None
        try:
            if result := condition():
                return result
        except (OSError, ValueError, LookupError) as error:
            problem = error
        if time.monotonic() > deadline:
            message = f"{what or 'it'} did not happen within {seconds:g} s"
            raise AssertionError(f"{message}; last problem: {problem!r}" if problem else message)
        time.sleep(0.05)


def get(
    url: str,
    headers: Mapping[str, str] | None = None,
    data: bytes | None = None,
    timeout: float = 10.0,
) -> bytes:
    """The body of an answer; HTTPError when it is no success."""
    request = urllib.request.Request(url, data=data, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        # It holds the connection until it is closed.
        error.close()
        raise


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class Server:
    """One process and its log; started again with the same command after it ended."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        ready: Callable[[], object],
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a server.

        Args:
            command: the program and its arguments.
            log: where its output goes; what is in there already stays.
            ready: true, and raises no OSError, once the server answers.
            env: variables on top of the environment.
        """
        self.command = [str(part) for part in command]
        self.log_file = log
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self._ready = ready

    def run(self, seconds: float = 60.0) -> Self:
        """Start and wait; a process that ends before it is ready is an error with its log."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        process = self.process

        def up() -> bool:
            assert process.poll() is None, f"it ended: {self.log()[-3000:]}"
            return bool(self._ready())

        try:
            until(up, seconds, f"{self.command[0]} being ready")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None
        return self

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def kill(self) -> None:
        """What a power cut does."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def __enter__(self) -> Self:
        return self.run()

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.stop()
