# SPDX-License-Identifier: Apache-2.0
"""Spans without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status, TraceState

from ffe_otel.redaction.records.parts import (
    SKELETON,
    attributes_of,
    bounded,
    redact_resource,
    redact_scope,
)
from ffe_otel.redaction.surfaces import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanKind

    from ffe_otel.redaction.redactor import Redactor


class SpanFields(NamedTuple):
    """What an encoder reads of a span, by the names that ``ReadableSpan`` has, redacted."""

    name: str
    context: Any
    parent: SpanContext | None
    resource: Resource
    attributes: Mapping[str, Any]
    events: Sequence[Event]
    links: Sequence[Link]
    kind: SpanKind
    status: Status
    start_time: int | None
    end_time: int | None
    instrumentation_scope: InstrumentationScope | None
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0


class RedactedSpan(ReadableSpan):
    """A span without secrets. Remembers how much the original had dropped."""

    def __init__(self, dropped: tuple[int, int, int] = (0, 0, 0), **fields: Any) -> None:
        """Take the counts of dropped attributes, events and links, and a span's fields."""
        super().__init__(**fields)
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        """Attributes the original span dropped."""
        return self._dropped[0]

    @property
    def dropped_events(self) -> int:
        """Events the original span dropped."""
        return self._dropped[1]

    @property
    def dropped_links(self) -> int:
        """Links the original span dropped."""
        return self._dropped[2]


def redact_span(
    span: ReadableSpan,
    redactor: Redactor,
    limit: int | None = None,
    value_limit: int | None = None,
) -> ReadableSpan:
    """Redact name, attributes, events, links, status, resource and scope of a span.

    Args:
        span: a finished span; stays as it is.
        redactor: the rules.
        limit: characters kept of each text, cut after redaction.
        value_limit: the same for attribute values of span, events and links; by default ``limit``.

    Returns:
        A new span, or ``span`` itself if this function made it.
    """
    if isinstance(span, RedactedSpan):
        return span
    *fields, attributes, events, links = redact_span_fields(span, redactor, limit, value_limit)
    return RedactedSpan(
        (attributes, events, links), **dict(zip(SpanFields._fields, fields, strict=False))
    )


def redact_span_fields(
    span: ReadableSpan,
    redactor: Redactor,
    limit: int | None = None,
    value_limit: int | None = None,
) -> SpanFields:
    """The same as :func:`redact_span` for those who do not need a span of the SDK's."""
    try:
        return _span(span, redactor, limit, limit if value_limit is None else value_limit)
    except Exception:  # noqa: BLE001 - fail closed, whatever it was
        redactor.failed(Surface.SPAN)
        return _span_skeleton(span)


def _span(
    span: ReadableSpan, redactor: Redactor, limit: int | None, value_limit: int | None
) -> SpanFields:
    status = span.status
    if status.description is not None:
        description = redactor.strict_text(str(status.description), Surface.STATUS, limit)
        status = Status(status.status_code, description)
    events, links = span.events, span.links
    return SpanFields(
        redactor.strict_text(str(span.name), Surface.NAME, limit),
        _context(span.context, redactor),
        _context(span.parent, redactor),
        redact_resource(span.resource, redactor, limit),
        attributes_of(span.attributes, redactor, Surface.ATTRIBUTE, value_limit),
        tuple([_event(each, redactor, limit, value_limit) for each in events]) if events else (),
        tuple([_link(each, redactor, value_limit) for each in links]) if links else (),
        span.kind,
        status,
        span.start_time,
        span.end_time,
        redact_scope(span.instrumentation_scope, redactor, limit),
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
    )


def _span_skeleton(span: ReadableSpan) -> SpanFields:
    return SpanFields(
        SKELETON,
        _bare_context(span.context),
        _bare_context(span.parent),
        Resource.get_empty(),
        {},
        (),
        (),
        span.kind,
        Status(span.status.status_code),
        span.start_time,
        span.end_time,
        None,
    )


def _event(event: Event, redactor: Redactor, limit: int | None, value_limit: int | None) -> Event:
    return Event(
        redactor.strict_text(str(event.name), Surface.EVENT, limit),
        bounded(event.attributes, redactor, Surface.EVENT, value_limit),
        event.timestamp,
    )


def _link(link: Link, redactor: Redactor, value_limit: int | None) -> Link:
    context = _context(link.context, redactor)
    return Link(
        link.context if context is None else context,
        bounded(link.attributes, redactor, Surface.LINK, value_limit),
    )


def _context(context: SpanContext | None, redactor: Redactor) -> SpanContext | None:
    """Leave out members of the trace state, which came from outside, that hold a secret."""
    if context is None or not context.trace_state:
        return context
    kept = [
        (key, value)
        for key, value in context.trace_state.items()
        if redactor.strict_text(f"{key}={value}", Surface.TRACE_STATE) == f"{key}={value}"
    ]
    if len(kept) == len(context.trace_state):
        return context
    bare = _bare_context(context)
    return bare and SpanContext(
        bare.trace_id, bare.span_id, bare.is_remote, bare.trace_flags, TraceState(kept)
    )


def _bare_context(context: SpanContext | None) -> SpanContext | None:
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
