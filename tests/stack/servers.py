# SPDX-License-Identifier: Apache-2.0
"""Real servers for a test: on free loopback ports, with logs for whoever asks why."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_T = TypeVar("_T")

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


def program(*names: str) -> str:
    """The first of ``names`` that is on this machine; Debian calls some of them differently."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if found:
            return found
    pytest.fail(f"no {names[0]} here; tests/stack/install_servers.sh installs it")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(what: str, ask: Callable[[], _T | None], seconds: float = 60) -> _T:
    """What ``ask`` returns once that is something."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = ask()
        except (OSError, ValueError, LookupError) as error:
            last = error
        else:
            if answer:
                return answer
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    raise AssertionError(f"{what}: not within {seconds:g} s; last problem: {last!r}")


def get(url: str, headers: Mapping[str, str] | None = None, data: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=data, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
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


def healthy(service: str, addresses: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The health check of a service in docker-compose.yml, at the addresses of a test's server."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    kind, *command = compose["services"][service]["healthcheck"]["test"]
    assert kind == "CMD"
    for there, here in {"/tools/busybox": program("busybox"), **addresses}.items():
        command = [part.replace(there, here) for part in command]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    folder: Path,
    *,
    ready: Callable[[], object],
    environ: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """``command`` until the block ends; its log is shown when it does not become ready."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
    try:
        try:
            wait_for(f"{command[0]} is ready", lambda: _ready(process, ready))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text(errors='replace')[-4000:]}") from None
        yield Server(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ready(process: subprocess.Popen[bytes], ready: Callable[[], object]) -> object:
    if process.poll() is not None:
        raise AssertionError(f"it ended with {process.returncode} before it was ready")
    return ready() or None
