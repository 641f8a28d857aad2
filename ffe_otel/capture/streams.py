# SPDX-License-Identifier: Apache-2.0
"""Where log handlers of the engine write, and whether that is a console."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator


class Consoles:
    """Tells streams that end at standard output or standard error from others."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()

    def __contains__(self, stream: object) -> bool:
        """Whether it is one of the two, wraps one of them, or writes to the same file."""
        if stream is None:
            return False
        if stream is sys.stderr or stream is sys.stdout:
            return True
        if stream is sys.__stderr__ or stream is sys.__stdout__:
            return True
        try:
            known = self._known.get(stream)
            if known is None:
                known = self._known[stream] = _same_file(stream)
        except TypeError:  # it takes no weak references
            return _same_file(stream)
        return known


def stream_of(handler: logging.Handler) -> object:
    """Where a handler writes, None where that is no stream."""
    attributes = handler.__dict__
    stream = attributes.get("stream")
    if stream is None:
        # A property, as of those who want whatever standard error is at the moment.
        stream = getattr(handler, "stream", None)
    if stream is None and "console" in attributes:
        stream = getattr(attributes["console"], "file", None)  # rich
    return stream


def _same_file(stream: Any) -> bool:
    """Whether a stream has a descriptor of its own for what is standard output or error."""
    try:
        written = os.fstat(stream.fileno())
    except Exception:  # noqa: BLE001 - anything may be called a stream
        return False
    return any(os.path.samestat(written, one) for one in _standard())


def _standard() -> Iterator[os.stat_result]:
    for number in (1, 2):
        try:
            found = os.fstat(number)
        except OSError:
            continue
        yield found
