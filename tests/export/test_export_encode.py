# SPDX-License-Identifier: Apache-2.0
"""The OTLP writer says what the SDK's encoder says, and goes on where that one gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from encode_strategies import RESOURCES, SCOPES, metrics, records, spans
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs as sdk_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics as sdk_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as sdk_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, TraceState

from ffe_otel.export.encode import encode_logs, encode_metrics, encode_spans

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan as Span


def batches(make: Any) -> st.SearchStrategy[list[Any]]:
    """Records that share some of their resources and scopes, equal and identical ones."""
    shared = st.tuples(
        st.lists(RESOURCES, min_size=1, max_size=2), st.lists(SCOPES, min_size=1, max_size=2)
    )
    return shared.flatmap(
        lambda some: st.lists(make(st.sampled_from(some[0]), st.sampled_from(some[1])), max_size=4)
    )


@settings(max_examples=60)
@given(batches(spans))
def test_spans(found: list[Span]) -> None:
    assert ExportTraceServiceRequest.FromString(encode_spans(found)) == sdk_spans(found)


@settings(max_examples=60)
@given(batches(records))
def test_logs(found: list[ReadableLogRecord]) -> None:
    assert ExportLogsServiceRequest.FromString(encode_logs(found)) == sdk_logs(found)


@settings(max_examples=60)
@given(metrics())
def test_metrics(found: MetricsData) -> None:
    assert ExportMetricsServiceRequest.FromString(encode_metrics(found)) == sdk_metrics(found)


def one_span(**fields: Any) -> Any:
    """Encode a span with ``fields`` and decode it."""
    made = ReadableSpan(
        "name", SpanContext(1, 2, is_remote=False), start_time=1, end_time=2, **fields
    )
    request = ExportTraceServiceRequest.FromString(encode_spans([made]))
    return request.resource_spans[0].scope_spans[0].spans[0]


def test_a_link_keeps_its_trace_state() -> None:
    context = SpanContext(3, 4, is_remote=True, trace_state=TraceState([("ot", "th:8")]))

    link = one_span(links=[Link(context)]).links[0]

    assert link.trace_state == "ot=th:8"
    assert link.flags == 0x300


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (1 + 2j, "(1+2j)"),
        ("broken \ud800 text", "broken ? text"),
    ],
)
def test_what_otlp_cannot_hold_becomes_text(value: Any, written: str) -> None:
    span = one_span(attributes={"key": value, "list": [value]})

    assert span.attributes[0].value.string_value == written
    assert span.attributes[1].value.array_value.values[0].string_value == written


def test_names_without_utf8_do_not_cost_the_request() -> None:
    span = one_span(attributes={"k\udfff": 1}, events=[Event("e\ud800", timestamp=1)])

    assert span.attributes[0].key == "k?"
    assert span.events[0].name == "e?"


def test_a_text_and_an_int_of_a_class_of_its_own() -> None:
    class Text(str):
        __slots__ = ()

    class Number(int):
        pass

    span = one_span(attributes={"text": Text("a"), "number": Number(7), Text("key"): True})

    assert [str(each.value).strip() for each in span.attributes] == [
        'string_value: "a"',
        "int_value: 7",
        "bool_value: true",
    ]
    assert span.attributes[2].key == "key"


def test_nothing_makes_an_empty_request() -> None:
    assert encode_spans([]) == encode_logs([]) == encode_metrics(MetricsData([])) == b""


def test_resources_come_and_go_without_being_confused() -> None:
    """Objects are recognised by identity, and an identity may be given out again."""
    for number in range(600):
        resource = Resource({"number": number})
        made = ReadableSpan("name", SpanContext(1, 2, is_remote=False), resource=resource)
        request = ExportTraceServiceRequest.FromString(encode_spans([made]))
        attributes = request.resource_spans[0].resource.attributes
        assert attributes[0].value.int_value == number


def test_keys_without_number() -> None:
    for number in range(5000):
        span = one_span(attributes={f"key {number}": 1})
        assert span.attributes[0].key == f"key {number}"


def test_a_metric_of_an_unknown_kind_is_refused() -> None:
    class Summary:
        data_points = (1,)

    metric = Metric("name", "", "", Summary())  # type: ignore[arg-type]
    scope = ScopeMetrics(InstrumentationScope("scope"), [metric], "")
    data = MetricsData([ResourceMetrics(Resource({}), [scope], "")])

    with pytest.raises(TypeError, match="Summary"):
        encode_metrics(data)
