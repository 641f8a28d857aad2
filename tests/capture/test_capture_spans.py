# SPDX-License-Identifier: Apache-2.0
"""Our spans do what the SDK's do, on both sides of every limit."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from ffe_otel.correlation import ConsistentRatioSampler, FfeIdGenerator
from ffe_otel.export import seams
from ffe_otel.export.stats import ExportStats
from ffe_otel.redaction import Redactor, load_catalogue
from ffe_otel.sdk.provider import FfeTracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import Tracer

RESOURCE = Resource({"service.name": "test"})
ELSEWHERE = SpanContext(0xA, 0xB, is_remote=True, trace_flags=TraceFlags(1))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The SDK warns of each attribute that it drops."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def ours(sampler: Any = None) -> FfeTracerProvider:
    return FfeTracerProvider(
        sampler=sampler or ConsistentRatioSampler(1.0),
        resource=RESOURCE,
        id_generator=FfeIdGenerator(),
    )


def spans_of(provider: TracerProvider, work: Callable[[Tracer], None]) -> list[dict[str, Any]]:
    """What the spans look like that ``work`` leaves, without ids and times."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    work(provider.get_tracer("test", "1", "https://schema", {"scope": 1}))
    return [seen(span) for span in exporter.get_finished_spans()]


def seen(span: ReadableSpan) -> dict[str, Any]:
    assert span.start_time is not None
    assert span.end_time is not None
    return {
        "name": span.name,
        "kind": span.kind,
        "has parent": span.parent is not None,
        "status": (span.status.status_code, span.status.description),
        "in order": span.start_time <= span.end_time,
        "resource": span.resource.attributes,
        "scope": repr(span.instrumentation_scope),
        "attributes": list((span.attributes or {}).items()),
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "events": [
            (event.name, without_stack(event.attributes), event.dropped_attributes)
            for event in span.events
        ],
        "links": [
            (link.context, dict(link.attributes or {}), link.dropped_attributes)
            for link in span.links
        ],
    }


def without_stack(attributes: Any) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key != "exception.stacktrace"}


def attributes_of_all_types(tracer: Tracer) -> None:
    with tracer.start_as_current_span("name", attributes={"first": 1, "again": "a"}) as span:
        span.set_attribute("text", "x")
        span.set_attribute("again", "b")
        span.set_attributes({"int": 2, "float": 1.5, "bool": True, "bytes": b"b", "": 1})
        changing = [1, 2]
        span.set_attribute("list", changing)
        changing.append(3)
        span.set_attributes({"tuple": ("a", "b"), "mixed": [1, "a"], "none": None})
        span.set_attribute("object", threading.Event)
        span.set_attribute("map", {"a": {"b": [1]}})
        span.set_attribute("enum", StatusCode.OK)


def more_attributes_than_allowed(tracer: Tracer) -> None:
    with tracer.start_as_current_span("name", attributes={f"a{n}": n for n in range(10)}) as span:
        span.set_attributes({f"b{n}": n for n in range(10)})
        span.set_attribute("b0", 1)
        span.set_attribute("one more", True)


def events_and_links(tracer: Tracer) -> None:
    links = [Link(ELSEWHERE, {"a": 1}), Link(trace.INVALID_SPAN_CONTEXT), Link(ELSEWHERE)]
    with tracer.start_as_current_span("name", links=links, kind=SpanKind.SERVER) as span:
        for number in range(6):
            span.add_event(f"event {number}", {f"a{n}": n for n in range(number)})
            span.add_link(ELSEWHERE, {"number": number})
        span.add_link(trace.INVALID_SPAN_CONTEXT)
        span.update_name("other")


def links_later_only(tracer: Tracer) -> None:
    with tracer.start_as_current_span("name") as span:
        span.add_link(ELSEWHERE)


def statuses(tracer: Tracer) -> None:
    with tracer.start_as_current_span("a") as span:
        span.set_status(Status(StatusCode.ERROR, "broken"))
        span.set_status(StatusCode.OK)
        span.set_status(StatusCode.ERROR, "too late")
    with tracer.start_as_current_span("b") as span:
        span.set_status(StatusCode.ERROR, "broken")
        span.set_status(StatusCode.UNSET)


