# SPDX-License-Identifier: Apache-2.0
"""A log record that was made of redacted parts is redacted again if anybody changed it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.baggage import set_baggage
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
from opentelemetry.sdk.resources import Resource

from ffe_otel.export import seams
from ffe_otel.export.stats import ExportStats
from ffe_otel.redaction import Redactor, load_catalogue
from ffe_otel.redaction.records import redact_log
from ffe_otel.redaction.records.safe import SafeLogRecord

SECRET = "sk-" + "planted" * 5
REDACTOR = Redactor(load_catalogue(), [SECRET])


def record(**fields: Any) -> SafeLogRecord:
    return SafeLogRecord(
        **{"body": "an order", "severity_text": "INFO", "attributes": {"a": "x", "n": 1}, **fields}
    )


def redacted(safe: SafeLogRecord, limit: int | None = None) -> Any:
    readable = ReadableLogRecord(safe, Resource.get_empty())
    return redact_log(readable, REDACTOR, limit).log_record


def test_what_nobody_changed_is_not_read_again() -> None:
    safe = record(body=f"{SECRET} is what a broken redaction let through")

    assert redacted(safe) is safe


def secret_body(safe: SafeLogRecord) -> None:
    safe.body = f"order {SECRET}"


def secret_attribute(safe: SafeLogRecord) -> None:
    safe.attributes = {**(safe.attributes or {}), "more": SECRET}


def secret_in_place(safe: SafeLogRecord) -> None:
    attributes: Any = safe.attributes
    attributes["a"] = SECRET


def secret_event(safe: SafeLogRecord) -> None:
    safe.event_name = SECRET


def secret_severity(safe: SafeLogRecord) -> None:
    safe.severity_text = SECRET


def exception(safe: SafeLogRecord) -> None:
    safe.exception = ValueError(SECRET)


CHANGES = [
    secret_body, secret_attribute, secret_in_place, secret_event, secret_severity, exception,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_changed_is_redacted(change: Any) -> None:
    safe = record()
    change(safe)

    found = redacted(safe)

    assert found is not safe
    assert SECRET not in str(vars(found))


def test_a_list_is_looked_into() -> None:
    names = ["x"]
    safe = record(attributes={"names": names})
    names.append(SECRET)

    assert SECRET not in str(redacted(safe).attributes)


def test_a_limit_is_kept() -> None:
    safe = record(attributes={"a": "x" * 50})

    assert redacted(safe, 10).attributes["a"] == "x" * 10
    assert redacted(safe, 50).attributes["a"] == "x" * 50


def test_baggage_stays_here() -> None:
    safe = record(context=set_baggage("token", SECRET))

    assert not redacted(safe).context
    assert safe.context


def test_a_processor_that_adds_a_secret_is_not_trusted() -> None:
    class Adds(LogRecordProcessor):
        def on_emit(self, log_record: Any) -> None:
            log_record.log_record.attributes["added"] = SECRET

        def shutdown(self) -> None: ...

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return True

    exporter = InMemoryLogRecordExporter()
    undo = seams.install(REDACTOR, ExportStats())
    try:
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(Adds())
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        provider.get_logger("engine").emit(record())
        provider.force_flush()
        provider.shutdown()
    finally:
        undo()

    [found] = exporter.get_finished_logs()
    attributes = dict(found.log_record.attributes or {})
    assert attributes.pop("added") != SECRET
    assert attributes == {"a": "x", "n": 1}
