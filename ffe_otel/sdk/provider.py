# SPDX-License-Identifier: Apache-2.0
"""Tracer provider and tracer: the SDK's, with the rules for roots.

Subclasses, so that every other instrumentation library works with them. What differs:
a root takes the trace id its Context asks for; free-text and overruled correlation ids
become attributes; client calls that belong to no cycle open no trace of their own; what
is open when the process ends is ended.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import get_current
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

from ffe_otel.correlation import ConsistentRatioSampler
from ffe_otel.sdk import found
from ffe_otel.sdk.current import CurrentSpan
from ffe_otel.sdk.flushing import flush
from ffe_otel.sdk.live import LiveSpans
from ffe_otel.sdk.plain import PlainTracer
from ffe_otel.sdk.roots import start_by_rules
from ffe_otel.sdk.spans import FfeSpan, identity_of, span_in
from ffe_otel.sdk.switch import ProcessorSwitch
from ffe_otel.sdk.timeline import Timeline, timeline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Link, Span
    from opentelemetry.util.types import Attributes

    from ffe_otel.sdk.flushing import Flusher

_RANDOM = 2  # W3C Trace Context, level 2: the flag "random trace id"
_NO_STATE = TraceState()
_FLAGS = tuple(TraceFlags(flags) for flags in range(TraceFlags.SAMPLED + _RANDOM + 1))


class FfeTracer(Tracer):
    """Starts spans by the rules of this module.

    Attributes:
        live: its provider's open spans.
        follows: whether the sampler keeps what a parent of this process kept.
        timeline: makes the timeline of a span without a parent in this process.
    """

    live: LiveSpans
    follows: bool
    timeline: Callable[[], Timeline]

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
        above = span_in(get_current() if context is None else context)
        parent = identity_of(above)
        timeline = above.timeline if type(above) is FfeSpan else timeline_of(above)
        # A property for each would cost more than the rest.
        trace_id, _, remote, flags, state, valid = parent
        # What the sampler would say of a child of a span that is kept, without asking it.
        if flags & 1 and self.follows and valid and not remote:
            if not self._is_enabled():
                return NonRecordingSpan(parent)
            span_id = self.id_generator.generate_span_id()
            own = SpanContext(trace_id, span_id, False, _FLAGS[flags & 3], state)
            ended = self._tracer_metrics.start_span(parent, Decision.RECORD_AND_SAMPLE)
            span = FfeSpan(self, name, own, parent, ended, timeline or self.timeline())
        else:
            asked = (name, context, kind, attributes, links or ())
            of = parent if valid else None
            start = partial(self._sampled, of, timeline, *asked)
            scope = self.instrumentation_info.name
            decided = start_by_rules(start, parent, context, kind, scope)
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

    def _sampled(
        self,
        parent: SpanContext | None,
        timeline: Timeline | None,
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
        span = FfeSpan(self, name, own, parent, ended, timeline or self.timeline())
        if result.attributes:
            span.set_attributes(result.attributes)
        return span

    def _flags(self, decision: Decision, parent: SpanContext | None) -> int:
        sampled = TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else 0
        if parent is not None:
            return sampled | parent.trace_flags & _RANDOM
        # Asked right after the trace id was made.
        return sampled | (_RANDOM if self.id_generator.is_trace_id_random() else 0)


class FfeTracerProvider(TracerProvider):
    """The SDK's tracer provider with ``FfeTracer``, or else with ``PlainTracer``.

    Attribute lengths are not limited here: cutting comes after redaction, in export.

    Attributes:
        live: its spans that have not ended.
        timeline: makes the timeline of a span without a parent in this process; may be set.
        fast: whether spans may be ours; None is what the self-check found.
        flusher: flushes it; without one the SDK does.
    """

    flusher: Flusher | None
    timeline: Callable[[], Timeline] = Timeline
    fast: bool | None = None

    def __init__(
        self,
        *,
        sampler: Sampler,
        resource: Resource,
        id_generator: IdGenerator,
        span_limits: SpanLimits | None = None,
    ) -> None:
        self.begin()
        super().__init__(
            sampler=sampler,
            resource=resource,
            shutdown_on_exit=False,
            active_span_processor=self.processors,
            id_generator=id_generator,
            span_limits=span_limits
            or SpanLimits(
                max_attribute_length=SpanLimits.UNSET, max_span_attribute_length=SpanLimits.UNSET
            ),
        )

    def begin(self) -> None:
        """Set everything that this class adds to the SDK's provider."""
        self.processors: Any = ProcessorSwitch()
        self.live = LiveSpans()
        self.flusher = None

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Send every span that has ended; whether an endpoint has taken all of them.

        See docs/durability.md for how long that waits.
        """
        return flush(self.flusher, super().force_flush, timeout_millis)

    def new_timeline(self) -> Timeline:
        """The timeline of a span without a parent in this process."""
        return self.timeline()

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
        if type(tracer) is not Tracer:
            return tracer
        fast = found.current().works(found.SPANS) if self.fast is None else self.fast
        if not fast:
            plain: Any = PlainTracer(
                tracer, instrumenting_module_name, self.live, self.new_timeline
            )
            return cast("trace.Tracer", plain)
        # The SDK names its Tracer class in get_tracer; FfeTracer adds no more than attributes.
        vars(tracer)["live"] = self.live
        vars(tracer)["follows"] = type(self.sampler) is ConsistentRatioSampler
        vars(tracer)["timeline"] = self.new_timeline
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
