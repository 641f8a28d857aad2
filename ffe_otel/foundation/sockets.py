# SPDX-License-Identifier: Apache-2.0
"""Sockets with an owner, a deadline and an end.

Owned: see :mod:`ffe_otel.foundation.descriptors`. Bounded: whatever a thread does with them
within :func:`bounded` ends in time and receives so much, however the other side deals it out.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.foundation import native
from ffe_otel.foundation.descriptors import LostError, identity, is_same, out_of_the_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

MOST_BYTES: Final = 4 << 20
"""Of an answer, with its head."""


class TooMuchError(OSError):
    """An answer is larger than anybody wants to know."""

    def __init__(self, most: int) -> None:
        super().__init__(errno.EMSGSIZE, f"an answer of more than {most:,} bytes")


class _Bounds:
    """What is left of a request's time, and of its answer."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._deadline = time.monotonic() + seconds
        self._most = self._left = most_bytes

    def seconds(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def received(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooMuchError(self._most)


class _Here(threading.local):
    bounds: _Bounds | None = None


_here = _Here()


@contextlib.contextmanager
def bounded(seconds: float, most_bytes: int = MOST_BYTES) -> Iterator[None]:
    """Bound what this thread does with sockets of ours: raises ``OSError`` where it would go on.

    Args:
        seconds: for everything together.
        most_bytes: that are received.
    """
    before, _here.bounds = _here.bounds, _Bounds(seconds, most_bytes)
    try:
        yield
    finally:
        _here.bounds = before


if TYPE_CHECKING:
    _Socket = socket.socket
else:
    # Python's own class also where gevent or eventlet put one of theirs in its place: theirs
    # works on the thread that made it only, and keeps the number elsewhere.
    _Socket = next(
        (c for c in _socket.socket.__subclasses__() if c.__module__ == "socket"), socket.socket
    )


class _Guarded(_Socket):
    """What plain and encrypted sockets share."""

    known = (0, 0, 0)
    _accept: Callable[[], tuple[int, Any]]

    @property
    def ours(self) -> bool:
        """Whether the number still means this socket."""
        number = self.fileno()
        return number >= 0 and is_same(number, self.known)

    def _begin(self) -> None:
        if self.fileno() >= 0 and not self.ours:
            self.detach()
            raise LostError
        if _here.bounds is not None:
            self.settimeout(_here.bounds.seconds())

    def connect(self, address: Any, /) -> None:
        self._begin()
        super().connect(address)

    def accept(self) -> tuple[socket.socket, Any]:
        self._begin()
        # Not `socket.accept`: what that makes may be of gevent's or eventlet's class.
        number, address = self._accept()
        accepted = OwnedSocket.of(_Socket(self.family, self.type, self.proto, fileno=number))
        if socket.getdefaulttimeout() is None:
            accepted.setblocking(True)  # some systems hand the listener's time limit on
        return accepted, address

    def send(self, data: Any, flags: int = 0, /) -> int:
        self._begin()
        return super().send(data, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        self._begin()
        super().sendall(data, flags)

    def recv(self, size: int = 1024, flags: int = 0, /) -> bytes:
        self._begin()
        data = super().recv(size, flags)
        _received(len(data))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self._begin()
        count = super().recv_into(buffer, nbytes, flags)
        _received(count)
        return count

    def shutdown(self, how: int, /) -> None:
        self._begin()
        super().shutdown(how)

    def _real_close(self, *args: Any) -> None:
        if self.ours:
            super()._real_close(*args)  # type: ignore[misc]
        else:
            self.detach()

    def __del__(self) -> None:
        # What the interpreter does by itself would close the number, whoever has it.
        with contextlib.suppress(Exception):
            self._real_close()


def _received(count: int) -> None:
    if _here.bounds is not None:
        _here.bounds.received(count)


class OwnedSocket(_Guarded):
    """A plain socket that is used and closed only while its number means it."""

    @classmethod
    def of(cls, plain: socket.socket) -> Self:
        """Take over a socket that was made a moment ago.

        Raises:
            OSError: it is closed already.
        """
        timeout = plain.gettimeout()
        kind = plain.family, plain.type, plain.proto
        number = out_of_the_way(plain.detach())
        known = identity(number)
        owned = cls(*kind, fileno=number)
        owned.known = known
        owned.settimeout(timeout)
        return owned


if issubclass(ssl.SSLSocket, _Socket):

    class _OwnedSSLSocket(_Guarded, ssl.SSLSocket):  # type: ignore[misc]
        """The same for TLS."""


def encrypted(wrapped: Any) -> Any:
    """Own a socket that TLS was begun on just now; anything but an ``SSLSocket`` stays as it is."""
    if type(wrapped) is ssl.SSLSocket and isinstance(wrapped, _Socket):
        # Same state, other behaviour.
        wrapped.__class__ = _OwnedSSLSocket
        wrapped.known = identity(wrapped.fileno())  # type: ignore[attr-defined]
    return wrapped


def has_news(found: Any) -> bool:
    """Whether something can be read from a socket, or that the other side has ended."""
    if found.fileno() < 0:  # lost meanwhile
        return True
    poll = native.poll()
    poll.register(found, select.POLLIN)
    return bool(poll.poll(0))


def make(*kind: int) -> OwnedSocket:
    """A socket of a family, a type and a protocol."""
    return OwnedSocket.of(_Socket(*kind))


def addresses(host: str, port: str | int, kind: int) -> list[tuple[Any, ...]]:
    """What ``socket.getaddrinfo`` gives, whatever gevent or eventlet put in its place.

    Raises:
        OSError: the host is not known.
    """
    found: list[tuple[Any, ...]] = _socket.getaddrinfo(host, port, type=kind)
    return found


def connect(
    host: str, port: int, seconds: float, options: Iterable[tuple[Any, ...]] = ()
) -> OwnedSocket:
    """Connect to the first address of a host that answers.

    Args:
        host: name or address.
        port: where.
        seconds: for each address.
        options: arguments of ``setsockopt``.

    Raises:
        OSError: none does; the last one's reason.
    """
    problem: OSError | None = None
    for *kind, _, address in addresses(host, port, socket.SOCK_STREAM):
        bounds = _here.bounds
        left = seconds if bounds is None else bounds.seconds()
        opened = make(*kind)
        try:
            for option in options:
                opened.setsockopt(*option)
            _connect(opened, address, min(seconds, left))
        except OSError as error:
            opened.close()
            problem = error
        else:
            return opened
    raise problem or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def _connect(opened: OwnedSocket, address: Any, seconds: float) -> None:
    opened.settimeout(seconds)
    # Not this class's, which would take all the time that is left for one address.
    _Socket.connect(opened, address)
    if _here.bounds is not None:
        opened.settimeout(_here.bounds.seconds())
