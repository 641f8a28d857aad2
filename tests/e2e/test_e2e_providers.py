# SPDX-License-Identifier: Apache-2.0
"""Tracer providers and span processors of others that are there first keep what they had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from programs import run

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-live-0123456789abcdefghij"
PROGRAM = """
import json
import pathlib
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ffe_otel
from ffe_otel.testing import quiet_config

theirs, ours = InMemorySpanExporter(), InMemorySpanExporter()
{setup}
handle = ffe_otel.install(quiet_config(pathlib.Path.cwd()), span_exporter=ours)
engine, other = trace.get_tracer("engine"), own.get_tracer("x")
for name, tracer in (("of the API", engine), ("of theirs", other)):
    with tracer.start_as_current_span(name, attributes={{"api_key": "{secret}"}}) as span:
        span.add_event("seen", {{"api_key": "{secret}"}})
with ffe_otel.cycle("agent"):
    pass
own.force_flush()
handle.flush()
seen = [theirs.get_finished_spans(), ours.get_finished_spans()]
handle.uninstall()
with own.get_tracer("x").start_as_current_span("afterwards"):
    pass
own.force_flush()
print(json.dumps({{
    "theirs": [span.name for span in seen[0]],
    "ours": [span.name for span in seen[1]],
    "afterwards": [len(each.get_finished_spans()) for each in (theirs, ours)],
    "leaked": "{secret}" in "".join(span.to_json() for each in seen for span in each),
}}))
"""
BOTH = ["of the API", "of theirs"]
OF_SDK = """
own = TracerProvider()
own.add_span_processor({processor})
trace.set_tracer_provider(own)
"""
SETUPS = {
    "a provider that puts another processor in the place of its own": """
class Provider(TracerProvider):
    def __init__(self):
        super().__init__()
        self.default = SimpleSpanProcessor(theirs)
        super().add_span_processor(self.default)

    def add_span_processor(self, span_processor, replace=True):
        if self.default is not None and replace:
            self._active_span_processor._span_processors = ()
            self.default.shutdown()
            self.default = None
        super().add_span_processor(span_processor)

own = Provider()
trace.set_tracer_provider(own)
""",
    "a provider that is none of the SDK's": """
class Provider(trace.TracerProvider):
    def __init__(self):
        self.inner = TracerProvider()
        self.inner.add_span_processor(SimpleSpanProcessor(theirs))

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def get_tracer(self, *args, **kwargs):
        return self.inner.get_tracer(*args, **kwargs)

own = Provider()
trace.set_tracer_provider(own)
""",
    "a provider with a processor of its own": """
class Mine(SpanProcessor):
    __slots__ = ("_to",)

    def __init__(self, to):
        self._to = to

    def on_end(self, span):
        self._to.export((span,))

own = TracerProvider(active_span_processor=Mine(theirs))
early = own.get_tracer("x")
trace.set_tracer_provider(own)
""",
    "a batch processor with an own beginning": """
class Mine(BatchSpanProcessor):
    def __init__(self, where):
        self.where = where
        super().__init__(theirs, schedule_delay_millis=60_000)
"""
    + OF_SDK.format(processor='Mine("there")'),
    "a batch processor with an own end": """
class Mine(BatchSpanProcessor):
    def on_end(self, span):
        if span.name:
            super().on_end(span)
"""
    + OF_SDK.format(processor="Mine(theirs)"),
    "a simple processor that keeps its exporter elsewhere": """
class Mine(SimpleSpanProcessor):
    def __init__(self, to):
        self.to = to

    def on_end(self, span):
        self.to.export((span,))

    def shutdown(self):
        pass
"""
    + OF_SDK.format(processor="Mine(theirs)"),
    "a simple processor that shows its exporter later": """
class Mine(SimpleSpanProcessor):
    def __init__(self, to):
        self.to = to

    @property
    def span_exporter(self):
        return self.to

    def on_end(self, span):
        self.span_exporter.export((span,))

    def shutdown(self):
        pass
"""
    + OF_SDK.format(processor="Mine(theirs)"),
    "a multi processor with an own end": """
class Mine(SynchronousMultiSpanProcessor):
    def on_end(self, span):
        super().on_end(span)

several = Mine()
several.add_span_processor(SimpleSpanProcessor(theirs))
"""
    + OF_SDK.format(processor="several"),
}
CLOSED = ["a provider with a processor of its own"]


@pytest.mark.parametrize("setup", SETUPS)
def test_those_that_are_there_first_get_what_they_got_redacted(setup: str, tmp_path: Path) -> None:
    program = PROGRAM.format(setup=SETUPS[setup], secret=SECRET)
    done = run(program, tmp_path, OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert seen["leaked"] is False
    assert seen["theirs"] == BOTH
    if setup in CLOSED:
        assert seen["ours"] == ["ffe.cycle"]
        assert "takes no more span processors" in done.stderr
    else:
        # The engine's come along to us, beside the cycle.
        assert seen["ours"] == [*BOTH, "ffe.cycle"]
    assert seen["afterwards"] == [3, len(seen["ours"])]
    assert "Traceback" not in done.stderr
    assert "not allowed" not in done.stderr
