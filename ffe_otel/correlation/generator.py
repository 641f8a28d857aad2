# SPDX-License-Identifier: Apache-2.0
"""Trace and span ids that no engine can make repeat.

The SDK's generator draws from the ``random`` module, so an engine that seeds that
module for a reproducible backtest gets the same trace ids on every run, and a forked
worker gets its parent's. This one has a source of its own.
"""

from __future__ import annotations

import os
import random
import threading
import weakref
from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator

from ffe_otel.correlation.requested import handed_over

_GENERATORS: Final[weakref.WeakSet[FfeIdGenerator]] = weakref.WeakSet()


class _Issued(threading.local):
    """The trace id issued last on this thread, and whether it is random."""

    trace_id: int = 0
    is_random: bool = True


_ISSUED: Final = _Issued()


class FfeIdGenerator(IdGenerator):
    """Random ids from an own source; a requested trace id where one is handed over.

    Seeded by the operating system, deaf to ``random.seed``, and reseeded in a forked
    child.

    Args:
        source: Where bits come from; a seeded one makes ids repeatable in tests.
    """

    def __init__(self, source: random.Random | None = None) -> None:
        self._source = random.Random() if source is None else source  # noqa: S311 - not secret
        _GENERATORS.add(self)

    def generate_trace_id(self) -> int:
        """Return the trace id handed over for this root, else 128 random bits, not 0."""
        requested = handed_over()
        if requested is not None and requested.claim():
            _ISSUED.trace_id, _ISSUED.is_random = requested.trace_id, requested.is_random
            return requested.trace_id
        trace_id = self._source.getrandbits(128) or self._source.getrandbits(128) or 1
        _ISSUED.trace_id, _ISSUED.is_random = trace_id, True
        return trace_id

    def generate_span_id(self) -> int:
        """Return 64 random bits, not 0."""
        return self._source.getrandbits(64) or self._source.getrandbits(64) or 1

    def is_trace_id_random(self) -> bool:
        """Tell whether the trace id issued last on this thread deserves the random flag.

        The SDK's tracer asks right after `generate_trace_id`, on the same thread.
        """
        return _ISSUED.is_random

    def reseed(self) -> None:
        """Seed the source anew from the operating system."""
        self._source.seed()


def issued_randomness(trace_id: int) -> bool | None:
    """Tell whether an id is random, if it is the one issued last on this thread.

    Args:
        trace_id: The id a sampler is asked about.

    Returns:
        What `FfeIdGenerator.is_trace_id_random` says of it; None for any other id.
    """
    return _ISSUED.is_random if trace_id == _ISSUED.trace_id else None


def _reseed_all() -> None:
    for generator in list(_GENERATORS):
        generator.reseed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reseed_all)
