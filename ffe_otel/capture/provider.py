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
    Tracer,
    TracerProvider,
)
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
from ffe_otel.capture.switch import ProcessorSwitch
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
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Link, Span
    from opentelemetry.util.types import Attributes

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
        # What the sampler would say of a child of a span that is kept, without asking it.
        if parent.trace_flags & 1 and self.follows and parent.is_valid and not parent.is_remote:
            if not self._is_enabled():
                return NonRecordingSpan(parent)
            own = SpanContext(
                parent.trace_id,
                self.id_generator.generate_span_id(),
                False,
                _FLAGS[parent.trace_flags & 3],
                parent.trace_state,
            )
            ended = self._tracer_metrics.start_span(parent, Decision.RECORD_AND_SAMPLE)
            span = FfeSpan(self, name, own, parent, ended)
        else:
            decided = self._decide(parent, name, context, kind, attributes, links or ())
            if not isinstance(decided, FfeSpan):
                return decided
            span, attributes = decided, None
        if not (record_exception and set_status_on_exception and kind is SpanKind.INTERNAL):
            span.set_up(
                kind,
                record_exception=record_exception,
                set_status_on_exception=set_status_on_exception,
            )
        if attributes:
            span.set_attributes(attributes)
        if links:
            span.add_links_at_start(links)
        self.live.watch(span)
        span.start(start_time, context)
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
            (
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
            ),
            end_on_exit,
        )

    def _decide(
        self,
        parent: SpanContext,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link],
    ) -> Span:
        """A span that has not started, by what the sampler says, or one that records nothing."""
        asked = (name, context, kind, attributes, links)
        if parent.is_valid:
            span = self._sampled(parent, *asked)
            if parent.is_remote and (lost := incoming_correlation(context)) is not None:
                span.set_attribute(semconv.CORRELATION_ID_INCOMING, lost)
            return span
        if kind is SpanKind.CLIENT and not self._ours():
            # A stray HTTP call at start or in a poll loop would be a trace of one span.
            return trace.INVALID_SPAN
        requested = requested_root(context)
        if requested is None:
            return self._sampled(None, *asked)
        with use_requested_root(requested):
            span = self._sampled(None, *asked)
        if requested.free_text is not None:
            span.set_attribute(semconv.CORRELATION_ID, requested.free_text)
        return span

    def _sampled(
        self,
        parent: SpanContext | None,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link],
    ) -> Span:
        """What the SDK's ``start_span`` does before it starts a span, with spans of ours."""
        if not self._is_enabled():
            return NonRecordingSpan(parent or INVALID_SPAN_CONTEXT)
        trace_id = self.id_generator.generate_trace_id() if parent is None else parent.trace_id
        result = self.sampler.should_sample(context, trace_id, name, kind, attributes, links)
        own = SpanContext(
            trace_id,
            self.id_generator.generate_span_id(),
            False,
            _FLAGS[self._flags(result.decision, parent)],
            result.trace_state or _NO_STATE,
        )
        ended = self._tracer_metrics.start_span(parent, result.decision)
        if result.decision is Decision.DROP:
            return NonRecordingSpan(own)
        span = FfeSpan(self, name, own, parent, ended)
        if result.attributes:
            span.set_attributes(result.attributes)
        return span

    def _flags(self, decision: Decision, parent: SpanContext | None) -> int:
        sampled = TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else 0
        if parent is not None:
            return sampled | parent.trace_flags & _RANDOM
        # Asked right after the trace id was made.
        return sampled | (_RANDOM if self.id_generator.is_trace_id_random() else 0)

    def _ours(self) -> bool:
        return self.instrumentation_info.name.startswith(semconv.SCOPE)


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
