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
    SynchronousMultiSpanProcessor,
    Tracer,
    TracerProvider,
)
from opentelemetry.trace import SpanKind

from ffe_otel import semconv
from ffe_otel.capture.live import LiveSpans
from ffe_otel.correlation import incoming_correlation, requested_root, use_requested_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Link, Span
    from opentelemetry.util.types import Attributes


class FfeTracer(Tracer):
    """Starts spans by the rules of this module."""

    live: LiveSpans

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
        rest = (name, context, kind, attributes, links, start_time)
        flags = (record_exception, set_status_on_exception)
        if parent.is_valid:
            span = self.live.watch(super().start_span(*rest, *flags))
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
            return self.live.watch(super().start_span(*rest, *flags))
        with use_requested_root(requested):
            span = self.live.watch(super().start_span(*rest, *flags))
        if requested.free_text is not None:
            span.set_attribute(semconv.CORRELATION_ID, requested.free_text)
        return span

    def _ours(self) -> bool:
        return self.instrumentation_info.name.startswith(semconv.SCOPE)


class ProcessorSwitch(SynchronousMultiSpanProcessor):
    """The provider's processors; can be emptied, which the SDK's cannot.

    A global tracer provider stays for the life of the process, so after ``uninstall``
    it must go quiet and a later ``install`` must be able to use it again.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        """Forget all processors; they are to be shut down before."""
        self._span_processors = ()

    def take(self) -> tuple[SpanProcessor, ...]:
        """Hand all processors over."""
        taken = self._span_processors
        self.clear()
        return taken


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
            # The SDK names its Tracer class in get_tracer; all that FfeTracer adds is `live`.
            vars(tracer)["live"] = self.live
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
