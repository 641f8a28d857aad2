# SPDX-License-Identifier: Apache-2.0
"""From a span that ends, or a log record, to the bytes in the spool."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from spool_parts import drained

from ffe_otel import semconv
from ffe_otel.export.budget import ShutdownBudget
from ffe_otel.export.exporters import Seam
from ffe_otel.export.flushing import Flushes
from ffe_otel.export.health import Health
from ffe_otel.export.spool.exporters import Spooled
from ffe_otel.export.spool.processors import SpoolLogProcessor, SpoolSpanProcessor
from ffe_otel.export.stats import ExportStats, Signal
from ffe_otel.redaction import Redactor, load_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.export.spool.spool import Spool

SECRET = "hunter2" * 3


class Box:
    """What a sender is to an exporter: somebody with a spool."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

    open = False

    def added(self) -> None:
        pass

    def ask(self, deadline: float, *, force: bool) -> int:
        return 0

    def wait_for(self, ticket: int, deadline: float) -> bool:
        return True

    def is_current(self) -> bool:
        return False

    def silent_since(self) -> None:
        pass


class Breakable(Spooled):
    """An exporter that can fail."""

    broken = False

    def append_batch(self, batch: Any, encoded: Any) -> bool:
        if self.broken:
            raise ValueError(SECRET)
        return super().append_batch(batch, encoded)


class Gated(Redactor):
    """Holds up whoever redacts until it is opened."""

    def __init__(self) -> None:
        super().__init__(load_catalogue(), [SECRET])
        self.open = threading.Event()
        self.open.set()

    def strict_text(self, text: str, surface: str, limit: int | None = None) -> str:
        assert self.open.wait(20)
        return super().strict_text(text, surface, limit)


@pytest.fixture
def redactor() -> Gated:
    return Gated()


@pytest.fixture
def seam(stats: ExportStats, redactor: Gated) -> Seam:
    return Seam(redactor, stats, Health(lambda text: text))


@pytest.fixture
def flushes(stats: ExportStats) -> Flushes:
    return Flushes(ShutdownBudget(20.0), 60.0, stats)


@pytest.fixture
def spans(make: Callable[..., Spool], seam: Seam, flushes: Flushes) -> Any:
    """A provider whose spans end in a spool, and what is in that."""
    spool = make()
    exporter = Breakable(Box(spool), "target")  # type: ignore[arg-type]
    processor = SpoolSpanProcessor(exporter, seam, 100, flushes)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)

    def found() -> list[Any]:
        requests = map(ExportTraceServiceRequest.FromString, drained(spool))
        return [
            span
            for request in requests
            for of in request.resource_spans
            for within in of.scope_spans
            for span in within.spans
        ]

    yield provider, processor, found, exporter
    processor.shutdown()


@pytest.fixture
def logs(make: Callable[..., Spool], seam: Seam, flushes: Flushes) -> Any:
    """The same for log records."""
    spool = make()
    exporter = Breakable(Box(spool), "target")  # type: ignore[arg-type]
    processor = SpoolLogProcessor(exporter, seam, 100, flushes)
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(processor)

    def found() -> list[Any]:
        requests = map(ExportLogsServiceRequest.FromString, drained(spool))
        return [
            (within.scope.name, record)
            for request in requests
            for of in request.resource_logs
            for within in of.scope_logs
            for record in within.log_records
        ]

    yield provider, processor, found, exporter
    processor.shutdown()


def test_spans_are_redacted_and_in_order(spans: Any) -> None:
    provider, processor, found, _ = spans
    tracer = provider.get_tracer("engine")
    for number in range(30):
        with tracer.start_as_current_span(f"span {number}") as span:
            span.set_attribute("note", f"it is {SECRET}")
            span.add_event("login", {"password": SECRET})
    assert processor.force_flush()
    all_of = found()
    names = [span.name for span in all_of]
    assert names == [f"span {number}" for number in range(30)]
    assert SECRET not in str(all_of)
    assert "it is [redacted:literal]" in str(all_of)


