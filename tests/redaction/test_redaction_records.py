# SPDX-License-Identifier: Apache-2.0
"""Records keep everything but their secrets, and fail to a skeleton."""

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from ffe_otel import semconv
from ffe_otel.redaction import Redactor, load_catalogue, records

CONTEXT = SpanContext(
    1, 2, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState([("ot", "th:8")])
)
PARENT = SpanContext(1, 3, is_remote=True)
SCOPE = InstrumentationScope("scope", "1.0", "https://schema")
RESOURCE = Resource({"service.name": "s", "api_key": "k1"}, "https://schema")
UUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


class Hostile:
    def __str__(self):
        raise RuntimeError("no text of mine")


@pytest.fixture
def redactor():
    return Redactor(load_catalogue())


def make_span(**changes):
    fields = {
        "name": "password=a1",
        "context": CONTEXT,
        "parent": PARENT,
        "resource": RESOURCE,
        "attributes": {"a": 1, "password": "p"},
        "events": (Event("e", {"password": "p"}, 7),),
        "links": (Link(PARENT, {"password": "p"}),),
        "kind": SpanKind.CLIENT,
        "status": Status(StatusCode.ERROR, "password=a1"),
        "start_time": 10,
        "end_time": 20,
        "instrumentation_scope": SCOPE,
    }
    return ReadableSpan(**(fields | changes))


class TestSpan:
    def test_keeps_everything_else(self, redactor):
        span = make_span()
        found = records.redact_span(span, redactor)
        hidden = {"password": "[redacted:password]"}
        assert found.name == found.status.description == "password=[redacted:password]"
        assert (found.context, found.parent, found.kind) == (CONTEXT, PARENT, SpanKind.CLIENT)
        assert (found.start_time, found.end_time) == (10, 20)
        assert found.status.status_code is StatusCode.ERROR
        assert dict(found.attributes) == {"a": 1, **hidden}
        assert [(e.name, dict(e.attributes), e.timestamp) for e in found.events] == [
            ("e", hidden, 7)
        ]
        assert [(k.context, dict(k.attributes)) for k in found.links] == [(PARENT, hidden)]
        assert found.resource.attributes["api_key"] == "[redacted:api-key]"
        assert found.resource.schema_url == "https://schema"
        assert found.instrumentation_scope == SCOPE
        assert span.attributes["password"] == "p"

    def test_twice_is_once(self, redactor):
        found = records.redact_span(make_span(), redactor)
        assert records.redact_span(found, redactor) is found

    def test_shares_resource_and_scope(self, redactor):
        first, second = (records.redact_span(make_span(), redactor) for _ in range(2))
        assert first.resource is second.resource
        assert first.instrumentation_scope is second.instrumentation_scope

    def test_keeps_the_counts_of_what_was_dropped(self, redactor):
        exporter = InMemorySpanExporter()
        limits = SpanLimits(
            max_span_attributes=1, max_events=1, max_links=1, max_event_attributes=1
        )
        provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        links = [Link(PARENT), Link(CONTEXT)]
        with provider.get_tracer("t").start_as_current_span("s", links=links) as span:
            span.set_attributes({"a": 1, "b": 2, "c": 3})
            span.add_event("1")
            span.add_event("2", {"a": 1, "b": 2})
        (original,) = exporter.get_finished_spans()
        found = records.redact_span(original, redactor)
        assert found.dropped_attributes == 2
        assert found.dropped_events == found.dropped_links == 1
        assert found.events[0].attributes.dropped == 1

    def test_ids_in_their_own_fields_are_not_touched(self):
        redactor = Redactor(load_catalogue(), [UUID, "free text of theirs"])
        attributes = {
            semconv.CORRELATION_ID: UUID,
            semconv.CORRELATION_ID_INCOMING: "free text of theirs",
            "note": UUID,
        }
        found = records.redact_span(make_span(attributes=attributes), redactor)
        assert dict(found.attributes) == {
            semconv.CORRELATION_ID: UUID,
            semconv.CORRELATION_ID_INCOMING: "[redacted:literal]",
            "note": "[redacted:literal]",
        }

    def test_trace_state_loses_members_with_secrets(self, redactor):
        state = TraceState([("ot", "th:8"), ("vendor", "sk-FakeFakeFake0123456")])
        context = SpanContext(1, 2, is_remote=False, trace_state=state)
        found = records.redact_span(make_span(context=context), redactor)
        assert dict(found.context.trace_state) == {"ot": "th:8"}
        assert (found.context.trace_id, found.context.span_id) == (1, 2)

    def test_limit_applies_after_redaction(self, redactor):
        found = records.redact_span(make_span(attributes={"a": "x" * 50}), redactor, 20)
        assert found.attributes["a"] == "x" * 20

    def test_fails_to_a_skeleton(self, redactor):
        found = records.redact_span(make_span(attributes={"password": Hostile()}), redactor)
        assert found.name == "redaction failed"
        assert (found.context.trace_id, found.context.span_id, found.parent) == (1, 2, PARENT)
        assert (found.start_time, found.end_time, found.kind) == (10, 20, SpanKind.CLIENT)
        assert found.status.status_code is StatusCode.ERROR
        assert found.status.description is None
        assert not found.attributes
        assert not found.events
        assert not found.links
        assert not found.resource.attributes
        assert redactor.failures() == {"span": 1}
        assert "hunter2" not in found.to_json()


