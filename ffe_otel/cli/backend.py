# SPDX-License-Identifier: Apache-2.0
"""Having a server beside a command: the one that runs already, or one of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ffe_otel.cli.client import Server, UnreachableError, find_server
from ffe_otel.cli.extras import install_command, missing
from ffe_otel.cli.ports import bind_error
from ffe_otel.cli.signals import STOPPING, wait

if TYPE_CHECKING:
    from ffe_otel.config import Config

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_STATUS = "/api/v1/status"


class BackendError(Exception):
    """The server could not be brought up; the text says why and what to do."""


class InterruptedStartError(Exception):
    """A signal asked to stop while the server was starting."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


@dataclass(frozen=True, slots=True)
class Backend:
    """A server that answers.

    Attributes:
        server: where it is.
        process: it, when it was started here and is to be stopped here.
    """

    server: Server
    process: subprocess.Popen[bytes] | None

    def stop(self) -> None:
        """End the server if it is ours, giving it time to store what it has.

        A further signal to us cuts that time short.
        """
        if self.process is not None:
            _end(self.process)


def running(config: Config) -> Server | None:
    """The server of this state directory when it answers, else None."""
    try:
        server = find_server(config)
        server.get(_STATUS)
    except (UnreachableError, LookupError):
        return None
    return server


def bring_up(config: Config, config_file: Path | None) -> Backend:
    """Use the running server or start one. Call it inside ``signals.watched()``.

    The configured ports are used where they are free and others where they are not. The
    server gets a session of its own: Ctrl-C must not end it before the engine's last spans
    have arrived.

    Args:
        config: says where it listens and stores.
        config_file: the file it is to read, when one was named.

    Raises:
        BackendError: it did not come up.
        InterruptedStartError: a signal came first.
    """
    server = running(config)
    if server is not None:
        return Backend(server, None)
    absent = missing("serve")
    if absent:
        raise BackendError(
            f"--serve needs {', '.join(absent)}; install with: {install_command('serve')}"
        )
    log = Path(config.state_dir) / "serve.log"
    process = _start(config, config_file, log)
    try:
        return Backend(_wait_until_ready(config, process, log), process)
    except BaseException:
        _end(process)
        raise


def _start(config: Config, config_file: Path | None, log: Path) -> subprocess.Popen[bytes]:
    serve = config.serve
    command = [sys.executable, "-m", "ffe_otel.cli", "serve", "--host", serve.host]
    for option, port in (
        ("--port", serve.port),
        ("--otlp-http-port", serve.otlp_http_port),
        ("--otlp-grpc-port", serve.otlp_grpc_port),
    ):
        command += [option, str(0 if port > 0 and bind_error(serve.host, port) else port)]
    if config_file:
        command += ["--config", str(config_file)]
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackendError(
            f"{log} cannot be written: {error.strerror}; set state_dir to a folder of yours"
        ) from None
    try:
        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            # An environment that instruments every Python would make it send to itself.
            env={**os.environ, "OTEL_SDK_DISABLED": "true"},
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            preexec_fn=_unmask,  # noqa: PLW1509 - one thread only
        )
    finally:
        os.close(descriptor)


def _unmask() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _wait_until_ready(config: Config, process: subprocess.Popen[bytes], log: Path) -> Server:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BackendError(f"ffe-otel serve ended at once: {_last_words(log)}")
        server = running(config)
        if server is not None and server.pid == process.pid:
            return server
        delivered = wait(0.05)
        if delivered is not None and delivered.number in STOPPING:
            raise InterruptedStartError(delivered.number)
    raise BackendError(
        f"ffe-otel serve did not answer within {_START_SECONDS:.0f} s; its output is in {log}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    while process.poll() is None:
        delivered = wait(0.05)
        impatient = delivered is not None and delivered.number in STOPPING
        if impatient or time.monotonic() > deadline:
            process.kill()
            process.wait()


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return " ".join(lines[-3:]) or f"no reason given in {log}"
