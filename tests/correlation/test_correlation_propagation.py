# SPDX-License-Identifier: Apache-2.0
"""What identifies a cycle crosses process borders unchanged."""

import hashlib
import uuid
from importlib.metadata import entry_points

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from ffe_otel.correlation import (
    ConsistentRatioSampler,
    FfeIdGenerator,
    FfePropagator,
    correlation_id,
    current_correlation_id,
    incoming_correlation,
    requested_root,
    use_requested_root,
    with_requested_root,
)

TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
WANTED = "7d444840-9dc0-41d1-b245-5ffdce74fad2"


def start_root(context, name="server"):
    provider = TracerProvider(
        sampler=ConsistentRatioSampler(1.0), id_generator=FfeIdGenerator(), shutdown_on_exit=False
    )
    with use_requested_root(requested_root(context)):
        return provider.get_tracer("test").start_span(name, context)


def context_of(trace_id=TRACE_ID, flags=1, state=()):
    span_context = SpanContext(trace_id, 7, False, TraceFlags(flags), TraceState(list(state)))
    return trace.set_span_in_context(trace.NonRecordingSpan(span_context), Context())


def test_a_valid_traceparent_wins_and_a_differing_header_is_remembered():
    context = FfePropagator().extract(
        {"traceparent": TRACEPARENT, "tracestate": "v=1", "X-Correlation-ID": f" {WANTED} "}
    )
    parent = trace.get_current_span(context).get_span_context()
    assert (parent.trace_id, parent.is_remote) == (TRACE_ID, True)
    assert parent.trace_state.to_header() == "v=1"
    assert incoming_correlation(context) == WANTED
    assert requested_root(context) is None
    assert start_root(context).get_span_context().trace_id == TRACE_ID


@pytest.mark.parametrize(
    "header", [f"{TRACE_ID:032x}", f"{TRACE_ID:032X}", correlation_id(TRACE_ID), None, "", "  "]
)
def test_a_header_that_agrees_or_is_empty_is_not_remembered(header):
    headers = {"traceparent": TRACEPARENT}
    if header is not None:
        headers["X-Correlation-ID"] = header
    context = FfePropagator().extract(headers)
    assert incoming_correlation(context) is None
    assert trace.get_current_span(context).get_span_context().trace_id == TRACE_ID


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "garbage",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ],
)
@pytest.mark.parametrize("spelling", [WANTED, WANTED.upper(), WANTED.replace("-", "")])
def test_without_a_valid_traceparent_the_header_names_the_root(traceparent, spelling):
    headers = {"X-Correlation-ID": spelling}
    if traceparent:
        headers["traceparent"] = traceparent
    context = FfePropagator().extract(headers)
    assert not trace.get_current_span(context).get_span_context().is_valid
    root = start_root(context)
    assert root.get_span_context().trace_id == uuid.UUID(WANTED).int
    assert root.parent is None
    assert requested_root(context).free_text is None


@pytest.mark.parametrize("text", ["order 17", "{" + WANTED + "}", str(uuid.UUID(int=0)), "é"])
def test_any_other_text_is_hashed_and_kept(text):
    context = FfePropagator().extract({"X-Correlation-ID": f" {text} "})
    root = start_root(context)
    expected = hashlib.sha256(text.encode()).hexdigest()[:32]
    assert f"{root.get_span_context().trace_id:032x}" == expected
    assert root.parent is None
    assert requested_root(context).free_text == text


def test_a_text_too_long_to_keep_whole_is_hashed_and_not_kept():
    text = "x" * 5000
    request = requested_root(FfePropagator().extract({"X-Correlation-ID": text}))
    assert f"{request.trace_id:032x}" == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert request.free_text is None
    lost = FfePropagator().extract({"X-Correlation-ID": text, "traceparent": TRACEPARENT})
    assert incoming_correlation(lost) is None


def test_a_kept_text_can_always_be_encoded():
    request = requested_root(FfePropagator().extract({"X-Correlation-ID": "broken \udc80"}))
    assert request.free_text == "broken ?"


def test_two_roots_from_one_context_do_not_share_the_requested_trace():
    context = FfePropagator().extract({"X-Correlation-ID": WANTED})
    first, second = start_root(context), start_root(context)
    assert first.get_span_context().trace_id == uuid.UUID(WANTED).int
    assert second.get_span_context().trace_id != uuid.UUID(WANTED).int


def test_a_root_in_a_context_of_its_own_does_not_take_the_id():
    context = FfePropagator().extract({"X-Correlation-ID": WANTED})
    token = attach(context)
    try:
        cycle = start_root(Context(), "ffe.cycle")
    finally:
        detach(token)
    assert cycle.get_span_context().trace_id != uuid.UUID(WANTED).int
    assert start_root(context).get_span_context().trace_id == uuid.UUID(WANTED).int


def test_a_local_span_in_the_context_keeps_its_trace():
    context = FfePropagator().extract({"X-Correlation-ID": WANTED}, context_of())
    assert requested_root(context) is None
    assert incoming_correlation(context) == WANTED


