# SPDX-License-Identifier: Apache-2.0
"""Whether a port can be listened on, and who has it when not."""

from __future__ import annotations

import socket
from contextlib import closing

_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def bind_error(host: str, port: int) -> OSError | None:
    """What stands in the way of listening on a TCP port; None when nothing does.

    Args:
        host: an address or a name of this machine.
        port: 0 asks about the address alone.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # Like the server itself: of the two meanings of "localhost" the older one.
        family, kind, protocol, _, address = min(found, key=lambda i: i[0] != socket.AF_INET)
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def holder(port: int, host: str = "") -> str:
    """The process that listens on a port, as far as this user may know.

    Args:
        port: the port.
        host: on which address; who listens on another one is named only if nobody else does.

    Returns:
        For example ``process 4711 (uvicorn)``, empty when it cannot be told.
    """
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return ""
    there = [
        (each.laddr.ip not in {host, *_EVERY_ADDRESS}, each.pid)
        for each in connections
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port
    ]
    pid = min(there, default=(True, None), key=lambda found: found[0])[1]
    if pid is None:
        return ""
    try:
        return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return f"process {pid}"
