# SPDX-License-Identifier: Apache-2.0
"""Reading request bodies: decompressed, bounded one by one and all together."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from ffe_otel.observe.errors import FullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

READ_TIMEOUT: Final = 60.0
"""Longest a client may take to send its body, seconds."""
_DRAIN_PAUSE: Final = 0.5
_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_FOLLOWS: Final = "something follows the compressed body; send one member"
_ZSTD: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_ZSTD_WINDOW: Final = 23
"""What every decoder is to support, by RFC 8878: 8 MB. It is memory that the sender asks for."""


class RefusedError(Exception):
    """A body that is not read to its end: the HTTP status and why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Inflate(Protocol):
    """What decompressors of the standard library have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed body was reached."""

    @property
    def unused_data(self) -> bytes:
        """What follows that end."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so much of what is in ``data``."""


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
        inflate = _inflater(encoding)
        stream, parts = request.stream(), list[bytes]()
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                await self._collect(stream, inflate, request, parts)
        except TimeoutError:
            raise RefusedError(408, f"the body took longer than {READ_TIMEOUT:g} s") from None
        except RefusedError:
            await _drain(stream, self.max_bytes)
            raise
        finally:
            self._held -= sum(map(len, parts))
        return b"".join(parts)

    async def _collect(
        self,
        stream: AsyncIterator[bytes],
        inflate: Inflate | None,
        request: Request,
        parts: list[bytes],
    ) -> None:
        declared = request.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self.max_bytes:
            raise self._too_large()
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
            raise RefusedError(400, "the compressed body is cut short")
        if inflate is not None and inflate.unused_data:
            raise RefusedError(400, _FOLLOWS)

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413,
            f"the request is larger than {self.max_bytes} bytes (serve.max_request_bytes); send "
            "smaller batches",
        )


def _inflater(encoding: str) -> Inflate | None:
    """A decompressor for a content encoding, ``None`` where none is needed."""
    if encoding in {"identity", ""}:
        return None
    if encoding in _WINDOW_BITS:
        return zlib.decompressobj(_WINDOW_BITS[encoding])
    if encoding != "zstd":
        raise RefusedError(415, f"content encoding {encoding!r}: send gzip, deflate or zstd")
    try:
        zstd: Any = import_module(_ZSTD)
    except ImportError:
        raise RefusedError(
            415, f"no zstd here: send gzip, or pip install {_ZSTD} beside serve"
        ) from None
    inflate: Inflate = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
    )
    return inflate


def _inflate(inflate: Inflate, chunk: bytes, limit: int) -> bytes:
    if inflate.eof and chunk:
        raise RefusedError(400, _FOLLOWS)
    try:
        return inflate.decompress(chunk, limit) if chunk else b""
    except Exception as error:
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
