# SPDX-License-Identifier: Apache-2.0
"""Times of a trace go on when somebody sets the wall clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ffe_otel
from ffe_otel import install, testing
from ffe_otel.correlation import ConsistentRatioSampler, FfeIdGenerator
from ffe_otel.sdk.provider import FfeTracerProvider
from ffe_otel.sdk.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
START = 1_700_000_000 * SECOND


class Clocks:
    """A wall clock that may be set, and one that cannot be."""

    def __init__(self) -> None:
        self.wall, self.elapsed = START, 0

    def pass_by(self, seconds: float) -> None:
        self.wall += round(seconds * SECOND)
        self.elapsed += round(seconds * SECOND)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(params=[True, False], ids=["ours", "the SDK's"])
def provider(
    request: pytest.FixtureRequest, clocks: Clocks, spans: InMemorySpanExporter
) -> Iterator[FfeTracerProvider]:
    made = FfeTracerProvider(
        sampler=ConsistentRatioSampler(1.0), resource=Resource({}), id_generator=FfeIdGenerator()
    )
    made.fast = request.param
    made.timeline = lambda: Timeline(lambda: clocks.wall, lambda: clocks.elapsed)
    made.add_span_processor(SimpleSpanProcessor(spans))
    yield made
    made.shutdown()


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def lasted(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / SECOND


def within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    times: Any = (outer.start_time, inner.start_time, inner.end_time, outer.end_time)
    return sorted(times) == list(times)


@pytest.mark.parametrize("step", [-HOUR, HOUR, -50 * 365 * 24 * HOUR])
def test_a_clock_that_is_set_moves_no_span_out_of_its_cycle(
    step: int, clocks: Clocks, tmp_path: Path
) -> None:
    exporter = InMemorySpanExporter()
    handle = install(
        testing.quiet_config(tmp_path),
        span_exporter=exporter,
        clock=lambda: clocks.wall,
        monotonic=lambda: clocks.elapsed,
        hooks=False,
        set_global=False,
    )
    assert handle.tracer_provider is not None
    tracer = handle.tracer_provider.get_tracer("engine")
    with ffe_otel.cycle("agent") as cycle:
        clocks.pass_by(1)
        with ffe_otel.phase("perception"):
            clocks.wall += step
            clocks.pass_by(2)
            with tracer.start_as_current_span("engine.work") as span:
                clocks.pass_by(3)
                span.add_event("seen")
                span.record_exception(ValueError("text"))
                cycle.event("noted")
            with ffe_otel.llm_call("openai", "gpt") as call:
                clocks.pass_by(1)
                call.event("asked")
    with ffe_otel.cycle("agent"):
        clocks.pass_by(1)
    handle.uninstall()
    ended = exporter.get_finished_spans()
    first, second = (span for span in ended if span.name == "ffe.cycle")
    named = {span.name: span for span in ended if span is not second}
    assert first.start_time == START
    assert {name: lasted(span) for name, span in named.items() if "chat" not in name} == {
        "ffe.cycle": 7, "ffe.phase.perception": 6, "engine.work": 3,
    }  # fmt: skip
    for span in named.values():
        assert within(span, first)
        for event in span.events:
            assert span.start_time <= event.timestamp <= span.end_time  # type: ignore[operator]
    # What comes next is on the clock as it is now.
    assert second.start_time == START + step + 7 * SECOND
    assert lasted(second) == 1


def test_a_span_with_a_start_of_its_own_ends_when_it_ends(
    provider: FfeTracerProvider, clocks: Clocks, spans: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("engine")
    past = tracer.start_span("past", Context(), start_time=START - 5 * SECOND)
    ahead = tracer.start_span("ahead", Context(), start_time=START + HOUR)
    clocks.pass_by(2)
    past.end()
    ahead.end()
    found = by_name(spans)
    assert lasted(found["past"]) == 7
    # Somebody's clock was an hour ahead.
    assert lasted(found["ahead"]) == 2


def test_an_end_that_somebody_gives_is_never_before_the_start(
    provider: FfeTracerProvider, clocks: Clocks, spans: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("engine")
    given, set_back = (tracer.start_span(name, Context()) for name in ("given", "set back"))
    clocks.pass_by(2)
    given.end(clocks.wall - SECOND)
    clocks.wall -= HOUR
    set_back.end(clocks.wall)
    found = by_name(spans)
    assert lasted(found["given"]) == 1
    assert lasted(found["set back"]) == 2


def test_children_of_a_span_keep_its_time(
    provider: FfeTracerProvider, clocks: Clocks, spans: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("engine")
    with tracer.start_as_current_span("root", Context()):
        clocks.pass_by(1)
        clocks.wall -= HOUR
        with provider.get_tracer("other").start_as_current_span("child") as child:
            clocks.pass_by(1)
            child.add_event("seen")
        clocks.pass_by(1)
    found = by_name(spans)
    assert within(found["child"], found["root"])
    assert (lasted(found["root"]), lasted(found["child"])) == (3, 1)
    assert found["child"].events[0].timestamp == START + 2 * SECOND
