# SPDX-License-Identifier: Apache-2.0
"""OTLP/HTTP: ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``.

Answers follow the OTLP specification: the content type of the request, an
``Export...ServiceResponse`` once the data are durable, and a ``google.rpc.Status`` with
every error.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from ffe_otel.observe.decode import MalformedError, Signal, response, to_json
from ffe_otel.observe.errors import FullError

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from starlette.requests import Request

    from ffe_otel.observe.ingest import Ingest

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
RETRY_AFTER: Final = 5
"""What a sender is asked to wait when nothing can be taken, seconds."""
_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class _RefusedError(Exception):
    """A request that gets an error: HTTP status, gRPC code, text."""

    def __init__(self, http: int, code: int, text: str) -> None:
        super().__init__(text)
        self.http, self.code = http, code


def otlp_app(ingest: Ingest, *, max_bytes: int) -> Starlette:
    """The application behind the OTLP/HTTP port; bodies hold at most ``max_bytes``."""

    def route(signal: Signal) -> Route:
        async def export(request: Request) -> Response:
            return await _export(request, signal, ingest, max_bytes)

        return Route(f"/v1/{signal}", export, methods=["POST"])

    return Starlette(routes=[route(signal) for signal in Signal])


async def _export(request: Request, signal: Signal, ingest: Ingest, max_bytes: int) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        body = await _read(request, kind, max_bytes)
        batch = await asyncio.wrap_future(ingest.submit(signal, body, is_json=kind == JSON))
    except _RefusedError as error:
        return _error(kind, error.http, error.code, str(error))
    except MalformedError as error:
        return _error(kind, 400, code_pb2.INVALID_ARGUMENT, str(error))
    except FullError as error:
        answer = _error(kind, 503, code_pb2.UNAVAILABLE, str(error))
        answer.headers["Retry-After"] = str(RETRY_AFTER)
        return answer
    except ClientDisconnect:
        return Response(status_code=400)
    return _answer(kind, 200, response(signal, batch.rejected, batch.reason))


async def _read(request: Request, kind: str, max_bytes: int) -> bytes:
    """The decompressed body.

    Raises:
        _RefusedError: it is longer than ``max_bytes``, not compressed as it says, or of a
            kind that is no OTLP.
    """
    if kind not in {PROTOBUF, JSON}:
        text = f"content type {kind or '(none)'!r}: send {PROTOBUF} or {JSON}"
        raise _RefusedError(415, code_pb2.INVALID_ARGUMENT, text)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "", *_WINDOW_BITS}:
        raise _RefusedError(
            415, code_pb2.INVALID_ARGUMENT, f"content encoding {encoding!r}: send gzip or deflate"
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    inflate = zlib.decompressobj(_WINDOW_BITS[encoding]) if encoding in _WINDOW_BITS else None
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        data = chunk
        if inflate is not None:
            # One byte more than allowed is enough to know; a bomb is never inflated whole.
            data = _inflate(inflate, chunk, max_bytes - size + 1)
        size += len(data)
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(data)
    if inflate is not None and not inflate.eof:
        raise _RefusedError(400, code_pb2.INVALID_ARGUMENT, f"the {encoding} body is cut short")
    return b"".join(parts)


def _inflate(inflate: zlib._Decompress, chunk: bytes, limit: int) -> bytes:
    try:
        return inflate.decompress(chunk, limit)
    except zlib.error as error:
        raise _RefusedError(
            400, code_pb2.INVALID_ARGUMENT, f"the body is not compressed as it says: {error}"
        ) from error


def _too_large(max_bytes: int) -> _RefusedError:
    return _RefusedError(
        413, code_pb2.RESOURCE_EXHAUSTED,
        f"the request is larger than {max_bytes} bytes (serve.max_request_bytes); send smaller "
        "batches",
    )  # fmt: skip


def _error(kind: str, status: int, code: int, text: str) -> Response:
    return _answer(kind, status, status_pb2.Status(code=code, message=text))


def _answer(kind: str, status: int, message: Message) -> Response:
    if kind == JSON:
        return Response(to_json(message), status, media_type=JSON)
    return Response(message.SerializeToString(), status, media_type=PROTOBUF)
