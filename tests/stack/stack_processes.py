# SPDX-License-Identifier: Apache-2.0
"""Servers that tests start: on free ports, with a log, and ended by their own process id."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has, all different.

    From below the range that outgoing connections are given theirs from: one of those
    would take a port between here and the server's start.
    """
    with ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            sock = held.enter_context(socket.socket())
            port = random.randrange(20_000, 32_000)
            with contextlib.suppress(OSError):
                sock.bind(("127.0.0.1", port))
                found.append(port)
        return found


def until(condition: Callable[[], T], seconds: float = 30.0, what: str = "") -> T:
    """Poll until something true comes back; return it."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what or 'it'} did not happen within {seconds} s"
        time.sleep(0.05)
    return result


def fetch(url: str, accept: str = "*/*", timeout: float = 5.0) -> str | None:
    """The body of a page, None while nothing answers."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.read().decode()
    except (OSError, urllib.error.URLError):
        return None


class Server:
    """One process and its log; started again with the same command after it ended."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.command = list(command)
        self.log_file = log
        self.env = {**os.environ, **env}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], object], seconds: float = 60.0) -> None:
        """Start and wait; a process that ends before it is ready is an error with its log."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

        def up() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"it ended: {self.log()[-3000:]}"
            return bool(ready())

        until(up, seconds, f"{self.command[0]} being ready")

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
