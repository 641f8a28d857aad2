# SPDX-License-Identifier: Apache-2.0
"""``urllib`` over sockets of ours, for answers that nobody has to trust."""

from __future__ import annotations

import http.client
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.foundation import sockets

if TYPE_CHECKING:
    import ssl
    from urllib.error import HTTPError

_PIECE: Final = 65_536


def _connected(address: tuple[str, int], timeout: Any, *_: Any) -> sockets.OwnedSocket:
    return sockets.connect(*address, timeout)


class _Plain(http.client.HTTPConnection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = _connected


class _Encrypted(http.client.HTTPSConnection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = _connected

    def connect(self) -> None:
        super().connect()
        self.sock = sockets.encrypted(self.sock)


class _PlainHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Plain, req)


class _EncryptedHandler(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(context=context)
        self._chosen = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Encrypted, req, context=self._chosen)


def fetch(
    request: urllib.request.Request,
    seconds: float,
    *,
    most_bytes: int = sockets.MOST_BYTES,
    proxies: bool = True,
    context: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    """Status and body of the answer to a request.

    Args:
        request: what is asked.
        seconds: for everything together.
        most_bytes: of the answer.
        proxies: whether to heed those of the environment.
        context: for TLS.

    Raises:
        urllib.error.HTTPError: the server refuses; read its text with :func:`words`.
        OSError: no answer, none in time, too much of it, or nothing that makes sense.
    """
    handlers: list[Any] = [_PlainHandler(), _EncryptedHandler(context)]
    if not proxies:
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    try:
        with sockets.bounded(seconds, most_bytes), opener.open(request, timeout=seconds) as answer:
            # In pieces: for all at once, room is made for as much as the head says there is.
            return int(answer.status), b"".join(iter(lambda: answer.read(_PIECE), b""))
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def words(error: HTTPError, seconds: float) -> bytes:
    """The first of what a refusal says; nothing where it cannot be read in time."""
    try:
        with sockets.bounded(seconds):
            return error.read(_PIECE)
    except (OSError, http.client.HTTPException):
        return b""
