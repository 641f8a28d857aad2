# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: which traces changed, for pages that are open."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ffe_otel.observe.store.loader import Change

INTERVAL: Final = 0.25
"""Shortest time between two events of one listener, seconds."""
HEARTBEAT: Final = 15.0
"""Longest silence on a stream, seconds, so that dead connections are found out."""
MAX_LISTENERS: Final = 64
MAX_IDS: Final = 500
"""Trace ids one event names; a page that missed some reads the list again anyway."""


class _Listener:
    """One open stream; what changed since it was last told."""

    __slots__ = ("event", "metrics", "trace_ids")

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.trace_ids: dict[str, None] = {}
        self.metrics = False


class LiveHub:
    """Carries changes from the loader's thread to the streams of the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve streams on ``loop``."""
        self._loop = loop

    def publish(self, change: Change) -> None:
        """Tell all streams; callable from any thread, never blocks."""
        loop = self._loop
        if loop is not None and self._listeners and not self._closed:
            loop.call_soon_threadsafe(self._deliver, change)

    def _deliver(self, change: Change) -> None:
        for listener in self._listeners:
            listener.trace_ids.update(dict.fromkeys(change.trace_ids))
            listener.metrics |= change.metrics
            listener.event.set()

    def close(self) -> None:
        """End all streams; call it on the loop."""
        self._closed = True
        for listener in self._listeners:
            listener.event.set()

    @property
    def full(self) -> bool:
        """Whether another stream would be one too many."""
        return len(self._listeners) >= MAX_LISTENERS

    async def stream(self) -> AsyncIterator[str]:
        """The events of one listener as text of the event stream."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield ": connected\n\n"
            while not self._closed:
                try:
                    await asyncio.wait_for(listener.event.wait(), HEARTBEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                for text in _events(listener):
                    yield text
                await asyncio.sleep(INTERVAL)
        finally:
            self._listeners.discard(listener)


def _events(listener: _Listener) -> list[str]:
    trace_ids, metrics = list(listener.trace_ids)[-MAX_IDS:], listener.metrics
    listener.event.clear()
    listener.trace_ids, listener.metrics = {}, False
    texts = []
    if trace_ids:
        texts.append(f"event: cycles\ndata: {json.dumps({'trace_ids': trace_ids})}\n\n")
    if metrics:
        texts.append("event: metrics\ndata: {}\n\n")
    return texts
