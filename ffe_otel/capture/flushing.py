# SPDX-License-Identifier: Apache-2.0
"""What a flush covers: everything made before it, from the logger to the endpoint's answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ffe_otel.export.flushing import Flush, Flushes, Helper
from ffe_otel.export.spool.processors import SpoolLogProcessor, SpoolSpanProcessor
from ffe_otel.export.stats import Signal
from ffe_otel.sdk import existing
from ffe_otel.sdk.loggers import FfeLoggerProvider
from ffe_otel.sdk.provider import FfeTracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ffe_otel.export.spool.outbox import Outbox
    from ffe_otel.export.spool.sender import Sender

    # The SDK's part of a provider's flush, given milliseconds.
    Below = Callable[[int], object]

_TO_SPOOL = (SpoolSpanProcessor, SpoolLogProcessor)


class Flusher:
    """Flushes what a capture consists of.

    A flush says True when an endpoint has taken all that was made before it, or, where the SDK's
    own processors and foreign exporters stand, when those said so; and when nothing of it was lost
    since the flush before. It never raises, and nothing that is made while it runs prolongs it.

    Attributes:
        log_lines: asks the log capture to deliver what was logged; returns what waits for that.
    """

    def __init__(self, flushes: Flushes, outbox: Outbox | None) -> None:
        """Flush through ``outbox``, where there is one."""
        self.log_lines: Callable[[], Callable[[float], bool]] | None = None
        self.flushes = flushes
        self._outbox = outbox
        self._helper = Helper()

    def start(self) -> None:
        """Start the thread that waits for what may take too long."""
        self._helper.start()

    def after_fork(self) -> None:
        """Start clean in a forked child."""
        self.flushes.after_fork()
        self._helper.after_fork()

    def provider(
        self, signal: Signal, below: Below, timeout_millis: float | None, *, quick: bool
    ) -> bool:
        """What ``force_flush`` of a provider does.

        Args:
            signal: of the provider.
            below: the SDK's part of it.
            timeout_millis: what the caller gives it; ``None`` for no opinion.
            quick: nothing below waits for anybody but threads of ours.
        """
        seconds = None if timeout_millis is None else timeout_millis / 1000
        flush = self.flushes.begin(seconds)
        senders = self._senders(signal)

        def work() -> bool:
            if flush.open(senders):
                return False
            lines = self.log_lines if signal is Signal.LOGS else None
            if lines is not None and not flush.wait(lines(), senders):
                return False
            done = self._below(flush, below, senders, quick=quick)
            return done and (not flush.sends or flush.send(senders))

        return self.flushes.settle(flush, [signal], work)

    def of(self, provider: Any) -> Callable[[Below, float | None], bool]:
        """What ``force_flush`` of one of our providers calls."""
        signal, processors = _parts(provider)

        def flush(below: Below, timeout_millis: float | None) -> bool:
            # Of metrics, the engine's callbacks run, and who is interrupted may hold locks.
            quick = signal is not Signal.METRICS and all_ours(processors())
            return self.provider(signal, below, timeout_millis, quick=quick)

        return flush

    def everything(self, providers: Sequence[Any], timeout: float) -> bool:
        """Flush all signals, also where the endpoint is thought to be away.

        All of it is brought to the spool first, so that as much as possible is safe in time.

        Args:
            providers: of the capture.
            timeout: seconds.
        """
        flush = self.flushes.begin_forced(timeout)

        def work() -> bool:
            done = self.store(providers, flush.left)
            return (self._outbox is None or self._outbox.flush(flush.end)) and done

        return self.flushes.settle(flush, tuple(Signal), work)

    def store(self, providers: Sequence[Any], seconds: float) -> bool:
        """Bring what is in memory to the spool; whether all of it is there."""
        part = Flush(time.monotonic() + seconds, forced=True, sends=False)
        with self.flushes.within(part):
            return all([each.force_flush(_millis(part)) for each in providers])  # noqa: C419 - each

    def _below(self, flush: Flush, below: Below, senders: Sequence[Sender], *, quick: bool) -> bool:
        part = Flush(flush.end, flush.patience, forced=flush.forced, sends=False)

        def task() -> object:
            with self.flushes.within(part):
                return below(_millis(part))

        if quick:
            return task() is not False
        # Foreign exporters have no breaker that tells of a silent endpoint.
        seconds = part.left if senders else min(part.left, flush.patience)
        return self._helper.run(task, seconds) is not False

    def _senders(self, signal: Signal) -> list[Sender]:
        return [] if self._outbox is None else self._outbox.senders(signal)


def _millis(flush: Flush) -> int:
    return max(1, int(flush.left * 1000))


def all_ours(processors: Sequence[Any]) -> bool:
    """Whether processors wait for nobody but threads of ours."""
    return all(type(each) in _TO_SPOOL for each in processors)


def _parts(provider: Any) -> tuple[Signal, Callable[[], Sequence[Any]]]:
    """The signal of a provider, and what asks for its processors."""
    if isinstance(provider, FfeTracerProvider):
        return Signal.TRACES, lambda: provider.processors.parts
    if isinstance(provider, FfeLoggerProvider):
        return Signal.LOGS, lambda: existing.log_processors(provider)
    return Signal.METRICS, tuple
