# SPDX-License-Identifier: Apache-2.0
"""The span processors of a provider of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span as SdkSpan

_QUIET = (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)


class ProcessorSwitch(SynchronousMultiSpanProcessor):
    """The provider's processors; can be emptied, which the SDK's cannot.

    A global tracer provider stays for the life of the process, so after ``uninstall``
    it must go quiet and a later ``install`` must be able to use it again.

    ``started`` and ``ended`` are for spans of ours: they leave out processors that do
    nothing then, as the SDK's do when a span starts.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sorted: tuple[SpanProcessor, ...] = ()
        self._starting: list[SpanProcessor] = []
        self._ending: list[SpanProcessor] = []

    def started(self, span: SdkSpan, parent_context: Context | None) -> None:
        """Tell the processors that a span has started."""
        if self._sorted is not self._span_processors:
            self._sort()
        for processor in self._starting:
            processor.on_start(span, parent_context=parent_context)

    def ended(self, span: SdkSpan) -> None:
        """Hand a span that has ended to the processors."""
        if self._sorted is not self._span_processors:
            self._sort()
        for processor in self._ending:
            processor._on_ending(span)  # noqa: SLF001 - the SDK's own hook before on_end
        for processor in self._sorted:
            processor.on_end(span)

    def _sort(self) -> None:
        processors = self._span_processors
        self._starting = [p for p in processors if _does(p, "on_start")]
        self._ending = [p for p in processors if _does(p, "_on_ending")]
        self._sorted = processors

    def clear(self) -> None:
        """Forget all processors; they are to be shut down before."""
        self._span_processors = ()

    def take(self) -> tuple[SpanProcessor, ...]:
        """Hand all processors over."""
        taken = self._span_processors
        self.clear()
        return taken


def _does(processor: SpanProcessor, method: str) -> bool:
    """Whether a method of a processor is none of the SDK's empty ones."""
    own = getattr(type(processor), method, None)
    return all(own is not getattr(quiet, method, None) for quiet in _QUIET)
