# SPDX-License-Identifier: Apache-2.0
"""The span tree reads well and hides nothing that matters."""

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags

from ffe_otel._testing.repeatable import RepeatableIds
from ffe_otel._testing.tree import render


class Recorder:
    def __init__(self):
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(id_generator=RepeatableIds(), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")

    def start(self, name, parent=None, **attributes):
        context = Context() if parent is None else trace.set_span_in_context(parent, Context())
        # One start time for all: order must not hang on a clock that stands still.
        return self.tracer.start_span(name, context, attributes=attributes, start_time=1)

    def tree(self, *attributes, **options):
        return render(self.exporter.get_finished_spans(), attributes, **options).splitlines()


@pytest.fixture
def recorder():
    return Recorder()


def test_children_stand_under_their_parents_in_order_of_start(recorder):
    root = recorder.start("root")
    first = recorder.start("first", root)
    inner = recorder.start("inner", first)
    second = recorder.start("second", root)
    for span in (second, inner, first, root):
        span.end()
    assert recorder.tree() == ["root", "  first", "    inner", "  second"]


def test_several_roots_stand_in_order_of_start(recorder):
    roots = [recorder.start(name) for name in ("one", "two", "three")]
    for span in reversed(roots):
        span.end()
    assert recorder.tree() == ["one", "two", "three"]


def test_no_spans_give_an_empty_text(recorder):
    assert recorder.tree() == []


def test_attributes_are_selected_and_shortened(recorder):
    recorder.start("s", **{"a.kind": "x", "a.size": 2, "b.list": ["p", "q"], "c": True}).end()
    assert recorder.tree("a.size", "a.kind") == ["s{size=2, kind=x}"]
    assert recorder.tree("a.*", "a.kind") == ["s{kind=x, size=2}"]
    assert recorder.tree("b.list", "c") == ["s{list=[p, q], c=True}"]
    assert recorder.tree("missing") == ["s"]


def test_attributes_whose_short_names_clash_keep_their_long_ones(recorder):
    recorder.start("s", **{"a.outcome": "x", "b.outcome": "y", "b.reason": "z"}).end()
    assert recorder.tree("*") == ["s{a.outcome=x, b.outcome=y, reason=z}"]


def test_errors_and_events_are_marked(recorder):
    root = recorder.start("root")
    child = recorder.start("child", root)
    child.add_event("retry")
    child.set_status(StatusCode.ERROR, "ValueError: no price\nsecond line")
    child.end()
    root.set_status(StatusCode.ERROR)
    root.end()
    assert recorder.tree() == ["root ERROR", "  child ERROR: ValueError: no price", "    ! retry"]
    assert recorder.tree(events=False) == ["root ERROR", "  child ERROR: ValueError: no price"]


def test_a_span_without_its_parent_is_conspicuous(recorder):
    root = recorder.start("never ended")
    lost = recorder.start("lost", root)
    recorder.start("below", lost).end()
    lost.end()
    assert recorder.tree() == ["? lost", "  below"]


def test_a_remote_parent_is_nothing_to_wonder_about(recorder):
    remote = NonRecordingSpan(SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1)))
    recorder.start("server", remote).end()
    assert recorder.tree() == ["server"]


def test_depth_has_no_limit(recorder):
    spans = [recorder.start("0")]
    for depth in range(1, 3000):
        spans.append(recorder.start(str(depth), spans[-1]))
    for span in spans:
        span.end()
    assert recorder.tree()[-1] == "  " * 2999 + "2999"
