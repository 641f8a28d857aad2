# SPDX-License-Identifier: Apache-2.0
"""Log lines as OpenTelemetry log records.

The stock ``LoggingHandler`` works on live records, so it would have to run on the trading
thread; this runs on the worker. Names and severities are the same as its own.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from ffe_otel import semconv
from ffe_otel.capture.logs.reading import ALWAYS, MESSAGE, WHEN_KNOWN
from ffe_otel.capture.logs.render import traceback_lines, value_json
from ffe_otel.export import encode
from ffe_otel.export.spool.processors import SpoolLogProcessor
from ffe_otel.foundation.pace import resting
from ffe_otel.redaction.records.safe import SafeLogRecord
from ffe_otel.sdk import existing, found
from ffe_otel.sdk.emitting import emit_clean, way_past

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from ffe_otel.capture.logs.line import Line, Rendered
    from ffe_otel.capture.logs.record import Snapshot

_ATTRIBUTE_OF: Final = {
    "agent_state": semconv.AGENT_STATE,
    "decision_id": semconv.DECISION_ID,
    "asset_pair": semconv.ASSET_PAIR,
    "duration_ms": semconv.DURATION_MS,
}
_NO_EXTRA: Final = frozenset({*ALWAYS, *WHEN_KNOWN, semconv.LOG_EXCEPTION, semconv.LOG_STACK})
_SPECIAL: Final = (_NO_EXTRA - {MESSAGE}) | {semconv.OTEL_EVENT_NAME, ""}
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_MAX_LOGGERS: Final = 2000


class OtlpOutput:
    """Hands lines to an OpenTelemetry logger provider.

    The Python logger's name becomes the instrumentation scope, as the stock handler does
    it. Where the spool is all that the provider has, lines are encoded right here.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        self._provider = provider
        self._loggers: dict[str, Any] = {}

    def emit(self, lines: Sequence[Rendered], pressed: Callable[[], bool]) -> list[Exception]:
        """Emit log records, with rests unless ``pressed``; returns why some were refused."""
        problems: list[Exception] = []
        spool = _spool_alone(self._provider)
        takers: dict[str, _Taker] = {}
        records: list[tuple[InstrumentationScope, bytes]] = []
        resource = None
        longest = 0.0 if spool is None else spool.longest
        for rendered in resting(lines, pressed):
            line = rendered.line
            try:
                name, needed = line.site.logger, len(line.content) + len(line.site.attributes)
                taker = takers.get(name)
                if taker is None:
                    taker = takers[name] = _taker(self._logger(name), direct=spool is not None)
                event = None
                attributes = plain_attributes(line.content)
                if attributes is None:
                    attributes, event = attributes_of(line)
                    whole = spool is not None and (
                        spool.keeps_whole(line.content.get(MESSAGE), attributes)
                        and spool.keeps_whole(event, line.site.attributes)
                    )
                else:
                    # No value is longer than the line that it is in.
                    whole = len(rendered.text) <= longest and rendered.cut is None
                    whole = whole and line.site.longest <= longest
                if whole and needed <= taker.room:
                    resource = taker.logger.resource
                    record = encoded(line, attributes, event)
                    records.append((taker.logger.instrumentation_scope, record))
                    taker.counted()
                else:
                    emit_clean(taker.logger, log_record(line))
            except Exception as problem:  # noqa: BLE001 - processors are anybody's code
                problems.append(problem)
        if resource is not None and spool is not None:
            spool.append_encoded(resource, records)
        return problems

    def _logger(self, name: str) -> Any:
        found = self._loggers.get(name)
        if found is None:
            # An engine that makes up logger names must not make this grow for ever.
            if len(self._loggers) >= _MAX_LOGGERS:
                self._loggers.clear()
            found = self._loggers[name] = self._provider.get_logger(name)
        return found


def _spool_alone(provider: LoggerProvider) -> SpoolLogProcessor | None:
    """The processor of a provider if it has one only, and it ends at the spool."""
    if not found.current().works(found.RECORDS):
        return None
    processors = existing.log_processors(provider)
    if len(processors) == 1 and type(processors[0]) is SpoolLogProcessor:
        return processors[0]
    return None


