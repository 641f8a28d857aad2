# SPDX-License-Identifier: Apache-2.0
"""Spans that have not ended, the engine's own among them.

They are kept for two moments. When the process goes down they end as aborted, or what is
finished under them would hang on a parent that is never sent. After a fork they are the
parent's: the child has a copy of each, and ends none.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import Span
from opentelemetry.trace import NonRecordingSpan, Status, StatusCode

from ffe_otel import semconv
from ffe_otel.capture.runtime import PROCESS_ENDED

if TYPE_CHECKING:
    from opentelemetry import trace

_HOME: Final = "_ffe_otel_home"


class LiveSpans:
    """The open spans of this process, held weakly: a span nobody ends may go away."""

    def __init__(self) -> None:
        # Not a WeakSet, which is five times as dear and does not keep the order.
        self._spans: dict[weakref.ref[FfeSpan], None] = {}
        if hasattr(os, "register_at_fork"):
            clear = weakref.WeakMethod(self._clear)

            def after_fork() -> None:
                if method := clear():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    def watch(self, span: trace.Span) -> trace.Span:
        """Keep a span that has just started until it ends; returns it."""
        if type(span) is NonRecordingSpan:
            return span
        own: Any = span
        setattr(own, _HOME, self)
        try:
            # The SDK names its Span class in start_span; FfeSpan changes how one ends.
            own.__class__ = FfeSpan
        except TypeError:
            return span  # an SDK whose spans are laid out otherwise
        spans = self._spans
        spans[weakref.ref(own, spans.pop)] = None
        return span

    def release(self, span: FfeSpan) -> bool:
        """Forget a span that ends; whether it was open, and of this process."""
        return self._spans.pop(weakref.ref(span), False) is None

    def newest_first(self) -> list[FfeSpan]:
        """The open spans, so that children come before their parents."""
        # One step for the interpreter: other threads start and end spans meanwhile.
        references = self._spans.copy()
        return [span for each in reversed(references) if (span := each()) is not None]

    def _clear(self) -> None:
        self._spans = {}


class FfeSpan(Span):
    """A span of the SDK's that ends once, in the process that started it."""

    _ffe_otel_home: LiveSpans

    def end(self, end_time: int | None = None) -> None:
        """End the span; nothing when it was aborted, or belongs to the parent process."""
        if self._ffe_otel_home.release(self):
            super().end(end_time)

    def abort(self) -> None:
        """End the span because the process goes down."""
        if self.is_recording():
            self.set_attribute(semconv.ABORTED, True)
            if self.status.status_code is StatusCode.UNSET:
                self.set_status(Status(StatusCode.ERROR, PROCESS_ENDED))
            self.end()