def make_log(**changes):
    fields = {
        "timestamp": 1,
        "observed_timestamp": 2,
        "context": Context(),
        "severity_text": "WARN",
        "severity_number": SeverityNumber.WARN,
        "body": "password=a1",
        "attributes": {"password": "p"},
        "event_name": "llm_calls",
        "exception": ValueError("password=a1"),
    }
    return ReadableLogRecord(LogRecord(**(fields | changes)), RESOURCE, SCOPE)


class TestLog:
    def test_keeps_everything_else(self, redactor):
        found = records.redact_log(make_log(), redactor)
        record = found.log_record
        assert record.body == "password=[redacted:password]"
        assert record.attributes == {"password": "[redacted:password]"}
        assert (record.timestamp, record.observed_timestamp) == (1, 2)
        assert (record.severity_text, record.severity_number) == ("WARN", SeverityNumber.WARN)
        assert record.event_name == "llm_calls"
        assert record.exception is None
        assert found.resource.attributes["api_key"] == "[redacted:api-key]"
        assert records.redact_log(found, redactor) is found

    def test_keeps_the_count_of_what_was_dropped(self, redactor):
        attributes = BoundedAttributes(2, {"a": 1, "b": 2, "c": 3}, immutable=False)
        assert records.redact_log(make_log(attributes=attributes), redactor).dropped_attributes == 1

    def test_fails_to_a_skeleton(self, redactor):
        found = records.redact_log(make_log(body=Hostile()), redactor)
        assert found.log_record.body == "redaction failed"
        assert found.log_record.severity_number is SeverityNumber.WARN
        assert (found.log_record.timestamp, found.log_record.attributes) == (1, {})
        assert not found.resource.attributes
        assert redactor.failures() == {"log": 1}

    def test_of_the_real_sdk(self, redactor):
        exporter = InMemoryLogRecordExporter()
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        try:
            raise KeyError("password=a1")  # noqa: TRY301
        except KeyError as error:
            provider.get_logger("x").emit(body="failed", exception=error)
        (original,) = exporter.get_finished_logs()
        found = records.redact_log(original, redactor)
        assert "a1" in str(original.log_record.attributes["exception.message"])
        for key in ("exception.message", "exception.stacktrace"):
            assert "password=[redacted:password]" in found.log_record.attributes[key]


class TestMetrics:
    @staticmethod
    def collect(**labels):
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
        provider.get_meter("m").create_counter("plain").add(1, {"a": "b"})
        provider.get_meter("m").create_counter("c", description="password=a1").add(1, labels)
        data = reader.get_metrics_data()
        provider.shutdown()
        return data

    def test_labels_and_resource(self, redactor):
        found = records.redact_metrics(self.collect(password="p"), redactor)
        (resource,) = found.resource_metrics
        plain, redacted = resource.scope_metrics[0].metrics
        assert resource.resource.attributes["api_key"] == "[redacted:api-key]"
        assert redacted.description == "password=[redacted:password]"
        assert redacted.data.data_points[0].attributes == {"password": "[redacted:password]"}
        assert redacted.data.data_points[0].value == 1
        assert plain.data.data_points[0].attributes == {"a": "b"}
        assert records.redact_metrics(found, redactor) is found

    def test_clean_metrics_are_passed_on(self, redactor):
        data = self.collect(a="b")
        found = records.redact_metrics(data, redactor)
        before = data.resource_metrics[0].scope_metrics[0].metrics[0]
        assert found.resource_metrics[0].scope_metrics[0].metrics[0] is before

    def test_what_fails_is_left_out(self, redactor, monkeypatch):
        data = self.collect(password="p")
        clean = redactor.strict_mapping

        def fail(mapping, surface, limit=None):
            if "password" in mapping:
                raise RuntimeError("not this one")
            return clean(mapping, surface, limit)

        monkeypatch.setattr(redactor, "strict_mapping", fail)
        found = records.redact_metrics(data, redactor)
        assert [m.name for m in found.resource_metrics[0].scope_metrics[0].metrics] == ["plain"]
        assert redactor.failures() == {"label": 1}

    def test_broken_data_give_none(self, redactor):
        assert not records.redact_metrics(MetricsData([None]), redactor).resource_metrics
        assert redactor.failures() == {"label": 1}


class TestLine:
    def test_ids_stay_and_the_rest_is_redacted(self):
        redactor = Redactor(load_catalogue(), [UUID])
        line = {
            "timestamp": "2026-11-23T02:29:10.123456+00:00",
            "level": "INFO",
            "message": f"password=a1 {UUID}",
            "trace_id": UUID.replace("-", ""),
            "correlation_id": UUID,
            "line": 12,
            "api_key": "k1",
            "exception": {"frames": [{"file": "a.py", "line": 1, "text": "password = 'x1'"}]},
        }
        assert records.redact_line(line, redactor) == line | {
            "message": "password=[redacted:password] [redacted:literal]",
            "api_key": "[redacted:api-key]",
            "exception": {
                "frames": [{"file": "a.py", "line": 1, "text": "password = '[redacted:password]'"}]
            },
        }

    def test_free_text_in_an_id_field_is_redacted(self, redactor):
        line = {"correlation_id": "token=abc123def456"}
        assert records.redact_line(line, redactor) == {
            "correlation_id": "token=[redacted:token-value]"
        }

    def test_fails_to_a_skeleton(self, redactor):
        line = {
            "timestamp": "now",
            "level": "ERROR",
            "message": Hostile(),
            "trace_id": UUID,
            "span_id": "password=a1",
            "other": "password=a1",
        }
        assert records.redact_line(line, redactor) == {
            "message": "redaction failed",
            "timestamp": "now",
            "level": "ERROR",
            "trace_id": UUID,
        }
        assert redactor.failures() == {"log": 1}
