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

from opentelemetry.trace import Status, StatusCode

from ffe_otel import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span

_SWEEP_AT: Final = 1000


def abort(span: Any) -> None:
    """End a span because the process goes down; nothing when it has ended."""
    if span.is_recording():
        span.set_attribute(semconv.ABORTED, True)
        if span.status.status_code is StatusCode.UNSET:
            span.set_status(Status(StatusCode.ERROR, semconv.PROCESS_ENDED))
        span.end()


class LiveSpans:
    """The open spans of this process, held weakly: a span nobody ends may go away."""

    def __init__(self) -> None:
        # Not a WeakSet, which is five times as dear and does not keep the order.
        self._spans: dict[int, weakref.ref[Span]] = {}
        self._sweep_at = _SWEEP_AT
        if hasattr(os, "register_at_fork"):
            clear = weakref.WeakMethod(self._clear)

            def after_fork() -> None:
                if method := clear():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    def watch(self, span: Span) -> None:
        """Keep a span that has just started until it ends."""
        spans = self._spans
        spans[id(span)] = weakref.ref(span)
        if len(spans) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        """Forget the spans that have gone away without an end."""
        for number, reference in list(self._spans.items()):
            # Unless a new span lives at the same address by now.
            if reference() is None and self._spans.get(number) is reference:
                self._spans.pop(number, None)
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._spans))

    def release(self, span: Span) -> bool:
        """Forget a span that ends; whether it was open, and of this process."""
        return self._spans.pop(id(span), None) is not None

    def newest_first(self) -> list[Span]:
        """The open spans, so that children come before their parents."""
        # One step for the interpreter: other threads start and end spans meanwhile.
        references = self._spans.copy()
        return [span for each in reversed(references.values()) if (span := each()) is not None]

    def _clear(self) -> None:
        self._spans = {}
