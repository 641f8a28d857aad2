# SPDX-License-Identifier: Apache-2.0
"""The filter and the formatter for handlers of one's own."""

from __future__ import annotations

import io
import json
import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider

from ffe_otel import semconv
from ffe_otel.capture.logs import CorrelationIDFilter, JSONFormatter
from ffe_otel.correlation import correlation_id


@pytest.fixture
def stream(logger):
    """Where a handler with our formatter writes to."""
    target = io.StringIO()
    handler = logging.StreamHandler(target)
    handler.setFormatter(JSONFormatter())
    logger.addHandler(handler)
    logger.propagate = False
    return target


def test_the_formatter_writes_the_lines_of_the_capture(start, logger, stream):
    bench = start()
    with TracerProvider().get_tracer("t").start_as_current_span("s"):
        logger.warning("x %d", 1, extra={"a": float("inf")})
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logger.exception("y")
    mine = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert mine == bench.lines()
    assert mine[1]["exception"]["type"] == "ZeroDivisionError"


def test_the_context_of_the_formatter(logger, stream):
    logger.handlers[0].setFormatter(JSONFormatter(log_context=lambda: {"decision_id": "d"}))
    logger.info("x")
    assert json.loads(stream.getvalue())["decision_id"] == "d"


def test_all_records_of_a_trace_get_its_id_and_others_none(logger, stream):
    logger.addFilter(CorrelationIDFilter())
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        logger.info("a")
        logger.info("b")
    logger.info("c")
    ids = [json.loads(line)["correlation_id"] for line in stream.getvalue().splitlines()]
    known = correlation_id(span.get_span_context().trace_id)
    assert ids == [known, known, None]


def test_the_filter_serves_format_strings_and_keeps_what_is_there(logger):
    target = io.StringIO()
    handler = logging.StreamHandler(target)
    handler.addFilter(CorrelationIDFilter())
    handler.setFormatter(logging.Formatter("%(correlation_id)s %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.info("x", extra={"correlation_id": "given"})
    logger.info("y")
    assert target.getvalue().splitlines() == ["given x", "None y"]


def test_a_filtered_record_formatted_elsewhere_keeps_its_id(logger):
    record = logger.makeRecord(logger.name, 20, "f", 1, "x", (), None)
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        assert CorrelationIDFilter().filter(record)
    line = json.loads(JSONFormatter().format(record))
    assert line["correlation_id"] == correlation_id(span.get_span_context().trace_id)
    assert tuple(line) == semconv.LOG_FIELDS[:10]
