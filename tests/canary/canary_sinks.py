# SPDX-License-Identifier: Apache-2.0
"""OTLP endpoints that keep every request, uncompressed."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from loopback import Asked, Endpoint, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Sink:
    """What arrived: path and body."""

    address: str = ""
    requests: list[tuple[str, bytes]] = field(default_factory=list)


@contextlib.contextmanager
def http_sink() -> Iterator[Sink]:
    """Run an OTLP/HTTP endpoint that also answers any GET."""
    sink = Sink()

    def keep(asked: Asked) -> Reply:
        if asked.path in {"/v1/traces", "/v1/metrics", "/v1/logs"}:
            sink.requests.append((asked.path, asked.body))
        return Reply()

    with Endpoint(keep) as endpoint:
        sink.address = endpoint.url
        yield sink


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def service(self, handler_call_details: Any) -> Any:
        def keep(request: bytes, _: Any) -> bytes:
            self._sink.requests.append((handler_call_details.method, request))
            return b""

        return grpc.unary_unary_rpc_method_handler(keep)


@contextlib.contextmanager
def grpc_sink() -> Iterator[Sink]:
    """Run an OTLP/gRPC endpoint."""
    sink = Sink()
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_AnyMethod(sink),))
    sink.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield sink
    finally:
        server.stop(None).wait()
