# SPDX-License-Identifier: Apache-2.0
"""Servers on loopback whose answers have no end."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\n"
HEAD = OK + b"Content-Type: application/x-protobuf\r\n\r\n"
FOREVER = 1 << 40


def flood(beginning: bytes, part: bytes) -> Callable[[], Iterator[tuple[bytes, float]]]:
    """As much as the other side takes."""

    def pieces() -> Iterator[tuple[bytes, float]]:
        yield beginning, 0.0
        while True:
            yield part, 0.0

    return pieces


def trickle(beginning: bytes, part: bytes) -> Callable[[], Iterator[tuple[bytes, float]]]:
    """A little every now and then."""

    def pieces() -> Iterator[tuple[bytes, float]]:
        yield beginning, 0.0
        while True:
            yield part, 0.05

    return pieces


def bomb() -> Callable[[], Iterator[tuple[bytes, float]]]:
    """A gigabyte in one megabyte."""
    packed = gzip.compress(bytes(1 << 30), 1)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    return lambda: iter([(head + packed, 0.0)])


KINDS = {
    "a body without end": flood(HEAD, b"x" * 65536),
    "a body that says it has a terabyte": flood(
        OK + b"Content-Length: %d\r\n\r\n" % FOREVER, b"x" * 65536
    ),
    "chunks without end": flood(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"
    ),
    "a body that trickles": trickle(HEAD, b"x"),
    "a head that trickles": trickle(OK + b"X-A: ", b"x"),
    "a head without end": flood(OK, b"X-A: " + b"x" * 60_000 + b"\r\n"),
    "a line without end": flood(OK + b"X-A: ", b"x" * 65536),
    "100 Continue for ever": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "100 Continue now and then": trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "no answer": trickle(b"", b""),
}


class Hostile:
    """Answers every connection with pieces and the pauses before them; counts what it sent."""

    def __init__(
        self,
        pieces: Callable[[], Iterator[tuple[bytes, float]]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.sent = 0
        self._pieces = pieces
        self._tls = tls
        self._ends = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                self._send(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as encrypted:
                self._send(encrypted)

    def _send(self, connection: socket.socket) -> None:
        connection.recv(65536)
        for data, pause in self._pieces():
            if self._ends.wait(pause):
                return
            connection.sendall(data)
            self.sent += len(data)

    def close(self) -> None:
        self._ends.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
