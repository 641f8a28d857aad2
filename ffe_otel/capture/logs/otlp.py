# SPDX-License-Identifier: Apache-2.0
"""Log records as OpenTelemetry log records.

The stock ``LoggingHandler`` works on live records, so it would have to run on the trading
thread; this runs on the worker. Names and severities are the same as its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import ReadWriteLogRecord

from ffe_otel import semconv
from ffe_otel.capture.logs.reading import (
    ALWAYS,
    FUNCTION,
    LEVEL,
    MESSAGE,
    WHEN_KNOWN,
    clean,
    shown_path,
)
from ffe_otel.capture.logs.render import json_line, traceback_lines
from ffe_otel.redaction.safe import SafeLogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import Logger, LoggerProvider

    from ffe_otel.capture.logs.reading import Reading

_TEXTS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_DECADES: Final = (1, 5, 9, 13, 17, 21)  # TRACE, DEBUG, INFO, WARN, ERROR, FATAL
_ATTRIBUTE_OF: Final = {
    "agent_state": semconv.AGENT_STATE,
    "decision_id": semconv.DECISION_ID,
    "asset_pair": semconv.ASSET_PAIR,
    "duration_ms": semconv.DURATION_MS,
}
_NO_EXTRA: Final = frozenset({*ALWAYS, *WHEN_KNOWN, semconv.LOG_EXCEPTION, semconv.LOG_STACK})
_MAX_LOGGERS: Final = 2000


class OtlpOutput:
    """Hands readings to an OpenTelemetry logger provider.

    The Python logger's name becomes the instrumentation scope, as the stock handler does
    it.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        self._provider = provider
        self._places: dict[tuple[str, str], dict[str, Any]] = {}
        self._loggers: dict[str, Logger] = {}

    def emit(
        self,
        reading: Reading,
        line: dict[str, Any],
        redact: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        """Emit one log record.

        Args:
            reading: The record.
            line: What became of its line by redaction.
            redact: Removes secrets from what is in no line.
        """
        taken = reading.snapshot
        place = (taken.path, taken.thread_name)
        found = self._places.get(place)
        if found is None:
            if len(self._places) >= _MAX_LOGGERS:
                self._places.clear()
            found = self._places[place] = redact(
                {
                    semconv.CODE_FILE_PATH: shown_path(str(taken.path)),
                    semconv.THREAD_NAME: clean(taken.thread_name),
                }
            )
        _emit(self._logger(str(taken.logger)), log_record(reading, line, found))

    def _logger(self, name: str) -> Logger:
        found = self._loggers.get(name)
        if found is None:
            # An engine that makes up logger names must not make this grow for ever.
            if len(self._loggers) >= _MAX_LOGGERS:
                self._loggers.clear()
            found = self._loggers[name] = self._provider.get_logger(clean(name))
        return found


def _emit(logger: Any, record: SafeLogRecord) -> None:
    """Hand a record to the logger's processors, as the SDK does, without cleaning it again.

    The SDK copies and checks every attribute; these are made of clean values. With limits that
    these values do not keep, or an SDK whose private parts are others, it does it its way.
    """
    try:
        limits, processors = logger._log_record_limits, logger._multi_log_record_processor  # noqa: SLF001
        most = limits.max_log_record_attributes
        fits = limits.max_log_record_attribute_length is None and (
            most is None or len(record.attributes or ()) <= most
        )
        direct = fits and logger._is_enabled()  # noqa: SLF001
    except AttributeError:
        direct = False
    if not direct:
        logger.emit(record)
        return
    emitted = object.__new__(ReadWriteLogRecord)
    emitted.log_record = record
    emitted.resource = logger.resource
    emitted.instrumentation_scope = logger.instrumentation_scope
    emitted.limits = limits
    logger._logger_metrics.emit_log()  # noqa: SLF001
    processors.on_emit(emitted)


def log_record(reading: Reading, line: dict[str, Any], place: dict[str, Any]) -> SafeLogRecord:
    """Translate a reading that is redacted already.

    Args:
        reading: gives times, ids and numbers.
        line: the redacted line; gives everything else.
        place: where it was logged, redacted too.
    """
    taken = reading.snapshot
    extras = {key: value for key, value in line.items() if key not in _NO_EXTRA}
    event = extras.pop(semconv.OTEL_EVENT_NAME, None)
    level = line[LEVEL]
    return SafeLogRecord(
        timestamp=reading.unix_nano,
        observed_timestamp=time.time_ns(),
        context=taken.context,
        severity_text=_TEXTS.get(level, level),
        severity_number=severity(taken.levelno),
        body=line[MESSAGE],
        attributes=_attributes(reading, line, extras) | place,
        event_name=event if isinstance(event, str) else None,
    )


def severity(levelno: int) -> SeverityNumber:
    """Map a Python level: each range of ten levels is one of the six severities."""
    if not isinstance(levelno, int) or levelno <= 0:
        return SeverityNumber.UNSPECIFIED
    decade = min(levelno // 10, len(_DECADES) - 1)
    return SeverityNumber(_DECADES[decade] + min(levelno - 10 * decade, 3) * (decade > 0))


def _attributes(
    reading: Reading, line: Mapping[str, Any], extras: Mapping[str, Any]
) -> dict[str, Any]:
    taken = reading.snapshot
    attributes: dict[str, Any] = {key: _uniform(value) for key, value in extras.items() if key}
    for name in reading.fields:
        if name in line:
            attributes[_ATTRIBUTE_OF[name]] = line[name]
    attributes[semconv.CODE_FUNCTION_NAME] = line[FUNCTION]
    attributes[semconv.CODE_LINE_NUMBER] = taken.line
    attributes[semconv.THREAD_ID] = taken.thread_id
    exception = line.get(semconv.LOG_EXCEPTION)
    if isinstance(exception, dict):
        attributes[semconv.EXCEPTION_TYPE] = exception.get("type")
        attributes[semconv.EXCEPTION_MESSAGE] = exception.get("message")
        attributes[semconv.EXCEPTION_STACKTRACE] = "\n".join(traceback_lines(exception))
    return attributes


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
    return tuple([item if isinstance(item, str) else json_line({"": item})[4:-1] for item in value])
