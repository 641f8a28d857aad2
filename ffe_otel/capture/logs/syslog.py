# SPDX-License-Identifier: Apache-2.0
"""Syslog as a destination: RFC 5424 over UDP, the local form over a socket file."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

from ffe_otel import semconv
from ffe_otel.capture.logs import reading
from ffe_otel.foundation import sockets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ffe_otel.foundation.sockets import OwnedSocket

_USER_FACILITY: Final = 1 << 3
_SEVERITIES: Final = ((50, 2), (40, 3), (30, 4), (20, 6))
_DEBUG: Final = 7
_MAX_DATAGRAM: Final = 60_000
_TIMEOUT_SECONDS: Final = 0.2


class Syslog:
    """Sends one datagram a record.

    Args:
        address: ``host:port``, or the path of a socket such as ``/dev/log``.
        application: APP-NAME of the messages.

    Raises:
        ValueError: The address is neither.
    """

    def __init__(self, address: str, application: str = semconv.SCOPE) -> None:
        self.address = address
        self._path = address if address.startswith("/") else None
        self._target = None if self._path else _host_and_port(address)
        self._application = application
        self._socket: OwnedSocket | None = None

    def send(self, levelno: int, line: Mapping[str, Any], text: str) -> None:
        """Send one record.

        Raises:
            OSError: The daemon cannot be reached.
        """
        message = self._message(levelno, line, text).encode("utf-8", "replace")[:_MAX_DATAGRAM]
        if self._socket is not None and not self._socket.ours:
            self.close()
        try:
            self._connected().send(message)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the socket; a later ``send`` opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _message(self, levelno: int, line: Mapping[str, Any], text: str) -> str:
        priority = _USER_FACILITY | next((s for n, s in _SEVERITIES if levelno >= n), _DEBUG)
        name, process = self._application, os.getpid()
        if self._path:
            return f"<{priority}>{name}[{process}]: {text}"
        when = line.get(reading.TIMESTAMP, "-")
        return f"<{priority}>1 {when} {socket.gethostname() or '-'} {name} {process} - - {text}"

    def _connected(self) -> OwnedSocket:
        if self._socket is None:
            self._socket = self._open()
        return self._socket

    def _open(self) -> OwnedSocket:
        if self._target is None:
            opened = sockets.make(socket.AF_UNIX, socket.SOCK_DGRAM)
            address: Any = self._path
        else:
            host, port = self._target
            # Most daemons listen on IPv4 only, and UDP would not tell.
            found = min(
                sockets.addresses(host, port, socket.SOCK_DGRAM),
                key=lambda info: info[0] != socket.AF_INET,
            )
            opened = sockets.make(*found[:3])
            address = found[4]
        opened.settimeout(_TIMEOUT_SECONDS)
        try:
            opened.connect(address)
        except OSError:
            opened.close()
            raise
        return opened


def _host_and_port(address: str) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or not host:
        raise ValueError(
            f"logging.outputs.syslog.address is {address!r}; write host:port, "
            "for example localhost:514, or the path of a socket, for example /dev/log"
        )
    return host.strip("[]"), int(port)
