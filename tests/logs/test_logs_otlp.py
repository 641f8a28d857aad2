# SPDX-License-Identifier: Apache-2.0
"""Log records over OpenTelemetry."""

from __future__ import annotations

import logging
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs_bench import fail
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags, use_span

from ffe_otel import semconv
from ffe_otel.capture.logs.line import Line
from ffe_otel.capture.logs.otlp import attributes_of, encoded, log_record
from ffe_otel.capture.logs.reading import read
from ffe_otel.capture.logs.record import snapshot
from ffe_otel.capture.logs.site import Sites, severity
from ffe_otel.export import encode
from ffe_otel.redaction.records.safe import SafeLogRecord
from ffe_otel.sdk.emitting import emit_clean


def test_a_record_and_its_attributes(start, logger):
    bench = start(context=lambda _: {"agent_state": "IDLE", "decision_id": "d", "asset_pair": "X"})
    span = TracerProvider().get_tracer("t").start_span("s")
    with use_span(span):
        logger.warning("careful %d", 1, extra={"duration_ms": 2, "note": {"a": ["b"]}})
    (record,) = bench.records()
    assert record.body == "careful 1"
    assert (record.severity_text, record.severity_number) == ("WARN", SeverityNumber.WARN)
    ids = span.get_span_context()
    assert (record.trace_id, record.span_id) == (ids.trace_id, ids.span_id)
    assert record.trace_flags == ids.trace_flags
    assert record.timestamp <= record.observed_timestamp
    attributes = dict(record.attributes)
    note = attributes.pop("note")
    assert list(note["a"]) == ["b"]
    assert attributes.pop(semconv.CODE_FILE_PATH).endswith("test_logs_otlp.py")
    assert attributes.pop(semconv.CODE_LINE_NUMBER) > 0
    assert attributes == {
        semconv.AGENT_STATE: "IDLE",
        semconv.DECISION_ID: "d",
        semconv.ASSET_PAIR: "X",
        semconv.DURATION_MS: 2,
        semconv.CODE_FUNCTION_NAME: "test_a_record_and_its_attributes",
        semconv.THREAD_ID: threading.get_ident(),
        semconv.THREAD_NAME: "MainThread",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([1, "b", True], ["1", "b", "true"]),
        ([[1], {"a": 2}], ["[1]", '{"a":2}']),
        ([1, None, 2], [1, None, 2]),
        ({"": 1, "deep": [1, "x"]}, {"deep": ("1", "x")}),
    ],
)
def test_lists_of_mixed_types_arrive(start, logger, value, expected):
    bench = start()
    logger.info("x", extra={"value": value})
    got = bench.records()[0].attributes["value"]
    assert (dict(got) if isinstance(expected, dict) else list(got)) == expected


def test_the_logger_name_is_the_scope(start, logger):
    bench = start()
    logger.info("x")
    bench.capture.flush()
    (finished,) = bench.exporter.get_finished_logs()
    assert finished.instrumentation_scope.name == logger.name


def test_an_exception_reads_like_a_traceback(start, logger):
    bench = start()
    try:
        try:
            {}["k"]
        except KeyError as error:
            raise ValueError("two\nlines") from error
    except ValueError:
        logger.exception("failed")
    attributes = bench.records()[0].attributes
    assert attributes[semconv.EXCEPTION_TYPE] == "ValueError"
    assert attributes[semconv.EXCEPTION_MESSAGE] == "two\nlines"
    trace = attributes[semconv.EXCEPTION_STACKTRACE].splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[2] == "KeyError: 'k'"
    assert "direct cause" in trace[4]
    assert trace[-2:] == ["ValueError: two", "lines"]


def test_a_record_without_a_trace_gets_none_of_its_neighbour(start, logger):
    bench = start(async_logging=False)
    logger.info("alone")
    tracer = TracerProvider().get_tracer("t")
    held = bench.capture._worker._delivering
    held.acquire()
    logger.info("queued outside")
    held.release()
    with tracer.start_as_current_span("s"):
        logger.info("delivers both")
    alone, outside, inside = bench.records()
    assert alone.trace_id == outside.trace_id == 0
    assert inside.trace_id != 0


def test_an_event_name_is_promoted(start, logger):
    bench = start()
    logger.info("x", extra={semconv.OTEL_EVENT_NAME: "ffe.something"})
    (record,) = bench.records()
    assert record.event_name == "ffe.something"
    assert semconv.OTEL_EVENT_NAME not in record.attributes


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0, "UNSPECIFIED"),
        (-5, "UNSPECIFIED"),
        (5, "TRACE"),
        (logging.DEBUG, "DEBUG"),
        (15, "DEBUG4"),
        (logging.INFO, "INFO"),
        (21, "INFO2"),
        (25, "INFO4"),
        (logging.WARNING, "WARN"),
        (logging.ERROR, "ERROR"),
        (logging.CRITICAL, "FATAL"),
        (1000, "FATAL4"),
    ],
)
def test_severities(level, expected):
    assert severity(level) is SeverityNumber[expected]


