# SPDX-License-Identifier: Apache-2.0
"""Length limits, wherever they come from: values are redacted first and cut afterwards."""

import inspect

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext

from ffe_otel.export import seams
from ffe_otel.sdk import existing

URL = "redis://:DEMOFAKEKEY70007@localhost/0"  # cut to 24 characters, no rule knows it any more
LONG = "x" * 40
BOTH = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"
LOG_ARGUMENT = "log_record_limits" in inspect.signature(LoggerProvider.__init__).parameters


class Spans:
    """A provider of the engine's and what it exports."""

    def __init__(self, limits=None):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(
            resource=Resource({"long": LONG}), span_limits=limits, shutdown_on_exit=False
        )
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("lengths")

    def one(self):
        link = Link(SpanContext(1, 1, is_remote=False), {"url": URL, "long": LONG})
        with self.tracer.start_as_current_span(LONG, links=[link]) as span:
            span.set_attributes({"url": URL, "urls": [URL], "long": LONG})
            span.add_event(LONG, {"url": URL, "long": LONG})
        (found,) = self.exporter.get_finished_spans()
        self.exporter.clear()
        return found


class Logs:
    """The same for log records."""

    def __init__(self, **options):
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False, **options)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))

    def one(self):
        record = LogRecord(body=LONG, attributes={"url": URL, "long": LONG})
        self.provider.get_logger("lengths").emit(record)
        (found,) = self.exporter.get_finished_logs()
        self.exporter.clear()
        return found.log_record


def assert_cut_after_redaction(span):
    for attributes in (span.attributes, span.events[0].attributes, span.links[0].attributes):
        assert "DEMO" not in str(attributes)
        assert attributes["url"] == "redis://:"  # a marker that does not fit is left out whole
        assert attributes["long"] == LONG[:24]


def limits_of(length):
    return SpanLimits(max_attribute_length=length, max_span_attribute_length=length)


class TestSpans:
    def test_of_a_provider_made_later(self, installed):
        assert_cut_after_redaction(Spans(limits_of(24)).one())

    def test_of_a_provider_that_was_there(self, redactor, stats):
        spans = Spans(limits_of(24))
        with_seams = seams.install(redactor, stats)
        assert_cut_after_redaction(spans.one())
        with_seams.undo()

    @pytest.mark.parametrize("variable", [BOTH, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
    def test_limited_by_a_variable(self, redactor, stats, monkeypatch, variable):
        monkeypatch.setenv(variable, "24")
        earlier = Spans()
        with_seams = seams.install(redactor, stats, attribute_length=4096)
        assert_cut_after_redaction(earlier.one())
        assert_cut_after_redaction(Spans().one())
        with_seams.undo()


class TestLogRecords:
    @pytest.mark.parametrize("variable", [BOTH, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
    def test_limited_by_a_variable(self, redactor, stats, monkeypatch, variable):
        monkeypatch.setenv(variable, "24")
        earlier = Logs()
        with_seams = seams.install(redactor, stats, attribute_length=4096)
        for record in (earlier.one(), Logs().one()):
            assert record.attributes["url"] == "redis://:"
            assert record.attributes["long"] == LONG[:24]
        with_seams.undo()

    @pytest.mark.skipif(not LOG_ARGUMENT, reason="this SDK takes the limits of the variables only")
    def test_limited_by_an_argument(self, installed):
        limits = LogRecordLimits(max_log_record_attribute_length=24)
        record = Logs(log_record_limits=limits).one()
        assert record.attributes["url"] == "redis://:"
        assert record.attributes["long"] == LONG[:24]


class TestLimit:
    def test_is_the_smallest_asked_for(self, installed):
        few, many = Spans(limits_of(7)), Spans(limits_of(30))
        assert few.one().attributes["long"] == many.one().attributes["long"] == LONG[:7]

    def test_concerns_the_values_of_attributes_only(self, installed):
        spans, logs = Spans(limits_of(24)), Logs()
        span = spans.one()
        assert span.name == span.events[0].name == span.resource.attributes["long"] == LONG
        assert logs.one().attributes["long"] == LONG

    def test_of_a_variable_wins_over_the_configured_one(self, redactor, stats, monkeypatch):
        monkeypatch.setenv(BOTH, "30")
        with_seams = seams.install(redactor, stats, attribute_length=16)
        span, record = Spans().one(), Logs().one()
        assert span.attributes["long"] == record.attributes["long"] == LONG[:30]
        assert span.name == record.body == LONG[:16]
        with_seams.undo()

    def test_that_cannot_be_read_keeps_nobody_from_installing(self, redactor, stats, monkeypatch):
        monkeypatch.setenv(BOTH, "many")
        with_seams = seams.install(redactor, stats, attribute_length=16)
        with_seams.undo()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (SpanLimits, ("max_attribute_length", "max_span_attribute_length")),
        (LogRecordLimits, ("max_attribute_length", "max_log_record_attribute_length")),
    ],
)
def test_undo_gives_existing_limits_back(redactor, stats, kind, names):
    limits = kind(**dict.fromkeys(names, 24))
    assert limits in list(existing.instances(kind))
    with_seams = seams.install(redactor, stats)
    assert [getattr(limits, name) for name in names] == [None, None]
    with_seams.undo()
    assert [getattr(limits, name) for name in names] == [24, 24]