class _Taker(NamedTuple):
    """A logger, how many attributes it keeps of what is encoded here, how it counts records."""

    logger: Any
    room: float
    counted: Callable[[], None]


def _taker(logger: Any, *, direct: bool) -> _Taker:
    past = way_past(logger) if direct else None
    if past is None:
        return _Taker(logger, -1, lambda: None)
    return _Taker(logger, past.room - _OF_EXCEPTION, past.counted)


_OF_EXCEPTION: Final = 3


def encoded(line: Line, attributes: dict[str, Any], event: str | None) -> bytes:
    """A line as a LogRecord of OTLP, with what :func:`attributes_of` gave for it."""
    site = line.site
    own = site.encoded
    if not site.attributes.keys().isdisjoint(attributes):
        attributes = attributes | site.attributes
        own = encode.encode_log_site(site.severity.value, site.severity_text, {})
    taken = line.reading.snapshot
    return encode.encode_log(
        (line.reading.unix_nano, time_ns()),
        (taken.trace_id, taken.span_id, taken.trace_flags),
        own,
        line.content.get(MESSAGE),
        attributes,
        event,
    )


def log_record(line: Line) -> SafeLogRecord:
    """Translate a line."""
    site = line.site
    attributes, event = attributes_of(line)
    return SafeLogRecord(
        timestamp=line.reading.unix_nano,
        observed_timestamp=time_ns(),
        context=_context(line.reading.snapshot),
        severity_text=site.severity_text,
        severity_number=site.severity,
        body=line.content.get(MESSAGE),
        attributes=attributes | site.attributes,
        event_name=event,
    )


def _context(taken: Snapshot) -> Context:
    """The context of a record, made again if it held no more than a span."""
    if taken.context is not None:
        return taken.context
    if not taken.trace_id:
        return Context()
    span = SpanContext(taken.trace_id, taken.span_id, False, TraceFlags(taken.trace_flags))
    return set_span_in_context(NonRecordingSpan(span), Context())


def plain_attributes(content: dict[str, Any]) -> dict[str, Any] | None:
    """The attributes of a line that keep their names and are scalars; None if not all do."""
    attributes = content.copy()
    del attributes[MESSAGE]
    if _SPECIAL.isdisjoint(attributes) and _SCALARS.issuperset(map(type, attributes.values())):
        return attributes
    return None


def attributes_of(line: Line) -> tuple[dict[str, Any], str | None]:
    """Attributes of a line, beside those of its place, and the name of the event that it is."""
    content = line.content
    plain = plain_attributes(content)
    if plain is not None:
        return plain, None
    attributes = {k: _uniform(v) for k, v in content.items() if k and k not in _NO_EXTRA}
    event = attributes.pop(semconv.OTEL_EVENT_NAME, None)
    for name, attribute in _ATTRIBUTE_OF.items():
        if name in content:
            attributes[attribute] = content[name]
    exception = content.get(semconv.LOG_EXCEPTION)
    if isinstance(exception, dict):
        attributes[semconv.EXCEPTION_TYPE] = exception.get("type")
        attributes[semconv.EXCEPTION_MESSAGE] = exception.get("message")
        attributes[semconv.EXCEPTION_STACKTRACE] = "\n".join(traceback_lines(exception))
    return attributes, event if isinstance(event, str) else None


def _uniform(value: object) -> Any:
    """Lists as tuples of one type, as the SDK has them; older ones drop a list that mixes types."""
    if isinstance(value, dict):
        return {key: _uniform(item) for key, item in value.items() if key}
    if not isinstance(value, list):
        return value
    kinds = {type(item) for item in value} - {type(None)}
    if len(kinds) < 2:
        return tuple([_uniform(item) for item in value])
    if kinds == {int, float}:
        return tuple([None if item is None else float(item) for item in value])
    return tuple([item if isinstance(item, str) else value_json(item) for item in value])
