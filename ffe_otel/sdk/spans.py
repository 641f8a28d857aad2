# SPDX-License-Identifier: Apache-2.0
"""Spans that cost their thread little: the SDK's class, without what it copies and locks.

A span that has ended is handed over as it is; nothing changes it any more, so the SDK's copy
is not needed. Attributes of scalar types are kept as they come. All others go through the
SDK's own cleaning, so they mean what they mean there.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import (
    INVALID_SPAN,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)

from ffe_otel.foundation import native
from ffe_otel.foundation.room import VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link
    from opentelemetry.trace import Span as AnySpan
    from opentelemetry.util.types import Attributes

    from ffe_otel.sdk.provider import FfeTracer
    from ffe_otel.sdk.timeline import Timeline

_SCALARS: Final = frozenset({str, bool, int, float})
_UNKNOWN: Final = -(1 << 62)
# Where OpenTelemetry's API keeps the current span, which has no public name.
(_CURRENT,) = set_span_in_context(INVALID_SPAN, Context())


class FfeSpan(Span):
    """A span of the SDK's that ends once, in the process that started it.

    Its fields have the SDK's names, because the SDK's methods use them; its ``__init__`` is
    not the SDK's. What all spans of a tracer share is read from the tracer, and what most
    spans never change is the class's.
    """

    _instrumentation_info: Any = property(lambda self: self._tracer.instrumentation_info)
    _instrumentation_scope: Any = property(lambda self: self._tracer._instrumentation_scope)  # noqa: SLF001
    _limits: Any = property(lambda self: self._tracer._span_limits)  # noqa: SLF001
    _resource: Any = property(lambda self: self._tracer.resource)
    _sampler: Any = property(lambda self: self._tracer.sampler)
    _span_processor: Any = property(lambda self: self._tracer.span_processor)
    # Most spans never need theirs, and each would be one more thing for the garbage collector.
    _lock: Any = property(lambda self: vars(self).setdefault("_own_lock", native.Lock()))
    _trace_config = None
    _kind = SpanKind.INTERNAL
    _record_exception = True
    _set_status_on_exception = True
    _status = Status(StatusCode.UNSET)
    _start_time: int | None = None
    _end_time: int | None = None
    # Whether a block has begun that it is the current one of.
    entered = False
    # When it was started, where somebody gave it another start.
    _began: int | None = None
    # Bytes of the attributes, by estimate; less than 0 when there is more to look at.
    held = 0
    _dropped_attributes = 0
    _events: Sequence[Any] = ()
    _links: Sequence[Link] = ()

    def __init__(
        self,
        tracer: FfeTracer,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        ended: Callable[[], None],
        timeline: Timeline,
    ) -> None:
        self._tracer = tracer
        self.timeline = timeline
        self._name = name
        self._context = context
        self._parent = parent
        self._ended = ended
        self._attributes: dict[str, Any] = {}

    def set_up(
        self, kind: SpanKind, *, record_exception: bool, set_status_on_exception: bool
    ) -> None:
        """Take what most spans leave as it is."""
        self._kind = kind
        self._record_exception = record_exception
        self._set_status_on_exception = set_status_on_exception

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes; of an open span a copy, which other threads cannot change."""
        found = self._attributes
        return MappingProxyType(found if self._end_time is not None else found.copy())

    @property
    def dropped_attributes(self) -> int:
        """Attributes that found no room, or were none."""
        return self._dropped_attributes

    def add_links_at_start(self, links: Sequence[Link]) -> None:
        """Take the links that a span is started with."""
        self.held = _UNKNOWN
        self._links = self._new_links(links)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """See ``opentelemetry.trace.Span.set_attributes``."""
        if self._end_time is not None:
            super().set_attributes(attributes)  # says what is wrong
            return
        kept, scalars = self._attributes, _SCALARS
        limits = self._tracer._span_limits  # noqa: SLF001 - see the class
        most = limits.max_span_attributes
        if most == 0:
            self._dropped_attributes += len(attributes)
            return
        if limits.max_span_attribute_length is not None:
            scalars = frozenset()
        elif not kept and type(attributes) is dict:
            # Of most spans all attributes are set at once.
            attributes = attributes.copy()
            size = _bytes_of(attributes)
            if size >= 0:
                self.held += size
                kept.update(attributes)
                if most is not None and len(kept) > most:
                    self._drop_oldest(most)
                return
        self.held = _UNKNOWN
        for key, value in attributes.items():
            if type(value) in scalars and type(key) is str and key:
                # Another thread may take it out between a look and a `del`.
                kept.pop(key, None)
                kept[key] = value
            else:
                self._clean(key, value)
        if most is not None and len(kept) > most:
            self._drop_oldest(most)

    def set_attribute(self, key: str, value: Any) -> None:
        """See ``opentelemetry.trace.Span.set_attribute``."""
        kept, limits = self._attributes, self._tracer._span_limits  # noqa: SLF001 - see the class
        most = limits.max_span_attributes
        if (
            type(value) in _SCALARS
            and type(key) is str
            and key
            and self._end_time is None
            and limits.max_span_attribute_length is None
            and (most is None or len(kept) < most)
        ):
            kept.pop(key, None)
            kept[key] = value
            self.held += VALUE + len(value) if type(value) is str else VALUE
        else:
            self.set_attributes({key: value})

    def _clean(self, key: Any, value: Any) -> None:
        cleaned = BoundedAttributes(
            attributes={key: value}, max_value_len=self._limits.max_span_attribute_length
        )
        self._dropped_attributes += cleaned.dropped
        for name in cleaned:
            self._attributes.pop(name, None)
            self._attributes[name] = cleaned[name]

    def _drop_oldest(self, most: int) -> None:
        kept = self._attributes
        for key in list(kept)[: len(kept) - most]:
            if kept.pop(key, self) is not self:
                self._dropped_attributes += 1

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        """See ``opentelemetry.trace.Span.add_event``."""
        self._make_room()
        super().add_event(name, attributes, self.timeline.now() if timestamp is None else timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """See ``opentelemetry.trace.Span.add_link``."""
        self._make_room()
        super().add_link(context, attributes)

    def _make_room(self) -> None:
        """Make the lists of events and links, which most spans never need."""
        self.held = _UNKNOWN
        with self._lock:
            if self._events == ():
                self._events = BoundedList(self._limits.max_events)
            if self._links == ():
                self._links = self._new_links(())

    def start(self, start_time: int | None = None, parent_context: Context | None = None) -> None:
        """See ``opentelemetry.sdk.trace.Span.start``."""
        if self._start_time is not None:
            super().start(start_time, parent_context)  # says what is wrong
            return
        timeline = self.timeline
        now = timeline.offset + timeline.monotonic()
        if start_time is None:
            self._start_time = now
        else:
            self._start_time, self._began = start_time, now
        processors: Any = self._tracer.span_processor
        processors.started(self, parent_context)

    def end(self, end_time: int | None = None) -> None:
        """End the span; nothing when it was aborted, or belongs to the parent process."""
        tracer = self._tracer
        if not tracer.live.release(self):
            return
        timeline = self.timeline
        if end_time is None and self._began is None:
            self._end_time = timeline.offset + timeline.monotonic()
        else:
            start = self._start_time or 0
            self._end_time = timeline.end(start, self._began or start, end_time)
        self._ended()
        processors: Any = tracer.span_processor
        processors.ended(self)

    def _readable_span(self) -> ReadableSpan:
        # Processors take a snapshot of an open span with this.
        copied = super()._readable_span()
        vars(copied)["_attributes"] = dict(self._attributes)
        return copied


def _bytes_of(attributes: dict[Any, Any]) -> int:
    """Bytes of attributes that are kept as they are; less than 0 if not all are."""
    scalars = _SCALARS
    size = VALUE * len(attributes)
    for key, value in attributes.items():
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind not in scalars:
            return _UNKNOWN
        if type(key) is not str:
            return _UNKNOWN
    return _UNKNOWN if "" in attributes else size


def span_in(context: Context) -> AnySpan:
    """See ``opentelemetry.trace.get_current_span``, which asks the class of each span."""
    found = context.get(_CURRENT)
    return found if type(found) is FfeSpan else get_current_span(context)


def identity_in(context: Context) -> SpanContext:
    """What the current span of a context is known by."""
    found = context.get(_CURRENT)
    if type(found) is FfeSpan:
        own: SpanContext = found._context  # type: ignore[assignment] # noqa: SLF001
        return own
    return identity_of(get_current_span(context))


def with_span(span: AnySpan, context: Context) -> Context:
    """See ``opentelemetry.trace.set_span_in_context``, which copies twice."""
    return Context({**context, _CURRENT: span})


def identity_of(span: AnySpan) -> SpanContext:
    """See ``opentelemetry.trace.Span.get_span_context``."""
    if type(span) is FfeSpan:
        own: SpanContext = span._context  # type: ignore[assignment] # noqa: SLF001
        return own
    found = span.get_span_context()
    if type(found) is SpanContext:
        return found
    # Whatever somebody else's span gives has the names; it need not be a tuple.
    return SpanContext(
        found.trace_id, found.span_id, found.is_remote, found.trace_flags, found.trace_state
    )