def test_spans_arrive_without_being_asked_for(spans: Any, seam: Seam) -> None:
    provider, _, found, _ = spans
    provider.get_tracer("engine").start_span("one").end()
    waiting = threading.Event()
    for _ in range(2000):
        if seam.stats.snapshot().queued == {"traces": 0} and (got := found()):
            break
        waiting.wait(0.005)
    assert [span.name for span in got] == ["one"]


def test_spans_that_are_not_sampled_stay_out(spans: Any) -> None:
    _, processor, found, _ = spans
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    with provider.get_tracer("engine").start_as_current_span("no"):
        pass
    assert processor.force_flush()
    assert found() == []


def test_spans_that_end_after_the_shutdown_are_stored_at_once(spans: Any) -> None:
    provider, processor, found, _ = spans
    tracer = provider.get_tracer("engine")
    late = tracer.start_span("late")
    processor.shutdown()
    late.end()
    assert [span.name for span in found()] == ["late"]


def test_a_full_queue_drops_and_counts_and_says_so_once(
    spans: Any, redactor: Gated, stats: ExportStats, caplog: pytest.LogCaptureFixture
) -> None:
    provider, processor, found, _ = spans
    tracer = provider.get_tracer("engine")
    for _ in range(2):
        redactor.open.clear()
        for _ in range(700):
            tracer.start_span("x").end()
        redactor.open.set()
        assert not processor.force_flush()
    assert processor.force_flush()
    dropped = stats.snapshot().dropped["traces", "queue_full"]
    assert dropped + len(found()) == 1400
    assert dropped > 0
    [said] = [record for record in caplog.records if "limits.queue_size" in record.getMessage()]
    assert "limits.queue_bytes" in said.getMessage()


def test_what_cannot_be_stored_is_counted_and_the_next_is_stored(
    spans: Any, stats: ExportStats, caplog: pytest.LogCaptureFixture
) -> None:
    provider, processor, found, exporter = spans
    tracer = provider.get_tracer("engine")
    exporter.broken = True
    tracer.start_span("lost").end()
    assert not processor.force_flush()
    exporter.broken = False
    tracer.start_span("kept").end()
    assert processor.force_flush()
    assert [span.name for span in found()] == ["kept"]
    assert stats.snapshot().dropped == {("traces", "export_failed"): 1}
    assert SECRET not in caplog.text
    assert "1 traces could not be stored: ValueError" in caplog.text


def test_log_records_are_stored_as_they_were_when_emitted(logs: Any) -> None:
    provider, processor, found, _ = logs
    record = LogRecord(
        timestamp=1,
        body=f"it is {SECRET}",
        severity_number=SeverityNumber.INFO,
        attributes={"password": SECRET, "n": 1},
    )
    provider.get_logger("engine").emit(record)
    record.body = "changed since"
    assert processor.force_flush()
    [(scope, stored)] = found()
    assert scope == "engine"
    assert stored.body.string_value == "it is [redacted:literal]"
    assert SECRET not in str(stored)


def test_encoded_records_are_stored_under_redacted_names(logs: Any) -> None:
    _, processor, found, _ = logs
    scope = InstrumentationScope(f"engine.{SECRET}")
    processor.append_encoded(Resource({"key": SECRET}), [(scope, b""), (scope, b"")])
    assert [name for name, _ in found()] == ["engine.[redacted:literal]"] * 2


def test_each_stored_record_has_an_identity(logs: Any) -> None:
    provider, processor, found, _ = logs
    for _ in range(2):
        provider.get_logger("engine").emit(LogRecord(timestamp=1, body="alike"))
    assert processor.force_flush()
    processor.append_encoded(Resource({}), [(InstrumentationScope("engine"), b"")] * 2)

    uids = {
        attribute.value.string_value
        for _, stored in found()
        for attribute in stored.attributes
        if attribute.key == semconv.LOG_RECORD_UID
    }
    assert len(uids) == 4


def test_encoded_records_that_cannot_be_stored_are_counted(logs: Any, stats: ExportStats) -> None:
    _, processor, _, exporter = logs
    exporter.broken = True
    processor.append_encoded(Resource({}), [(InstrumentationScope("x"), b"")])
    assert stats.snapshot().dropped == {(Signal.LOGS, "export_failed"): 1}
