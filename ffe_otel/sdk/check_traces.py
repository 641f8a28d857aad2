# SPDX-License-Identifier: Apache-2.0
"""Do spans of ours come out as the SDK's own do?"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from ffe_otel.correlation import ConsistentRatioSampler
from ffe_otel.sdk.provider import FfeTracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

# Given, so that what the environment says of them is nobody's trouble here.
_LIMITS = {
    "max_span_attributes": 8,
    "max_events": 8,
    "max_links": 8,
    "max_event_attributes": 8,
    "max_link_attributes": 8,
    "max_attribute_length": SpanLimits.UNSET,
    "max_span_attribute_length": SpanLimits.UNSET,
}


class _Ids(IdGenerator):
    def __init__(self) -> None:
        self._next = count(1)

    def generate_span_id(self) -> int:
        return next(self._next)

    def generate_trace_id(self) -> int:
        # The sampler keeps what ends in ones.
        return next(self._next) << 64 | (1 << 56) - 1

    def is_trace_id_random(self) -> bool:
        return True


class _Recorder(SpanProcessor):
    """Writes down what is called, also what this SDK calls by another name."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.seen.append(("on_end", _look(span)))

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        del timeout_millis
        return True


def _hook(name: str) -> Callable[..., None]:
    def call(self: _Recorder, span: Any, **_: Any) -> None:
        self.seen.append((name, span.name, span.is_recording()))

    return call


for _name in vars(SpanProcessor).keys() - vars(_Recorder).keys():
    if callable(getattr(SpanProcessor, _name)):
        setattr(_Recorder, _name, _hook(_name))


def _look(span: ReadableSpan) -> Any:
    """All that a finished span says, by public names."""
    return (
        span.name,
        _context(span.context),
        _context(span.parent),
        span.kind,
        dict(span.attributes or {}),
        [(e.name, e.timestamp, _few(e.attributes)) for e in span.events],
        [(_context(link.context), dict(link.attributes or {})) for link in span.links],
        (span.status.status_code, span.status.description),
        (span.start_time, span.end_time),
        dict(span.resource.attributes),
        repr(span.instrumentation_scope),
        (span.dropped_attributes, span.dropped_events, span.dropped_links),
    )


def _few(attributes: Any) -> dict[str, Any]:
    # Where an exception was raised is not the same twice.
    return {k: v for k, v in (attributes or {}).items() if not k.endswith("stacktrace")}


def _context(context: SpanContext | None) -> Any:
    if context is None:
        return None
    flags = int(context.trace_flags)
    return context.trace_id, context.span_id, context.is_remote, flags, dict(context.trace_state)


def _play(tracer: trace.Tracer) -> None:
    """A little of all that is done with tracers and spans."""
    linked = SpanContext(7, 7, is_remote=True, trace_flags=TraceFlags(0))
    root: Any = tracer.start_span(
        "root", Context(), SpanKind.SERVER, {"a": "x", "b": 1}, [Link(linked, {"l": 1})], 1_000
    )
    inside = trace.set_span_in_context(root, Context())
    root.set_attributes({"c": 1.5, "d": [1, 2], "e": True, "a": "y"})
    root.add_event("event", {"k": "v"}, 1_100)
    root.add_link(linked, {"m": 2})
    root.add_link(linked)
    with tracer.start_as_current_span(
        "child", inside, attributes={"n": 1}, start_time=1_120, end_on_exit=False
    ) as child:
        child.update_name("renamed")
        child.record_exception(ValueError("text"), timestamp=1_200)
        child.set_status(Status(StatusCode.ERROR, "why"))
        tracer.start_span("grandchild", kind=SpanKind.CLIENT, start_time=1_150).end(1_160)
        child.end(1_300)
    remote = SpanContext(9 << 64 | 9, 9, is_remote=True, trace_flags=TraceFlags(1),
                         trace_state=TraceState([("k", "v")]))  # fmt: skip
    for flags in (TraceFlags(1), TraceFlags(0)):
        parent = SpanContext(remote.trace_id, 9, True, flags, remote.trace_state)
        context = trace.set_span_in_context(NonRecordingSpan(parent), Context())
        span = tracer.start_span("far", context, start_time=2_000)
        span.end(2_100)
    root.end(3_000)


def _seen(make: Callable[..., TracerProvider]) -> list[Any]:
    recorder = _Recorder()
    provider = make(
        sampler=ConsistentRatioSampler(1.0),
        resource=Resource({"r": "1"}),
        id_generator=_Ids(),
        span_limits=SpanLimits(**_LIMITS),
    )
    provider.add_span_processor(recorder)
    _play(provider.get_tracer("ffe_otel.check", "1", "https://schema", {"s": "t"}))
    return recorder.seen


def _theirs(**given: Any) -> TracerProvider:
    return TracerProvider(shutdown_on_exit=False, **given)


def _ours(**given: Any) -> TracerProvider:
    provider = FfeTracerProvider(**given)
    provider.fast = True
    return provider


def check_spans() -> None:
    """Raises where spans of ours are others than the SDK's."""
    theirs, ours = _seen(_theirs), _seen(_ours)
    if theirs != ours:
        pairs = zip(theirs, ours, strict=False)
        different = next((pair for pair in pairs if pair[0] != pair[1]), None)
        raise ValueError(f"a span of ours is another than the SDK's: {different}")
