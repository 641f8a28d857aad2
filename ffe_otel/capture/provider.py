# SPDX-License-Identifier: Apache-2.0
"""Tracer provider and tracer: the SDK's, with the rules for roots.

Subclasses, so that every other instrumentation library works with them. What differs:
a root takes the trace id its Context asks for; free-text and overruled correlation ids
become attributes; client calls that belong to no cycle open no trace of their own; what
is open when the process ends is ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import (
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
)

from ffe_otel import semconv
from ffe_otel.capture.current import CurrentSpan
from ffe_otel.capture.live import LiveSpans
from ffe_otel.capture.spans import FfeSpan
from ffe_otel.correlation import (
    ConsistentRatioSampler,
    incoming_correlation,
    requested_root,
    use_requested_root,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Span as SdkSpan
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Link, Span
    from opentelemetry.util.types import Attributes

_QUIET = (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
_RANDOM = 2  # W3C Trace Context, level 2: the flag "random trace id"
_NO_STATE = TraceState()
_FLAGS = tuple(TraceFlags(flags) for flags in range(TraceFlags.SAMPLED + _RANDOM + 1))


class FfeTracer(Tracer):
    """Starts spans by the rules of this module.

    Attributes:
        live: its provider's open spans.
        follows: whether the sampler keeps what a parent of this process kept.
    """

    live: LiveSpans
    follows: bool

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """Start a span; see ``opentelemetry.trace.Tracer.start_span``."""
        parent = trace.get_current_span(context).get_span_context()
        rest = (name, context, kind, attributes, links or (), start_time)
        flags = (record_exception, set_status_on_exception)
        if parent.is_valid:
            span = self._start(parent, *rest, *flags)
            if parent.is_remote:
                lost = incoming_correlation(context)
                if lost is not None:
                    span.set_attribute(semconv.CORRELATION_ID_INCOMING, lost)
            return span
        if kind is SpanKind.CLIENT and not self._ours():
            # A stray HTTP call at start or in a poll loop would be a trace of one span.
            return trace.INVALID_SPAN
        requested = requested_root(context)
        if requested is None:
            return self._start(None, *rest, *flags)
        with use_requested_root(requested):
            span = self._start(None, *rest, *flags)
        if requested.free_text is not None:
            span.set_attribute(semconv.CORRELATION_ID, requested.free_text)
        return span

    def start_as_current_span(  # type: ignore[override]
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan:
        """Start a span on entry; see ``opentelemetry.trace.Tracer.start_as_current_span``."""
        return CurrentSpan(
            self.start_span,
            (name, context, kind, attributes, links, start_time),
            (record_exception, set_status_on_exception),
            end_on_exit=end_on_exit,
        )

    def _start(
        self,
        parent: SpanContext | None,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link],
        start_time: int | None,
        record_exception: bool,
        set_status_on_exception: bool,
    ) -> Span:
        """What the SDK's ``start_span`` does, with spans of ours."""
        if not self._is_enabled():
            return NonRecordingSpan(parent or INVALID_SPAN_CONTEXT)
        if parent is not None and self.follows and not parent.is_remote and parent.trace_flags & 1:
            # What the sampler would say, without asking it.
            decision, trace_id = Decision.RECORD_AND_SAMPLE, parent.trace_id
            flags, state = parent.trace_flags & 3, parent.trace_state
        else:
            trace_id = self.id_generator.generate_trace_id() if parent is None else parent.trace_id
            result = self.sampler.should_sample(context, trace_id, name, kind, attributes, links)
            decision, attributes = result.decision, result.attributes
            flags, state = self._flags(decision, parent), result.trace_state or _NO_STATE
        span_context = SpanContext(
            trace_id,
            self.id_generator.generate_span_id(),
            False,
            _FLAGS[flags],
            state,
        )
        ended = self._tracer_metrics.start_span(parent, decision)
        if decision is Decision.DROP:
            return NonRecordingSpan(span_context)
        span = FfeSpan(
            self,
            name,
            span_context,
            parent,
            kind,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
            ended=ended,
        )
        if attributes:
            span.set_attributes(attributes)
        if links:
            span.add_links_at_start(links)
        self.live.watch(span)
        span.start(start_time, context)
        return span

    def _flags(self, decision: Decision, parent: SpanContext | None) -> int:
        sampled = TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else 0
        if parent is not None:
            return sampled | parent.trace_flags & _RANDOM
        # Asked right after the trace id was made.
        return sampled | (_RANDOM if self.id_generator.is_trace_id_random() else 0)

    def _ours(self) -> bool:
        return self.instrumentation_info.name.startswith(semconv.SCOPE)


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


class FfeTracerProvider(TracerProvider):
    """The SDK's tracer provider with ``FfeTracer``.

    Attribute lengths are not limited here: cutting comes after redaction, in export.

    Attributes:
        live: its spans that have not ended.
    """

    def __init__(self, *, sampler: Sampler, resource: Resource, id_generator: IdGenerator) -> None:
        self.begin()
        super().__init__(
            sampler=sampler,
            resource=resource,
            shutdown_on_exit=False,
            active_span_processor=self.processors,
            id_generator=id_generator,
            span_limits=SpanLimits(
                max_attribute_length=SpanLimits.UNSET, max_span_attribute_length=SpanLimits.UNSET
            ),
        )

    def begin(self) -> None:
        """Set everything that this class adds to the SDK's provider."""
        self.processors = ProcessorSwitch()
        self.live = LiveSpans()

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        """Return a tracer; see ``opentelemetry.sdk.trace.TracerProvider.get_tracer``."""
        tracer = super().get_tracer(
            instrumenting_module_name, instrumenting_library_version, schema_url, attributes
        )
        if type(tracer) is Tracer:
            # The SDK names its Tracer class in get_tracer; what FfeTracer adds are two attributes.
            vars(tracer)["live"] = self.live
            vars(tracer)["follows"] = type(self.sampler) is ConsistentRatioSampler
            tracer.__class__ = FfeTracer
        return tracer


def make_ours(provider: TracerProvider) -> FfeTracerProvider:
    """Turn a provider that somebody else makes into one of ours, before its ``__init__``.

    That has to be given ``processors`` then.
    """
    ours: Any = provider
    ours.__class__ = FfeTracerProvider
    made: FfeTracerProvider = ours
    made.begin()
    return made
