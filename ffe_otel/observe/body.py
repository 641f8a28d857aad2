# SPDX-License-Identifier: Apache-2.0
"""Reading request bodies: decompressed, bounded one by one and all together."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.errors import FullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

READ_TIMEOUT: Final = 60.0
"""Longest a client may take to send its body, seconds."""
_DRAIN_PAUSE: Final = 0.5
_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class RefusedError(Exception):
    """A body that is not read to its end: the HTTP status and why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class BodyReader:
    """Reads bodies of one port. Used on the event loop only."""

    def __init__(self, max_bytes: int) -> None:
        """Take bodies of at most ``max_bytes``, and four times that at once."""
        self.max_bytes = max_bytes
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """The decompressed body.

        Raises:
            RefusedError: it is too long, too slow, or not compressed as it says.
            FullError: too many bodies are being read.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "", *_WINDOW_BITS}:
            raise RefusedError(415, f"content encoding {encoding!r}: send gzip or deflate")
        stream, parts = request.stream(), list[bytes]()
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                await self._collect(stream, encoding, request, parts)
        except TimeoutError:
            raise RefusedError(408, f"the body took longer than {READ_TIMEOUT:g} s") from None
        except RefusedError:
            await _drain(stream, self.max_bytes)
            raise
        finally:
            self._held -= sum(map(len, parts))
        return b"".join(parts)

    async def _collect(
        self, stream: AsyncIterator[bytes], encoding: str, request: Request, parts: list[bytes]
    ) -> None:
        declared = request.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self.max_bytes:
            raise self._too_large()
        inflate = zlib.decompressobj(_WINDOW_BITS[encoding]) if encoding in _WINDOW_BITS else None
        size = 0
        async for chunk in stream:
            # One byte more than allowed is enough to know; a bomb is never inflated whole.
            data = chunk if inflate is None else _inflate(inflate, chunk, self.max_bytes - size + 1)
            size += len(data)
            if size > self.max_bytes:
                raise self._too_large()
            parts.append(data)
            self._held += len(data)
            if self._held > 4 * self.max_bytes:
                raise FullError("too many requests are being read")
        if inflate is not None and not inflate.eof:
            raise RefusedError(400, f"the {encoding} body is cut short")
        if inflate is not None and inflate.unused_data:
            raise RefusedError(400, f"something follows the {encoding} body; send one member")

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413,
            f"the request is larger than {self.max_bytes} bytes (serve.max_request_bytes); send "
            "smaller batches",
        )


def _inflate(inflate: zlib._Decompress, chunk: bytes, limit: int) -> bytes:
    try:
        return inflate.decompress(chunk, limit)
    except zlib.error as error:
        raise RefusedError(400, f"the body is not compressed as it says: {error}") from error


async def _drain(stream: AsyncIterator[bytes], limit: int) -> None:
    """Read on while the client sends: it would not see the answer before it is done."""
    size = 0
    with contextlib.suppress(TimeoutError):
        while size <= limit:
            async with asyncio.timeout(_DRAIN_PAUSE):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            size += len(chunk)