def test_whatever_is_logged_can_be_encoded(start, logger):
    bench = start()
    extra = {"big": 2**70, "lone": "\udcff", "nested": {"x": [2**64, None, b"\xff"]}, "": 1}
    logger.info("lone \udcff", extra=extra)
    try:
        fail("\udcff")
    except ValueError:
        logger.exception("x")
    bench.capture.flush()
    batch = bench.exporter.get_finished_logs()
    assert len(batch) == 2
    assert encode_logs(batch).SerializeToString()


def test_a_refused_record_is_counted_and_the_others_go_on(start, logger, capsys):
    bench = start()
    provider = bench.capture._delivery._outputs.otlp._provider
    original = provider.get_logger

    def get_logger(name):
        if name.endswith("refused"):
            raise RuntimeError("sk-not-to-be-shown")
        return original(name)

    provider.get_logger = get_logger
    for name in ("a", "refused", "b", "refused"):
        logger.getChild(name).info(name)
    assert bench.messages() == ["a", "refused", "b", "refused"]
    assert [record.body for record in bench.records()] == ["a", "b"]
    assert bench.losses["logs", "otlp"] == 2
    said = capsys.readouterr().err
    assert said.count("ffe_otel:") == 1
    assert "RuntimeError" in said
    assert "sk-not" not in said


def test_made_up_logger_names_do_not_pile_up(start, logger):
    bench = start()
    for number in range(5000):
        record = logging.makeLogRecord({"name": f"made.up.{number}", "levelno": 20, "msg": "x"})
        logger.callHandlers(record)
    assert len(bench.records()) == 5000
    assert len(bench.capture._delivery._outputs.otlp._loggers) <= 2000


@pytest.mark.parametrize("limit", ["", "3"])
@pytest.mark.filterwarnings("ignore:Log record attributes were dropped")
def test_the_short_way_through_the_sdk_leads_to_the_same(limit, monkeypatch):
    if limit:
        monkeypatch.setenv("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", limit)
    seen = []
    for emit in (emit_clean, lambda logger, record: logger.emit(record)):
        exporter = InMemoryLogRecordExporter()
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        attributes = {"a": "x", "n": 1, "tuple": ("x", None), "map": {"k": (1, 2)}}
        record = SafeLogRecord(body="text", attributes=attributes, observed_timestamp=1)
        emit(provider.get_logger("scope", "1"), record)
        [found] = exporter.get_finished_logs()
        seen.append((found.to_json(), list(found.log_record.attributes.items())))

    assert seen[0] == seen[1]


def test_canary_the_short_way_is_taken(start, logger):
    bench = start()
    logger.warning("short", extra={"a": "x"})

    assert type(bench.records()[0].attributes) is dict


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
NAMES = st.text(min_size=1, max_size=8) | st.sampled_from(
    ["decision_id", "duration_ms", semconv.THREAD_NAME, semconv.CODE_LINE_NUMBER,
     semconv.OTEL_EVENT_NAME, "exception", "trace_id", "span_id", "correlation_id"]
)  # fmt: skip


def a_line(extra, span_context, *, failing=False):
    context = trace.set_span_in_context(trace.NonRecordingSpan(span_context), Context())
    record = logging.getLogger("engine").makeRecord(
        "engine", logging.WARNING, "/a/b.py", 7, "on %s", ("time",), None, "work", None, None
    )
    vars(record).update({k: v for k, v in extra.items() if k not in vars(record)})
    if failing:
        record.exc_text = "Traceback (most recent call last):\nValueError: wrong"
    found = read(snapshot(record, context, {"agent_state": "idle"}))
    return Line(found, Sites(dict).of(found.snapshot), found.content)


@settings(max_examples=200, deadline=None)
@given(
    extra=st.dictionaries(NAMES, ANYTHING, max_size=5),
    ids=st.just((0, 0, 0))
    | st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 3)),
    failing=st.booleans(),
)
def test_a_line_that_is_encoded_at_once_is_the_same_record(extra, ids, failing):
    trace_id, span_id, flags = ids
    line = a_line(extra, SpanContext(trace_id, span_id, False, TraceFlags(flags)), failing=failing)
    readable = ReadableLogRecord(log_record=log_record(line), resource=Resource({}))

    def decoded(request):
        [record] = (
            ExportLogsServiceRequest.FromString(request).resource_logs[0].scope_logs[0].log_records
        )
        assert record.observed_time_unix_nano
        record.ClearField("observed_time_unix_nano")
        attributes = sorted(record.attributes, key=lambda pair: pair.key)
        record.ClearField("attributes")
        return record, [(pair.key, pair.value.SerializeToString()) for pair in attributes]

    at_once = encode.encode_log_request(Resource({}), [(None, encoded(line, *attributes_of(line)))])
    assert decoded(at_once) == decoded(encode.encode_logs([readable]))
