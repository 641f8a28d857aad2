# SPDX-License-Identifier: Apache-2.0
"""Having a server beside a command: the one that runs already, or one of our own."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ffe_otel.cli.client import Server, UnreachableError, UntrustedError, find_server
from ffe_otel.cli.extras import install_command, missing
from ffe_otel.cli.lease import GRACE_SECONDS, Lease
from ffe_otel.cli.output import note
from ffe_otel.cli.ports import bind_error, holder
from ffe_otel.cli.signals import STOPPING, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ffe_otel.config import Config

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_STATUS = "/api/v1/status"


class BackendError(Exception):
    """The server could not be brought up; the text says why and what to do."""


class InterruptedWaitError(Exception):
    """A signal asked to stop while the server was waited for."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


@dataclass(frozen=True, slots=True)
class Backend:
    """A server that answers.

    Attributes:
        server: where it is.
        lease: our part in it.
        started: it was started here, and did not run already.
    """

    server: Server
    lease: Lease
    started: bool

    def stop(self) -> bool:
        """End the server if it was started for commands like us and we are the last of them.

        It gets time to store what it has; a further signal to us cuts that time short.

        Returns:
            Whether others go on using it.
        """
        try:
            with _changing(self.lease.begin_change, self.lease):
                if not self.lease.leave():
                    return True
                pid = self.lease.server()
                if pid:
                    _end(pid, lambda: not self.lease.server())
        except InterruptedWaitError:
            # It ends by itself when it sees that nobody uses it.
            pass
        finally:
            self.lease.close()
        return False


def running(config: Config) -> Server | None:
    """The server of this state directory when it answers, else None.

    Raises:
        BackendError: it cannot be used although it runs.
    """
    try:
        server = find_server(config)
        server.get(_STATUS)
    except UntrustedError as error:
        raise BackendError(str(error)) from None
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
        InterruptedWaitError: a signal came first.
    """
    lease = _lease(config)
    try:
        with _changing(lease.begin, lease):
            server = running(config)
            if server is not None:
                return Backend(server, lease, started=False)
            return Backend(_started(config, config_file), lease, started=True)
    except BaseException:
        lease.close()
        raise


def _lease(config: Config) -> Lease:
    state_dir = Path(config.state_dir)
    try:
        return Lease(state_dir)
    except OSError as error:
        raise BackendError(
            f"{state_dir} cannot be written: {error.strerror}; set state_dir to a folder of yours"
        ) from None


@contextlib.contextmanager
def _changing(begin: Callable[[], bool], lease: Lease) -> Iterator[None]:
    """Wait until nobody else starts or stops a server, and keep others from it meanwhile."""
    while not begin():
        delivered = wait(_POLL_SECONDS)
        if delivered is not None and delivered.number in STOPPING:
            raise InterruptedWaitError(delivered.number)
    try:
        yield
    finally:
        lease.end_change()


def _started(config: Config, config_file: Path | None) -> Server:
    absent = missing("serve")
    if absent:
        raise BackendError(
            f"--serve needs {', '.join(absent)}; install with: {install_command('serve')}"
        )
    log = Path(config.state_dir) / "serve.log"
    process = _start(config, config_file, log)
    try:
        return _wait_until_ready(config, process, log)
    except BaseException:
        _end(process.pid, lambda: process.poll() is not None)
        raise


def _start(config: Config, config_file: Path | None, log: Path) -> subprocess.Popen[bytes]:
    serve = config.serve
    command = [sys.executable, "-m", "ffe_otel.cli", "serve", "--host", serve.host]
    command += ["--end-when-unused", str(GRACE_SECONDS)]
    for option, key, purpose, port in (
        ("--port", "serve.port", "the page", serve.port),
        ("--otlp-http-port", "serve.otlp_http_port", "OTLP/HTTP", serve.otlp_http_port),
        ("--otlp-grpc-port", "serve.otlp_grpc_port", "OTLP/gRPC", serve.otlp_grpc_port),
    ):
        error = bind_error(serve.host, port) if port > 0 else None
        if error is not None:
            note(_taken(serve.host, port, key, purpose, error))
        command += [option, str(port if error is None else 0)]
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


def _taken(host: str, port: int, key: str, purpose: str, error: OSError) -> str:
    """That a configured port cannot be had, who has it, and what to do."""
    who = holder(port, host) if error.errno == errno.EADDRINUSE else ""
    held = f" (held by {who})" if who else ""
    return (
        f"cannot listen on {host}:{port} for {purpose}: {(error.strerror or str(error)).lower()}"
        f"{held}; a free port is used instead, set {key} to another one to choose it"
    )


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
        delivered = wait(_POLL_SECONDS)
        if delivered is not None and delivered.number in STOPPING:
            raise InterruptedWaitError(delivered.number)
    raise BackendError(
        f"ffe-otel serve did not answer within {_START_SECONDS:.0f} s; its output is in {log}"
    )


def _end(pid: int, gone: Callable[[], bool]) -> None:
    if gone():
        # Its id may be somebody else's by now.
        return
    _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while not gone():
        delivered = wait(_POLL_SECONDS)
        impatient = delivered is not None and delivered.number in STOPPING
        if impatient or time.monotonic() > deadline:
            _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return " ".join(lines[-3:]) or f"no reason given in {log}"
