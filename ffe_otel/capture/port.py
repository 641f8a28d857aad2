# SPDX-License-Identifier: Apache-2.0
"""Leaving a port to the engine.

Capture starts before the engine does, so the metrics page would take port 8000 from the
engine's own API, which often lives there. When the engine binds the page's port, the
page moves to another one first.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

from ffe_otel.capture.hooking import Hook, HookSet

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ffe_otel.capture.around import Call
    from ffe_otel.export.prometheus import MetricsPage


def make_way(page: MetricsPage, failed: Callable[[str], None]) -> Callable[[], None]:
    """Watch ``socket.socket.bind`` for the page's port.

    Args:
        page: the metrics page.
        failed: called with a place when giving way failed.

    Returns:
        Undoes the watch.
    """
    owner = _binding_class()
    inherited = "bind" not in vars(owner)
    original = owner.bind

    def bind(self: socket.socket, address: Any, /) -> None:
        try:
            wanted = address[1] if isinstance(address, tuple) and len(address) > 1 else None
            if wanted and wanted == page.port:
                page.give_way(wanted)
        except Exception:  # noqa: BLE001 - the engine's bind decides, not ours
            failed("metrics page making way")
        original(self, address)

    owner.bind = bind
    uvicorn = HookSet()
    uvicorn.install([_uvicorn(page)])

    def undo() -> None:
        uvicorn.uninstall()
        if vars(owner).get("bind") is not bind:
            return
        if inherited:
            del owner.bind
        else:
            owner.bind = original

    return undo


def _binding_class() -> Any:
    """The class whose ``bind`` is called: eventlet's sockets hand it on to Python's."""
    owner: Any = socket.socket
    if hasattr(owner, "bind"):
        return owner
    with contextlib.closing(owner()) as made:
        return type(made.fd)


def _uvicorn(page: MetricsPage) -> Hook:
    """Watch the start too: uvloop binds outside Python."""

    def body(call: Call) -> Generator[None, Any, None]:
        wanted = getattr(getattr(call.instance, "config", None), "port", None)
        if wanted:
            page.give_way(wanted)
        yield

    return Hook("port.uvicorn", "uvicorn.server", "Server.startup", body, optional=True)
