# SPDX-License-Identifier: Apache-2.0
"""What is open when the process ends goes out with all that was known by then."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import Status, StatusCode

import ffe_otel
from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry import trace
    from opentelemetry.sdk.trace import ReadableSpan

    from ffe_otel._testing.telemetry import Telemetry
    from ffe_otel.capture.steps.base import Step


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    return False


@pytest.fixture
def entered() -> Iterator[Any]:
    """Enter steps now and leave them when the test is over."""
    steps: list[Any] = []

    def enter(step: Step) -> Any:
        step.__enter__()
        steps.append(step)
        return step

    yield enter
    for step in reversed(steps):
        step.__exit__(None, None, None)


def abort(telemetry: Telemetry) -> int:
    """End what is open, on a thread without a context like the one for SIGTERM."""
    runtime = telemetry.handle.runtime
    assert runtime is not None
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(runtime.abort_open()))
    thread.start()
    thread.join(10)
    return found[0]


def engine_tracer(telemetry: Telemetry) -> trace.Tracer:
    assert telemetry.handle.tracer_provider is not None
    return telemetry.handle.tracer_provider.get_tracer("engine")


def by_name(telemetry: Telemetry) -> dict[str, ReadableSpan]:
    return {s.name: s for s in telemetry.spans}


def test_an_aborted_cycle_says_what_it_had_come_to(ffe_telemetry: Telemetry, entered: Any) -> None:
    cycle = entered(ffe_otel.cycle(["BTCUSD"]))
    with ffe_otel.llm_call("ollama", "m") as call:
        call.tokens(10, 5)
    cycle.error("no data", "perception")
    ffe_telemetry.clock.advance(2.0)
    assert abort(ffe_telemetry) == 1
    span = by_name(ffe_telemetry)["ffe.cycle"]
    said = span.attributes or {}
    assert said[semconv.ABORTED] is True
    assert said[semconv.CYCLE_OUTCOME] == "aborted"
    assert said[semconv.CYCLE_REASON] == "process_ended"
    assert said[semconv.CYCLE_ERRORS] == 1
    assert said[semconv.LLM_TOKENS] == 15
    assert span.status.status_code is StatusCode.ERROR
    (point,) = ffe_telemetry.metrics()[semconv.CYCLE_DURATION.name]
    assert point.value == 2.0
    assert point.trace_ids == (format(span.context.trace_id, "032x"),)


def test_an_aborted_call_has_status_cost_event_and_metrics(
    ffe_telemetry: Telemetry, entered: Any
) -> None:
    entered(ffe_otel.cycle())
    call = entered(ffe_otel.llm_call("ollama", "m"))
    call.tokens(10, 5)
    ffe_telemetry.clock.advance(3.0)
    assert abort(ffe_telemetry) == 2
    spans = by_name(ffe_telemetry)
    said = spans["chat m"].attributes or {}
    assert said[semconv.LLM_STATUS] == "failure"
    assert said[semconv.LLM_COST_USD] == 0.0
    (event,) = ffe_telemetry.events(semconv.EVENT_LLM_CALL)
    assert (event["duration_ms"], event["tokens_used"]) == (3000.0, 15)
    assert ffe_telemetry.metric_value(semconv.LLM_TOKENS_TOTAL.name) == 15
    assert (spans["ffe.cycle"].attributes or {})[semconv.LLM_TOKENS] == 15


def test_an_aborted_step_outside_a_cycle_is_recorded_too(
    ffe_telemetry: Telemetry, entered: Any
) -> None:
    entered(ffe_otel.data_fetch("coinbase", "candles"))
    assert abort(ffe_telemetry) == 1
    (event,) = ffe_telemetry.events(semconv.EVENT_API_LATENCY)
    assert event["status_code"] == 0


def test_an_order_that_was_filled_before_the_end_was_executed(
    ffe_telemetry: Telemetry, entered: Any
) -> None:
    cycle = entered(ffe_otel.cycle())
    entered(ffe_otel.trade("BTCUSD", "BUY", "paper")).filled(order_id="o-1")
    with ffe_otel.trade("EURUSD", "BUY", "paper") as other:
        other.rejected("closed")
    entered(ffe_otel.trade("ETHUSD", "BUY", "paper"))
    assert abort(ffe_telemetry) == 3
    (event,) = ffe_telemetry.events(semconv.EVENT_TRADE)
    assert event["asset_pair"] == "BTCUSD"
    said = by_name(ffe_telemetry)[cycle.name].attributes or {}
    assert said[semconv.TRADE_ORDER_ID] == "o-1"
    assert said[semconv.CYCLE_OUTCOME] == "aborted"


def test_what_was_aborted_is_not_recorded_again_when_the_code_goes_on(
    ffe_telemetry: Telemetry,
) -> None:
    with ffe_otel.cycle(), ffe_otel.phase("reasoning"), ffe_otel.llm_call("ollama", "m"):
        abort(ffe_telemetry)
    assert len(ffe_telemetry.spans) == 3
    assert len(ffe_telemetry.events(semconv.EVENT_LLM_CALL)) == 1
    (point,) = ffe_telemetry.metrics()[semconv.CYCLE_DURATION.name]
    assert point.count == 1


def test_spans_of_the_engine_are_ended_too_and_children_first(
    ffe_telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    tracer = engine_tracer(ffe_telemetry)
    with (
        ffe_otel.cycle(),
        ffe_otel.phase("reasoning"),
        tracer.start_as_current_span("decision.generate"),
    ):
        with ffe_otel.llm_call("ollama", "done"):
            pass
        with ffe_otel.llm_call("ollama", "open"), tracer.start_as_current_span("POST"):
            assert abort(ffe_telemetry) == 5
    ended = [s.name for s in ffe_telemetry.spans]
    assert ended == [
        "chat done",
        "POST",
        "chat open",
        "decision.generate",
        "ffe.phase.reasoning",
        "ffe.cycle",
    ]
    spans = by_name(ffe_telemetry)
    assert (spans["decision.generate"].attributes or {})[semconv.ABORTED] is True
    assert spans["decision.generate"].status.status_code is StatusCode.ERROR
    assert semconv.ABORTED not in (spans["chat done"].attributes or {})
    ids = {s.context.span_id for s in ffe_telemetry.spans}
    assert {s.parent.span_id for s in ffe_telemetry.spans if s.parent} <= ids
    # The engine ends its span once more, which is not its mistake.
    assert caplog.text == ""


def test_a_failure_that_the_engine_named_stays(ffe_telemetry: Telemetry) -> None:
    with engine_tracer(ffe_telemetry).start_as_current_span("analysis") as span:
        span.set_status(Status(StatusCode.ERROR, "no quorum"))
        abort(ffe_telemetry)
    assert by_name(ffe_telemetry)["analysis"].status.description == "no quorum"


def test_spans_that_ended_or_were_dropped_are_not_kept(ffe_telemetry: Telemetry) -> None:
    tracer = engine_tracer(ffe_telemetry)
    with tracer.start_as_current_span("ended") as span:
        ended = weakref.ref(span)
    dropped = weakref.ref(tracer.start_span("dropped"))
    del span
    gc.collect()
    assert (ended(), dropped()) == (None, None)
    assert abort(ffe_telemetry) == 0


def test_a_failing_step_does_not_keep_the_others(ffe_telemetry: Telemetry, entered: Any) -> None:
    entered(ffe_otel.cycle())
    entered(ffe_otel.llm_call("ollama", "m"))
    runtime = ffe_telemetry.handle.runtime
    assert runtime is not None
    prices, runtime.prices = runtime.prices, None  # type: ignore[assignment]
    try:
        assert abort(ffe_telemetry) == 2
    finally:
        runtime.prices = prices
    assert set(by_name(ffe_telemetry)) == {"ffe.cycle", "chat m"}
    assert runtime.failures == {"abort": 1}