def errors(tracer: Tracer) -> None:
    for error in (ValueError("broken"), KeyboardInterrupt(), GeneratorExit()):
        for flags in ({}, {"record_exception": False}, {"set_status_on_exception": False}):
            with (
                pytest.raises(type(error)),
                tracer.start_as_current_span("name", **flags),  # type: ignore[arg-type]
            ):
                raise error
    with pytest.raises(ValueError, match="broken"), tracer.start_span("no current"):
        raise ValueError("broken")
    with tracer.start_as_current_span("recorded") as span:
        span.record_exception(ValueError("by hand"), {"more": 1})


def after_the_end(tracer: Tracer) -> None:
    span = tracer.start_span("name")
    span.end()
    span.end()
    span.set_attribute("late", 1)
    span.set_attributes({"late": 1})
    span.add_event("late")
    span.add_link(ELSEWHERE)
    span.set_status(StatusCode.ERROR)
    span.update_name("late")
    assert not span.is_recording()


def children(tracer: Tracer) -> None:
    with tracer.start_as_current_span("parent"):
        with tracer.start_as_current_span("child", end_on_exit=False) as child:
            tracer.start_span("grandchild").end()
        assert child.is_recording()
        child.end()
    remote = trace.set_span_in_context(trace.NonRecordingSpan(ELSEWHERE), otel_context.Context())
    tracer.start_span("of elsewhere", context=remote).end()


def decorated(tracer: Tracer) -> None:
    @tracer.start_as_current_span("sync", attributes={"a": 1})
    def work(number: int) -> int:
        """Documented."""
        if number:
            work(number - 1)
        return number

    @tracer.start_as_current_span("async")
    async def wait() -> str:
        before = trace.get_current_span()
        await asyncio.sleep(0)
        assert trace.get_current_span() is before
        assert before.is_recording()
        return work.__doc__ or ""

    async def both() -> list[str]:
        return await asyncio.gather(wait(), wait())

    assert work(2) == 2
    assert work.__name__ == "work"
    assert asyncio.iscoroutinefunction(wait)
    assert asyncio.run(both()) == ["Documented."] * 2


