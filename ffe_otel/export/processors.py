# SPDX-License-Identifier: Apache-2.0
"""Views for processors of third parties, which may send what they see anywhere.

A processor that ends in one of the SDK's exporters needs nothing: the exporter is behind
redaction. Every other one is handed redacted views. What it changes still reaches the
record: spans take it directly, log records get it back afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource

from ffe_otel.redaction.records import (
    redact_log_record,
    redact_resource,
    redact_scope,
    redact_span,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry._logs import LogRecord
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Event, ReadableSpan, Span
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, Status

    from ffe_otel.export.exporters import Seam


class LiveSpan(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """A running span that is redacted whenever it is read. Writing goes through."""

    def __init__(self, span: Span, seam: Seam) -> None:
        """Show ``span`` through ``seam``."""
        super().__init__(span)
        self._self_seam = seam

    def _readable_span(self) -> ReadableSpan:
        """The span as it is now, redacted; the SDK makes snapshots with this method."""
        seam: Seam = self._self_seam
        return redact_span(self.__wrapped__, seam.redactor, seam.limit)

    def to_json(self, indent: int | None = 4) -> str:
        """The redacted span as JSON."""
        text: str = self._readable_span().to_json(indent)
        return text

    @property
    def name(self) -> str:
        """The redacted name."""
        return self._readable_span().name

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The redacted attributes."""
        return self._readable_span().attributes or {}

    @property
    def events(self) -> Sequence[Event]:
        """The redacted events."""
        return self._readable_span().events

    @property
    def links(self) -> Sequence[Link]:
        """The redacted links."""
        return self._readable_span().links

    @property
    def status(self) -> Status:
        """The redacted status."""
        return self._readable_span().status

    @property
    def resource(self) -> Resource:
        """The redacted resource."""
        return self._readable_span().resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope | None:
        """The redacted scope."""
        return self._readable_span().instrumentation_scope

    # Processors are known to take the short cut to these.
    _name = name
    _attributes = attributes
    _events = events
    _links = links
    _status = status
    _resource = resource
    _instrumentation_scope = instrumentation_scope


class RedactingSpanProcessor(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """A span processor of somebody else, shown redacted spans only."""

    def __init__(self, processor: object, seam: Seam) -> None:
        """Put ``processor`` behind ``seam``."""
        super().__init__(processor)
        self._self_seam = seam

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Pass on the running span, redacted when read."""
        self.__wrapped__.on_start(LiveSpan(span, self._self_seam), parent_context=parent_context)

    def _on_ending(self, span: Span) -> None:
        on_ending = getattr(self.__wrapped__, "_on_ending", None)
        if on_ending is not None:
            on_ending(LiveSpan(span, self._self_seam))

    def on_end(self, span: ReadableSpan) -> None:
        """Pass on a redacted copy of the finished span."""
        seam: Seam = self._self_seam
        self.__wrapped__.on_end(redact_span(span, seam.redactor, seam.limit))


class RedactingLogProcessor(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """A log record processor of somebody else, shown redacted records only."""

    def __init__(self, processor: object, seam: Seam) -> None:
        """Put ``processor`` behind ``seam``."""
        super().__init__(processor)
        self._self_seam = seam

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Pass on a redacted copy; put what the processor changed into the record."""
        seam: Seam = self._self_seam
        try:
            view = self._view(log_record, seam)
        except Exception:  # noqa: BLE001 - fail closed: nothing instead of a secret
            seam.redactor.failed("log")
            return
        shown = dict(view.log_record.attributes or {})
        body = view.log_record.body
        self.__wrapped__.on_emit(view)
        _write_back(view.log_record, shown, body, log_record.log_record)

    @staticmethod
    def _view(record: ReadWriteLogRecord, seam: Seam) -> ReadWriteLogRecord:
        resource = record.resource if record.resource is not None else Resource.get_empty()
        return ReadWriteLogRecord(
            log_record=redact_log_record(record.log_record, seam.redactor, seam.limit),
            resource=redact_resource(resource, seam.redactor, seam.limit),
            instrumentation_scope=redact_scope(
                record.instrumentation_scope, seam.redactor, seam.limit
            ),
            limits=record.limits,
        )


def _write_back(view: LogRecord, shown: Mapping[str, Any], body: Any, original: LogRecord) -> None:
    """Carry changes made to ``view``, which was shown with ``shown`` and ``body``, over."""
    now = view.attributes or {}
    changed = {k: v for k, v in now.items() if k not in shown or shown[k] is not v}
    removed = shown.keys() - now.keys()
    if changed or removed:
        kept = {k: v for k, v in (original.attributes or {}).items() if k not in removed}
        attributes: Any = original.attributes
        if hasattr(attributes, "update") and not removed:
            attributes.update(changed)
        else:
            original.attributes = kept | changed
    if view.body is not body:
        original.body = view.body
