# SPDX-License-Identifier: Apache-2.0
"""Do log records that skip the SDK's cleaning arrive as those that it cleans?"""

from __future__ import annotations

from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.resources import Resource

from ffe_otel.sdk.emitting import copied, hand_on, parts_of
from ffe_otel.sdk.existing import log_processors


class _Recorder(LogRecordProcessor):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_emit(self, log_record: Any) -> None:
        own = copied(log_record.log_record, Context())
        self.seen.append(
            (
                own.body,
                dict(own.attributes or {}),
                own.severity_number,
                own.severity_text,
                own.event_name,
                own.timestamp,
                own.observed_timestamp,
                (own.trace_id, own.span_id),
                dict(log_record.resource.attributes),
                log_record.instrumentation_scope.name,
                log_record.limits is not None,
            )
        )

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        del timeout_millis
        return True


def _record() -> LogRecord:
    return LogRecord(
        timestamp=1,
        observed_timestamp=2,
        context=Context(),
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body="body",
        event_name="event",
        attributes={"a": "x", "b": 1},
    )


def check_records() -> None:
    """Raises where a record that was handed on is another than the one that was emitted."""
    recorder = _Recorder()
    provider = LoggerProvider(Resource({"r": "1"}), shutdown_on_exit=False)
    provider.add_log_record_processor(recorder)
    logger: Any = provider.get_logger("check")
    logger.emit(_record())
    past = parts_of(logger)
    if past is None:
        raise ValueError("a logger's parts are not where they should be")
    hand_on(logger, _record(), past)
    if recorder.seen[1:] != recorder.seen[:1]:
        raise ValueError(f"a record of ours is another than the SDK's: {recorder.seen}")
    if log_processors(provider) != (recorder,):
        raise ValueError("the processors of a logger provider are not where they should be")
