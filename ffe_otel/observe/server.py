# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel serve``: the embedded backend beside the engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from ffe_otel.observe import addresses as addr
from ffe_otel.observe.addresses import Addresses
from ffe_otel.observe.api import Api, page_app
from ffe_otel.observe.backend import Backend
from ffe_otel.observe.guard import HostGuard, SecurityHeaders, TokenGuard
from ffe_otel.observe.otlp_grpc import GrpcServer, GrpcSettings
from ffe_otel.observe.otlp_http import otlp_app

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from ffe_otel.config.model import Config, Serve

__all__ = ["Addresses", "run_server"]

GRACE: Final = 3
"""Longest a request that runs at the end is waited for, seconds."""


class _Uvicorn(uvicorn.Server):
    """One of two servers in a loop; signals are handled once, by :func:`run_server`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@dataclass(frozen=True, slots=True)
class _Ports:
    """Listening sockets of page and OTLP/HTTP, and the gRPC server."""

    page: socket.socket
    otlp: socket.socket
    grpc: GrpcServer | None


def run_server(
    config: Config,
    *,
    ready: Callable[[Addresses], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Receive, store and show telemetry until stopped.

    Stops when ``stop`` is set, or on SIGTERM and SIGINT when called on the main thread:
    running requests end, the journal is loaded, the store is closed.

    Args:
        config: the whole configuration; ``state_dir`` is absolute.
        ready: called with the real addresses once everything listens.
        stop: ends the server from another thread.

    Raises:
        ServeError: it cannot start; the text says why and what to do.
    """
    addr.check_exposure(config.serve)
    state_dir = addr.private_directory(Path(config.state_dir), "state_dir")
    with contextlib.ExitStack() as closing:
        closing.enter_context(_private_files())
        page = addr.listen(config.serve.host, config.serve.port, "serve.port")
        closing.callback(page.close)
        otlp = addr.listen(config.serve.host, config.serve.otlp_http_port, "serve.otlp_http_port")
        closing.callback(otlp.close)
        _check_grpc_port(config.serve)
        token = addr.load_token(state_dir, config.serve.token)
        backend = Backend(config)
        closing.callback(backend.close)
        grpc = _start_grpc(config.serve, backend, token)
        if grpc is not None:
            closing.callback(grpc.stop, GRACE)
        ports = _Ports(page, otlp, grpc)
        addresses = _addresses(config.serve, ports, token)
        state_file = addr.write_state(state_dir, addresses)
        closing.callback(addr.remove_state, state_file)
        asyncio.run(_serve(config, backend, ports, addresses, ready, stop))


def _check_grpc_port(serve: Serve) -> None:
    if serve.otlp_grpc_port > 0:
        addr.listen(serve.host, serve.otlp_grpc_port, "serve.otlp_grpc_port").close()


def _start_grpc(serve: Serve, backend: Backend, token: str) -> GrpcServer | None:
    if serve.otlp_grpc_port < 0:
        return None
    settings = GrpcSettings(
        serve.host,
        serve.otlp_grpc_port,
        serve.max_request_bytes,
        "" if addr.is_loopback(serve.host) else token,
        serve.tls_certificate,
        serve.tls_key,
    )
    return GrpcServer(backend.ingest, settings)


def _addresses(serve: Serve, ports: _Ports, token: str) -> Addresses:
    scheme = "https" if serve.tls_certificate else "http"
    host = addr.url_host(serve.host)

    def url(port: int) -> str:
        return f"{scheme}://{host}:{port}"

    return Addresses(
        page=url(ports.page.getsockname()[1]),
        token=token,
        otlp_http=url(ports.otlp.getsockname()[1]),
        otlp_grpc=url(ports.grpc.port) if ports.grpc else None,
    )


async def _serve(
    config: Config, backend: Backend, ports: _Ports, addresses: Addresses,
    ready: Callable[[Addresses], None] | None, stop: threading.Event | None,
) -> None:  # fmt: skip
    serve = config.serve
    backend.live.attach(asyncio.get_running_loop())
    api = Api(backend)
    servers = [
        _uvicorn(_guarded_page(api, serve, addresses.token), serve),
        _uvicorn(_guarded_otlp(backend, serve, addresses.token), serve),
    ]
    tasks = [
        asyncio.create_task(server.serve([sock]))
        for server, sock in zip(servers, (ports.page, ports.otlp), strict=True)
    ]
    stopping = asyncio.Event()
    with _signals(stopping):
        await _started(servers, tasks)
        if ready is not None:
            ready(addresses)
        await _until_stopped(stopping, stop, tasks)
    backend.live.close()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
    await asyncio.to_thread(api.close)


def _uvicorn(app: ASGIApp, serve: Serve) -> _Uvicorn:
    return _Uvicorn(
        uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            # Exporters send every few seconds and would meet a closing connection.
            timeout_keep_alive=75,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
            ssl_certfile=serve.tls_certificate or None,
            ssl_keyfile=serve.tls_key or None,
        )
    )


def _guarded_page(api: Api, serve: Serve, token: str) -> ASGIApp:
    secure = bool(serve.tls_certificate or serve.tls_terminated_by)
    guarded = TokenGuard(page_app(api), token, secure=secure)
    return SecurityHeaders(HostGuard(guarded, _allowed_hosts(serve)))


def _guarded_otlp(backend: Backend, serve: Serve, token: str) -> ASGIApp:
    app: ASGIApp = otlp_app(backend.ingest, max_bytes=serve.max_request_bytes)
    if not addr.is_loopback(serve.host):
        app = TokenGuard(app, token, secure=True, browser=False)
    return SecurityHeaders(HostGuard(app, _allowed_hosts(serve)))


def _allowed_hosts(serve: Serve) -> frozenset[str] | None:
    """Host names of requests to a loopback port; None where any name may be right."""
    if not addr.is_loopback(serve.host) or serve.tls_terminated_by:
        return None
    return frozenset({serve.host.strip("[]").lower()})


@contextlib.contextmanager
def _signals(stopping: asyncio.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set ``stopping`` where this thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def handle(*_: Any) -> None:
        loop.call_soon_threadsafe(stopping.set)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


async def _started(servers: list[_Uvicorn], tasks: list[asyncio.Task[None]]) -> None:
    while not all(server.started for server in servers):
        if any(task.done() for task in tasks):
            return
        await asyncio.sleep(0.005)


async def _until_stopped(
    stopping: asyncio.Event, stop: threading.Event | None, tasks: list[asyncio.Task[None]]
) -> None:
    waiting = asyncio.create_task(stopping.wait())
    if stop is not None:
        loop = asyncio.get_running_loop()

        def watch() -> None:
            stop.wait()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)

        threading.Thread(target=watch, name="ffe-otel-stop", daemon=True).start()
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


@contextlib.contextmanager
def _private_files() -> Iterator[None]:
    """Let files that DuckDB makes be this user's only, where the process is ours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(previous)
