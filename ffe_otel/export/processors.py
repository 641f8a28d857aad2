# SPDX-License-Identifier: Apache-2.0
"""Views for processors of third parties, which may send what they see anywhere.

A processor that ends in one of the SDK's exporters needs nothing: the exporter is behind
redaction. Every other one is handed redacted views. What it changes still reaches the
record: spans take it directly, log records get it back afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import wrapt
from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from ffe_otel.export.exporters import RedactingExporter
from ffe_otel.export.spool.processors import SpoolLogProcessor, SpoolSpanProcessor
from ffe_otel.redaction.records import (
    redact_log_record,
    redact_resource,
    redact_scope,
)
from ffe_otel.redaction.records.safe import SafeLogRecord
from ffe_otel.sdk.existing import MULTI_LOG, MULTI_SPAN, exporter_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry._logs import LogRecord
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Event, ReadableSpan, Span
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, Status

    from ffe_otel.export.exporters import Seam


_TO_SPOOL: Final = (SpoolSpanProcessor, SpoolLogProcessor)
_SPAN_ENDS: Final = (BatchSpanProcessor, SimpleSpanProcessor)
_LOG_ENDS: Final = (BatchLogRecordProcessor, SimpleLogRecordProcessor)
_SPAN_METHODS: Final = ("on_start", "_on_ending", "on_end", "add_span_processor")
_LOG_METHODS: Final = ("on_emit", "add_log_record_processor")


def safe_span_processor(processor: Any, seam: Seam) -> Any:
    """``processor`` itself if it can show spans to nobody unredacted, else a proxy."""
    if processor is None or issubclass(type(processor), RedactingSpanProcessor):
        return processor
    if _is_harmless(processor, seam, MULTI_SPAN, _SPAN_ENDS, _SPAN_METHODS):
        return processor
    return RedactingSpanProcessor(processor, seam)


def safe_log_processor(processor: Any, seam: Seam) -> Any:
    """``processor`` itself if it can show records to nobody unredacted, else a proxy."""
    if processor is None or issubclass(type(processor), RedactingLogProcessor):
        return processor
    if _is_harmless(processor, seam, MULTI_LOG, _LOG_ENDS, _LOG_METHODS):
        return processor
    return RedactingLogProcessor(processor, seam)


def _is_harmless(
    processor: Any,
    seam: Seam,
    multi: tuple[type, ...],
    ends: tuple[type, ...],
    methods: tuple[str, ...],
) -> bool:
    """Say whether a processor hands its records only to what is behind redaction."""
    kind = type(processor)
    if kind in _TO_SPOOL or any(_inherits(kind, base, methods) for base in multi):
        return True
    # `type`, because a proxy tells `isinstance` the class of what is inside.
    return any(_inherits(kind, base, methods) for base in ends) and (
        issubclass(type(exporter_of(processor)), RedactingExporter) or seam.is_behind(processor)
    )


def _inherits(kind: type, base: type, methods: tuple[str, ...]) -> bool:
    """Say whether ``kind`` is ``base`` or a subclass that changes none of ``methods``."""
    if not issubclass(kind, base):
        return False
    between = kind.__mro__[: kind.__mro__.index(base)]
    return not any(method in vars(each) for each in between for method in methods)


class LiveSpan(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """A running span that is redacted whenever it is read. Writing goes through."""

    def __init__(self, span: Span, seam: Seam) -> None:
        """Show ``span`` through ``seam``."""
        super().__init__(span)
        self._self_seam = seam

    def _readable_span(self) -> ReadableSpan:
        """The span as it is now, redacted; the SDK makes snapshots with this method."""
        seam: Seam = self._self_seam
        return seam.redact_span(self.__wrapped__)

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
        self.__wrapped__.on_end(seam.redact_span(span))


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
        redactor, lengths = seam.redactor, seam.lengths
        view = ReadWriteLogRecord(
            log_record=redact_log_record(record.log_record, redactor, lengths.text, lengths.logs),
            resource=redact_resource(resource, redactor, lengths.text),
            instrumentation_scope=redact_scope(
                record.instrumentation_scope, redactor, lengths.text
            ),
            limits=record.limits,
        )
        # An exporter behind it has no more to do, unless somebody changes it.
        view.log_record = SafeLogRecord.of(view.log_record)
        return view


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
