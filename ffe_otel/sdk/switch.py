# SPDX-License-Identifier: Apache-2.0
"""The span processors of a provider of ours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace import Span as SdkSpan

_QUIET: Final = (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
_ENDING: Final = "_on_ending"


class ProcessorSwitch(SpanProcessor):
    """The provider's processors; can be emptied, which the SDK's cannot.

    A global tracer provider stays for the life of the process, so after ``uninstall``
    it must go quiet and a later ``install`` must be able to use it again.

    ``started`` and ``ended`` are for spans of ours: they leave out processors that do
    nothing then, as the SDK's do when a span starts.
    """

    def __init__(self) -> None:
        super().__init__()
        # Named as in the SDK's own, where other distributions look for it.
        self._span_processors: tuple[SpanProcessor, ...] = ()
        self._adding = native.Lock()
        self._sorted: tuple[SpanProcessor, ...] = ()
        self._starting: list[SpanProcessor] = []
        self._ending: list[Callable[[SdkSpan], None]] = []

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Take one more."""
        with self._adding:
            self._span_processors += (span_processor,)

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """See ``opentelemetry.sdk.trace.SpanProcessor.on_start``."""
        for processor in self._span_processors:
            processor.on_start(span, parent_context=parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """See ``opentelemetry.sdk.trace.SpanProcessor.on_end``."""
        for processor in self._span_processors:
            processor.on_end(span)

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
        for on_ending in self._ending:
            on_ending(span)
        for processor in self._sorted:
            processor.on_end(span)

    def _sort(self) -> None:
        processors = self._span_processors
        self._starting = [p for p in processors if _does(p, "on_start")]
        self._ending = [getattr(p, _ENDING) for p in processors if _does(p, _ENDING)]
        self._sorted = processors

    @property
    def parts(self) -> tuple[SpanProcessor, ...]:
        """The processors."""
        return self._span_processors

    def clear(self) -> None:
        """Forget all processors; they are to be shut down before."""
        self._span_processors = ()

    def take(self) -> tuple[SpanProcessor, ...]:
        """Hand all processors over."""
        taken = self._span_processors
        self.clear()
        return taken

    def shutdown(self) -> None:
        """Shut all processors down."""
        for processor in self._span_processors:
            processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush all processors, one after the other, in the time there is.

        Args:
            timeout_millis: for all of them together.

        Returns:
            Whether each of them says so.
        """
        end = time.monotonic() + timeout_millis / 1000
        flushed = True
        for processor in self._span_processors:
            left = int((end - time.monotonic()) * 1000)
            if left <= 0:
                return False
            flushed = processor.force_flush(left) is not False and flushed
        return flushed


def _handed_on(name: str) -> Callable[..., None]:
    def call(self: ProcessorSwitch, *args: Any, **kwargs: Any) -> None:
        for processor in self._span_processors:
            getattr(processor, name)(*args, **kwargs)

    return call


# Hooks that the SDK has, or gets, beside the public ones: `_on_ending` today.
for _name in vars(SpanProcessor).keys() - vars(ProcessorSwitch).keys():
    if not _name.startswith("__") and callable(getattr(SpanProcessor, _name)):
        setattr(ProcessorSwitch, _name, _handed_on(_name))


def _does(processor: SpanProcessor, method: str) -> bool:
    """Whether a method of a processor is none of the SDK's empty ones."""
    own = getattr(type(processor), method, None)
    return own is not None and all(own is not getattr(quiet, method, None) for quiet in _QUIET)
