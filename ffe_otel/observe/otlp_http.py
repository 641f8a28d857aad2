# SPDX-License-Identifier: Apache-2.0
"""OTLP/HTTP: ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``.

Answers follow the OTLP specification: the content type of the request, an
``Export...ServiceResponse`` once the data are durable, and a ``google.rpc.Status`` with
every error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from google.rpc import code_pb2, status_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from ffe_otel.observe.body import BodyReader, RefusedError
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
_CODES: Final = {
    400: code_pb2.INVALID_ARGUMENT,
    404: code_pb2.UNIMPLEMENTED,
    405: code_pb2.UNIMPLEMENTED,
    408: code_pb2.DEADLINE_EXCEEDED,
    413: code_pb2.RESOURCE_EXHAUSTED,
    415: code_pb2.INVALID_ARGUMENT,
    503: code_pb2.UNAVAILABLE,
}


def otlp_app(ingest: Ingest, *, max_bytes: int) -> Starlette:
    """The application behind the OTLP/HTTP port; bodies hold at most ``max_bytes``."""
    reader = BodyReader(max_bytes)

    def route(signal: Signal) -> Route:
        async def export(request: Request) -> Response:
            return await _export(request, signal, ingest, reader)

        return Route(f"/v1/{signal}", export, methods=["POST"])

    return Starlette(
        routes=[route(signal) for signal in Signal], exception_handlers={HTTPException: _http_error}
    )


async def _export(request: Request, signal: Signal, ingest: Ingest, reader: BodyReader) -> Response:
    kind = _kind(request)
    try:
        if kind not in {PROTOBUF, JSON}:
            return _error(kind, 415, f"content type {kind!r}: send {PROTOBUF} or {JSON}")
        body = await reader.read(request)
        batch = await asyncio.wrap_future(ingest.submit(signal, body, is_json=kind == JSON))
    except RefusedError as error:
        return _error(kind, error.status, str(error))
    except MalformedError as error:
        return _error(kind, 400, str(error))
    except (FullError, asyncio.CancelledError) as error:
        # A server that stops cancels the requests that hang. Let through, this would be a
        # traceback and the answer 500, after which a sender drops what it has.
        cancelled = isinstance(error, asyncio.CancelledError)
        answer = _error(kind, 503, "the server is stopping" if cancelled else str(error))
        answer.headers["Retry-After"] = str(RETRY_AFTER)
        return answer
    except ClientDisconnect:
        return Response(status_code=400)
    return _answer(kind, 200, response(signal, batch.rejected, batch.reason))


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _http_error(request: Request, error: Exception) -> Response:
    """Wrong paths and methods, answered like every other error."""
    status = getattr(error, "status_code", 500)
    answer = _error(
        _kind(request), status, f"{request.method} {request.url.path}: send POST to /v1/traces, "
        "/v1/logs or /v1/metrics",
    )  # fmt: skip
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


def _error(kind: str, status: int, text: str) -> Response:
    code = _CODES.get(status, code_pb2.UNKNOWN)
    return _answer(kind, status, status_pb2.Status(code=code, message=text))


def _answer(kind: str, status: int, message: Message) -> Response:
    if kind == JSON:
        return Response(to_json(message), status, media_type=JSON)
    return Response(message.SerializeToString(), status, media_type=PROTOBUF)
