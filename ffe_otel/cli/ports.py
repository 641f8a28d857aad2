# SPDX-License-Identifier: Apache-2.0
"""Whether a port can be listened on, and who has it when not."""

from __future__ import annotations

import socket
from contextlib import closing


def bind_error(host: str, port: int) -> OSError | None:
    """What stands in the way of listening on a TCP port; None when nothing does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def holder(port: int) -> str:
    """The process that listens on a port, as far as this user may know.

    Returns:
        For example ``process 4711 (uvicorn)``, empty when it cannot be told.
    """
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return ""
    for connection in connections:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port:
            if connection.pid is None:
                return ""
            try:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                return f"process {connection.pid}"
    return ""