def test_inject_writes_everything():
    context = baggage.set_baggage("desk", "7", context_of(state=[("ot", "th:8"), ("v", "1")]))
    headers = {}
    FfePropagator().inject(headers, context)
    assert headers == {
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01",
        "tracestate": "ot=th:8,v=1",
        "baggage": "desk=7",
        "X-Correlation-ID": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
    }


def test_inject_takes_the_current_context_by_default():
    token = attach(context_of())
    headers = {}
    try:
        FfePropagator().inject(headers)
        assert current_correlation_id() == correlation_id(TRACE_ID)
    finally:
        detach(token)
    assert headers["X-Correlation-ID"] == correlation_id(TRACE_ID)


def test_inject_without_anything_writes_nothing():
    headers = {}
    FfePropagator().inject(headers, Context())
    assert headers == {}


def test_a_request_is_passed_on_before_its_root_has_started():
    context = with_requested_root(Context(), WANTED)
    headers = {}
    FfePropagator().inject(headers, context)
    assert headers == {"X-Correlation-ID": WANTED}
    assert current_correlation_id(context) == WANTED


def test_there_is_no_correlation_id_without_a_span_or_a_request():
    assert current_correlation_id(Context()) is None


@given(
    st.integers(min_value=1, max_value=2**128 - 1),
    st.integers(min_value=0, max_value=3),
    st.dictionaries(st.sampled_from(["ot", "v", "x@y"]), st.sampled_from(["th:8", "a:1;b"])),
)
def test_what_is_injected_is_what_is_extracted(trace_id, flags, state):
    propagator, headers = FfePropagator(), {}
    propagator.inject(headers, context_of(trace_id, flags, state.items()))
    context = propagator.extract(headers)
    parent = trace.get_current_span(context).get_span_context()
    assert (parent.trace_id, int(parent.trace_flags)) == (trace_id, flags)
    assert dict(parent.trace_state) == state
    assert incoming_correlation(context) is None
    assert requested_root(context) is None
    assert current_correlation_id(context) == correlation_id(trace_id)


@given(st.text(min_size=1).filter(str.strip))
def test_no_header_text_breaks_extraction(text):
    context = FfePropagator().extract({"X-Correlation-ID": text})
    assert 0 < requested_root(context).trace_id < 2**128


def test_baggage_is_read_with_or_without_a_trace():
    context = FfePropagator().extract({"baggage": "desk=7", "X-Correlation-ID": WANTED})
    assert baggage.get_baggage("desk", context) == "7"
    assert requested_root(context).correlation_id == WANTED


@pytest.mark.parametrize("name", ["X-Request-ID", "x-request-id"])
def test_the_header_name_is_configurable_and_found_in_lower_case(name):
    propagator = FfePropagator("X-Request-ID")
    assert requested_root(propagator.extract({name: WANTED})).correlation_id == WANTED
    assert requested_root(propagator.extract({"X-Correlation-ID": WANTED})) is None
    headers = {}
    propagator.inject(headers, context_of())
    assert headers["X-Request-ID"] == correlation_id(TRACE_ID)
    assert propagator.fields == {"traceparent", "tracestate", "baggage", "X-Request-ID"}


def test_repeated_headers_count_once():
    context = FfePropagator().extract({"X-Correlation-ID": ["", WANTED, "other"]})
    assert requested_root(context).correlation_id == WANTED


def test_the_header_name_comes_from_the_environment(monkeypatch, caplog):
    monkeypatch.setenv("FFE_OTEL__LOGGING__CORRELATION_ID_HEADER", "X-Desk")
    assert "X-Desk" in FfePropagator().fields
    monkeypatch.setenv("FFE_OTEL__LOGGING__CORRELATION_ID_HEADER", "not a: name")
    assert "X-Correlation-ID" in FfePropagator().fields
    assert "'not a: name'" in caplog.text


def test_the_header_goes_beside_any_other_propagators():
    propagator = FfePropagator("X-Run", beside=[W3CBaggagePropagator()])
    carrier = {}
    propagator.inject(carrier, baggage.set_baggage("k", "v", context_of()))
    assert carrier == {"baggage": "k=v", "X-Run": correlation_id(TRACE_ID)}
    assert propagator.fields == {"baggage", "X-Run"}
    context = propagator.extract({"traceparent": TRACEPARENT, "X-Run": WANTED})
    assert correlation_id(requested_root(context).trace_id) == WANTED


def test_an_impossible_header_name_is_refused():
    with pytest.raises(ValueError, match="no valid HTTP header name"):
        FfePropagator("X Correlation")


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("opentelemetry_propagator", FfePropagator),
        ("opentelemetry_id_generator", FfeIdGenerator),
        ("opentelemetry_traces_sampler", ConsistentRatioSampler),
        ("opentelemetry_sampler", ConsistentRatioSampler),
    ],
)
def test_opentelemetry_finds_each_part_by_name(group, expected):
    (found,) = entry_points(group=group, name="ffe_otel")
    assert isinstance(found.load()(), expected)
