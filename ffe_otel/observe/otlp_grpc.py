# SPDX-License-Identifier: Apache-2.0
"""OTLP/gRPC: the three ``Export`` services.

Handlers take the raw bytes, so that a message is parsed once and on the ingest thread,
exactly as one that came by HTTP.
"""

from __future__ import annotations

import hmac
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc

from ffe_otel.observe.addresses import listen
from ffe_otel.observe.decode import MalformedError, Signal, response
from ffe_otel.observe.errors import FullError, ServeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.observe.ingest import Ingest

SERVICES: Final = {
    Signal.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    Signal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
    Signal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
WORKERS: Final = 8
COMMIT_TIMEOUT: Final = 30.0
"""Longest a call waits for its rows to be durable, seconds."""


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """Where and how the gRPC port listens; an empty ``token`` admits everybody."""

    host: str
    port: int
    max_bytes: int
    token: str
    tls_certificate: str
    tls_key: str


class GrpcServer:
    """The gRPC port."""

    def __init__(self, ingest: Ingest, settings: GrpcSettings) -> None:
        """Bind and start.

        Raises:
            ServeError: the port is taken.
        """
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="ffe-otel-grpc")
        self._server = grpc.server(
            self._pool,
            options=[
                ("grpc.max_receive_message_length", settings.max_bytes),
                # Otherwise a second server would silently share the port with this one.
                ("grpc.so_reuseport", 0),
            ],
        )
        for signal, service in SERVICES.items():
            export = _handler(signal, ingest, settings.token)
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Export": export}),)
            )
        self.port = self._bind(settings)
        self._server.start()

    def _bind(self, settings: GrpcSettings) -> int:
        # gRPC says only "failed to bind"; a plain socket says why.
        listen(settings.host, settings.port, "serve.otlp_grpc_port").close()
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{host}:{settings.port}"
        try:
            if settings.tls_certificate:
                pair = (
                    Path(settings.tls_key).read_bytes(),
                    Path(settings.tls_certificate).read_bytes(),
                )
                return int(
                    self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
                )
            return int(self._server.add_insecure_port(address))
        except (RuntimeError, OSError) as error:
            self._pool.shutdown(wait=False)
            raise ServeError(f"cannot listen for gRPC on {address}: {error}") from error

    def stop(self, grace: float) -> None:
        """Take no new calls and let running ones end within ``grace`` seconds."""
        self._server.stop(grace).wait()
        self._pool.shutdown()


def _handler(signal: Signal, ingest: Ingest, token: str) -> Any:
    return grpc.unary_unary_rpc_method_handler(_export(signal, ingest, token))


def _export(signal: Signal, ingest: Ingest, token: str) -> Callable[[bytes, Any], bytes]:
    wanted = f"Bearer {token}".encode()

    def export(body: bytes, context: Any) -> bytes:
        metadata = dict(context.invocation_metadata())
        if token and not hmac.compare_digest(metadata.get("authorization", "").encode(), wanted):
            context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "this server needs `authorization: Bearer <token>` from other machines",
            )
        try:
            batch = ingest.submit(signal, body).result(COMMIT_TIMEOUT)
        except MalformedError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except (FullError, TimeoutError) as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error) or "the disk is too slow")
        return response(signal, batch.rejected, batch.reason).SerializeToString()

    return export