WORK = [
    attributes_of_all_types,
    more_attributes_than_allowed,
    events_and_links,
    links_later_only,
    statuses,
    errors,
    after_the_end,
    children,
    decorated,
]


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize(
    "variable",
    [
        "",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=5",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=0",
        "OTEL_SPAN_EVENT_COUNT_LIMIT=3",
        "OTEL_SPAN_LINK_COUNT_LIMIT=1",
    ],
)
def test_it_is_what_the_sdk_makes(
    work: Callable[[Tracer], None], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(*variable.split("="))

    assert spans_of(ours(), work) == spans_of(TracerProvider(resource=RESOURCE), work)


@pytest.mark.parametrize("work", [attributes_of_all_types, events_and_links])
def test_lengths_that_somebody_sets_hold(work: Callable[[Tracer], None]) -> None:
    provider, limits = ours(), SpanLimits(max_attribute_length=1, max_span_attribute_length=1)
    provider._span_limits = limits
    theirs = TracerProvider(resource=RESOURCE, span_limits=limits)

    mine, expected = spans_of(provider, work), spans_of(theirs, work)

    # What is installed later adopts the limits that it finds in memory.
    limits.max_attribute_length = limits.max_span_attribute_length = None
    assert mine == expected


def test_a_span_is_one_of_the_sdk() -> None:
    span = ours().get_tracer("test").start_span("name", attributes={"a": 1}, kind=SpanKind.CLIENT)
    root = ours().get_tracer("test").start_span("name", attributes={"a": 1})

    assert span is trace.INVALID_SPAN  # a client call outside every trace
    assert isinstance(root, Span)
    assert isinstance(root, ReadableSpan)
    assert root.attributes == {"a": 1}
    root.end()
    assert json.loads(root.to_json())["attributes"] == {"a": 1}
    with pytest.raises(TypeError):
        root.attributes["a"] = 2  # type: ignore[index]


class _Says(Sampler):
    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def should_sample(self, *_args: Any, **_kwargs: Any) -> SamplingResult:
        return SamplingResult(self._decision, {"sampler": "said so"})

    def get_description(self) -> str:
        return "says"


@pytest.mark.parametrize("decision", Decision)
def test_a_sampler_of_somebody_else_is_asked_every_time(decision: Decision) -> None:
    def work(tracer: Tracer) -> None:
        with tracer.start_as_current_span("parent", attributes={"lost": 1}):
            tracer.start_span("child").end()

    theirs = TracerProvider(resource=RESOURCE, sampler=_Says(decision))

    assert spans_of(ours(_Says(decision)), work) == spans_of(theirs, work)


def test_what_the_parent_was_the_child_is() -> None:
    for ratio in (0.0, 1.0):
        tracer = ours(ConsistentRatioSampler(ratio)).get_tracer("test")
        with tracer.start_as_current_span("parent") as parent:
            child = tracer.start_span("child")
        mine, own = parent.get_span_context(), child.get_span_context()
        assert own.trace_id == mine.trace_id
        assert own.trace_flags == mine.trace_flags
        assert own.trace_state == mine.trace_state
        assert own.trace_flags.sampled == bool(ratio)
        assert child.is_recording() == bool(ratio)


def test_all_processors_hear_of_a_span_in_the_sdks_order() -> None:
    heard: list[tuple[str, str, Any]] = []

    class Listener(SpanProcessor):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_start(self, span: Span, parent_context: Any = None) -> None:
            span.set_attribute(self.name, 1)
            heard.append(("start", self.name, parent_context))

        def _on_ending(self, span: Span) -> None:
            heard.append(("ending", self.name, span.is_recording()))

        def on_end(self, span: ReadableSpan) -> None:
            heard.append(("end", self.name, dict(span.attributes or {})))

    def work(provider: TracerProvider) -> list[Any]:
        heard.clear()
        provider.add_span_processor(Listener("a"))
        tracer = provider.get_tracer("test")
        first = tracer.start_span("first")
        provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
        provider.add_span_processor(Listener("b"))
        tracer.start_span("second", context=otel_context.Context()).end()
        first.end()
        provider.shutdown()
        return list(heard)

    assert work(ours()) == work(TracerProvider(resource=RESOURCE))


def test_many_threads_write_to_one_span() -> None:
    exporter = InMemorySpanExporter()
    provider = ours()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span: Any = provider.get_tracer("test").start_span("name")
    start = threading.Barrier(8)

    def write(thread: int) -> None:
        start.wait(10)
        for number in range(16):
            span.set_attribute(f"{thread}.{number}", number)
            span.add_event("event")
            assert dict(span.attributes)
        span.end()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    [finished] = exporter.get_finished_spans()
    assert 16 <= len(finished.attributes or {}) <= 128


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_the_engine_s_own_exception_comes_through_whatever_it_is() -> None:
    exporter = InMemorySpanExporter()
    provider = ours()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    error = Unspeakable()
    with (
        pytest.raises(Unspeakable) as raised,
        provider.get_tracer("test").start_as_current_span("name"),
    ):
        raise error
    assert raised.value is error
    [span] = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_the_thread_that_ends_a_span_redacts_nothing() -> None:
    class Telling(str):
        __slots__ = ()

        def __str__(self) -> str:
            readers.add(threading.current_thread())
            return "read"

    readers: set[threading.Thread] = set()
    exporter = InMemorySpanExporter()
    undo = seams.install(Redactor(load_catalogue()), ExportStats())
    try:
        provider = ours()
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=20))
        tracer = provider.get_tracer("test")
        tracer.start_span("name", attributes={"text": Telling("written")}).end()
        end = time.monotonic() + 10
        while not exporter.get_finished_spans() and time.monotonic() < end:
            time.sleep(0.01)
        provider.shutdown()
    finally:
        undo()

    [span] = exporter.get_finished_spans()
    assert span.attributes == {"text": "read"}
    assert readers
    assert threading.current_thread() not in readers
