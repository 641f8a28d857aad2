# SPDX-License-Identifier: Apache-2.0
"""``requests`` over sockets of ours, for answers that nobody has to trust."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ClosedPoolError, ConnectTimeoutError, NewConnectionError

from ffe_otel.foundation import sockets

if TYPE_CHECKING:
    import requests

_LONGEST_CONNECT: Final = 10.0


def _is_connected(connection: Any) -> bool:
    """Whether a connection that rests may be used again: nothing comes, not even its end."""
    return connection.sock is not None and not sockets.has_news(connection.sock)


class _Plain(HTTPConnection):
    def _new_conn(self) -> Any:
        return _connected(self)


class _Encrypted(HTTPSConnection):
    def _new_conn(self) -> Any:
        return _connected(self)

    def connect(self) -> None:
        super().connect()
        self.sock = sockets.encrypted(self.sock)


def _connected(connection: Any) -> sockets.OwnedSocket:
    timeout = connection.timeout
    seconds = float(timeout) if isinstance(timeout, int | float) else _LONGEST_CONNECT
    host = connection._dns_host.strip("[]")  # noqa: SLF001 - as urllib3's own does
    try:
        return sockets.connect(host, connection.port, seconds, connection.socket_options or ())
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(connection, f"no connection: {error}") from error


class _Idle:
    """Connections that nobody uses, the newest first.

    In the place of ``queue.LifoQueue``: gevent's is tied to an event loop of the thread's.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[Any] = deque()

    def put(self, connection: Any, **_when: object) -> None:
        if len(self._kept) >= self._most:
            raise queue.Full
        self._kept.append(connection)

    def get(self, **_when: object) -> Any:
        try:
            return self._kept.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        return len(self._kept)


class _Pool(HTTPConnectionPool):
    QueueCls: Any = _Idle

    def _get_conn(self, timeout: float | None = None) -> Any:
        # Not urllib3's, which asks with `select.poll` whether a connection is still there.
        if self.pool is None:
            raise ClosedPoolError(self, "the pool is closed")
        with contextlib.suppress(queue.Empty):
            kept: Any = self.pool.get(block=False, timeout=timeout)
            if kept is not None and _is_connected(kept):
                return kept
            if kept is not None:
                kept.close()
        return self._new_conn()


class _PlainPool(_Pool):
    ConnectionCls: Any = _Plain


class _EncryptedPool(_Pool, HTTPSConnectionPool):
    ConnectionCls: Any = _Encrypted


_POOLS: Final[dict[str, Any]] = {"http": _PlainPool, "https": _EncryptedPool}


class BoundedAdapter(HTTPAdapter):
    """Makes connections that keep to :func:`ffe_otel.foundation.sockets.bounded`.

    What comes back is never unpacked: a few kilobytes can be gigabytes.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pools of a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Make the response of an answer whose head is there."""
        resp.headers.pop("Content-Encoding", None)
        return super().build_response(req, resp)


def mount(session: requests.Session) -> None:
    """Let everything that a session sends go over sockets of ours."""
    session.headers["Accept-Encoding"] = "identity"
    for prefix in ("https://", "http://"):
        session.mount(prefix, BoundedAdapter())
