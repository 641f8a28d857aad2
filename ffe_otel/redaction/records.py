# SPDX-License-Identifier: Apache-2.0
"""Redaction of finished records: spans, log records, JSON log lines.

Finished spans are immutable all the way down, and code that tries to change one in place
fails where nobody looks. So every function here builds a new record. When that fails, a
skeleton goes out instead: ids, times and kind, and a name that says why.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, TraceState

from ffe_otel import semconv
from ffe_otel.redaction.metrics import redact_metrics
from ffe_otel.redaction.safe import SafeLogRecord
from ffe_otel.redaction.surfaces import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry._logs import LogRecord
    from opentelemetry.trace import SpanKind

    from ffe_otel.redaction.redactor import Redactor

__all__ = [
    "SKELETON",
    "redact_line",
    "redact_log",
    "redact_metrics",
    "redact_resource",
    "redact_scope",
    "redact_span",
]

SKELETON: Final = "redaction failed"
_IDS: Final = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_ID_FIELDS: Final = frozenset(
    {
        "trace_id",
        "span_id",
        "parent_span_id",
        "correlation_id",
        semconv.CORRELATION_ID,
        semconv.CORRELATION_ID_INCOMING,
        semconv.RUN_CORRELATION_ID,
    }
)
_TIME: Final = "timestamp"
_TIMES: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EXEMPT_FIELDS: Final = _ID_FIELDS | {_TIME}
_LINE_SKELETON_FIELDS: Final = ("timestamp", "level", "correlation_id", "trace_id", "span_id")


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
        _attributes(span.attributes, redactor, Surface.ATTRIBUTE, value_limit),
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
        _bounded(event.attributes, redactor, Surface.EVENT, value_limit),
        event.timestamp,
    )


def _link(link: Link, redactor: Redactor, value_limit: int | None) -> Link:
    context = _context(link.context, redactor)
    return Link(
        link.context if context is None else context,
        _bounded(link.attributes, redactor, Surface.LINK, value_limit),
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


def _attributes(
    attributes: Mapping[str, Any] | None, redactor: Redactor, surface: str, limit: int | None
) -> dict[str, Any]:
    if not attributes:
        return {}
    # Almost none has any of them, and this says so fastest.
    plain = _EXEMPT_FIELDS.isdisjoint(attributes)
    exempt = () if plain else {k for k in _EXEMPT_FIELDS if _is_exempt(k, attributes.get(k))}
    return redactor.strict_mapping(attributes, surface, limit, exempt=exempt)


def _is_exempt(key: str, value: object) -> bool:
    """Whether a value is the id, or the time, that its field is for."""
    pattern = _TIMES if key == _TIME else _IDS
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _bounded(
    attributes: Mapping[str, Any] | None, redactor: Redactor, surface: str, limit: int | None
) -> Mapping[str, Any]:
    """Redacted attributes that still say how many the original dropped."""
    redacted = _attributes(attributes, redactor, surface, limit)
    if not isinstance(attributes, BoundedAttributes) or not attributes.dropped:
        return redacted
    bounded = BoundedAttributes(attributes=redacted, immutable=False)
    bounded.dropped = attributes.dropped
    return bounded


def redact_resource(resource: Resource, redactor: Redactor, limit: int | None = None) -> Resource:
    """Redact the attributes of a resource; the same resource gives the same object."""

    def make(original: Resource) -> Resource:
        attributes = _attributes(original.attributes, redactor, Surface.RESOURCE, limit)
        return Resource(attributes, original.schema_url)

    return redactor.shared(resource, limit, make)


def redact_scope(
    scope: InstrumentationScope | None, redactor: Redactor, limit: int | None = None
) -> InstrumentationScope | None:
    """Redact an instrumentation scope; the same scope gives the same object."""

    def make(original: InstrumentationScope) -> InstrumentationScope:
        def text(value: str | None) -> str | None:
            return value and redactor.strict_text(value, Surface.SCOPE, limit)

        return InstrumentationScope(
            text(original.name) or "",
            text(original.version),
            text(original.schema_url),
            _attributes(original.attributes, redactor, Surface.SCOPE, limit),
        )

    return None if scope is None else redactor.shared(scope, limit, make)


def redact_log(
    record: ReadableLogRecord,
    redactor: Redactor,
    limit: int | None = None,
    value_limit: int | None = None,
) -> ReadableLogRecord:
    """Redact body, attributes, names, resource and scope of a log record.

    Args:
        record: the record; stays as it is.
        redactor: the rules.
        limit: characters kept of each text, cut after redaction.
        value_limit: the same for its attribute values; by default ``limit``.

    Returns:
        A new record, or ``record`` itself if this function made it.
    """
    if isinstance(record, _RedactedLogRecord):
        return record
    own = record.log_record
    try:
        if not isinstance(own, SafeLogRecord) or not own.is_untouched(limit, value_limit or limit):
            own = redact_log_record(own, redactor, limit, value_limit)
        elif own.context:
            own = copy.copy(own)
            own.context = Context()
        return _RedactedLogRecord(
            log_record=own,
            resource=redact_resource(record.resource, redactor, limit),
            instrumentation_scope=redact_scope(record.instrumentation_scope, redactor, limit),
            limits=record.limits,
        )
    except Exception:  # noqa: BLE001 - fail closed, whatever it was
        redactor.failed(Surface.LOG)
        return _RedactedLogRecord(
            log_record=_log_skeleton(record.log_record), resource=Resource.get_empty()
        )


class _RedactedLogRecord(ReadableLogRecord):
    """A log record without secrets."""


def redact_log_record(
    record: LogRecord, redactor: Redactor, limit: int | None, value_limit: int | None = None
) -> LogRecord:
    """Redact the part of a log record that the API knows; raises what redaction raises."""
    redacted = _log_skeleton(record)
    redacted.body = redactor.strict_value(record.body, "", Surface.BODY, limit)
    redacted.attributes = _bounded(
        record.attributes, redactor, Surface.LOG, limit if value_limit is None else value_limit
    )
    for field in ("severity_text", "event_name"):
        value = getattr(record, field)
        setattr(redacted, field, value and redactor.strict_text(str(value), Surface.LOG, limit))
    return redacted


def _log_skeleton(record: LogRecord) -> LogRecord:
    skeleton = copy.copy(record)
    # The context may hold baggage, and an exception holds its frames.
    skeleton.context = Context()
    skeleton.exception = None
    skeleton.body = SKELETON
    skeleton.attributes = {}
    skeleton.severity_text = None
    skeleton.event_name = None
    return skeleton


def redact_line(
    line: Mapping[str, object], redactor: Redactor, limit: int | None = None
) -> dict[str, Any]:
    """Redact a JSON log line given as a mapping.

    Ids in their own fields stay as they are; everything else is redacted.
    """
    try:
        return _attributes(line, redactor, Surface.LOG, limit)
    except Exception:  # noqa: BLE001 - fail closed, whatever it was
        redactor.failed(Surface.LOG)
        return _line_skeleton(line)


def _line_skeleton(line: Mapping[str, object]) -> dict[str, Any]:
    skeleton: dict[str, Any] = {"message": SKELETON}
    for field in _LINE_SKELETON_FIELDS:
        value = line.get(field)
        plain = field not in _ID_FIELDS or (isinstance(value, str) and _IDS.fullmatch(value))
        if plain and isinstance(value, str) and len(value) <= 40:
            skeleton[field] = value
    return skeleton
