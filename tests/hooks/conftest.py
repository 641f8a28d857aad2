# SPDX-License-Identifier: Apache-2.0
"""Runs of the reference engine inside a test, with its telemetry in memory."""

from __future__ import annotations

import asyncio
import gc
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.sdk.trace import ReadableSpan


@dataclass(frozen=True)
class Trace:
    """One trace, with the look-ups that tests need."""

    spans: tuple[ReadableSpan, ...]

    @property
    def root(self) -> ReadableSpan:
        (root,) = (span for span in self.spans if span.parent is None)
        return root

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.root.attributes or {})

    def named(self, name: str, **attributes: object) -> list[ReadableSpan]:
        """Spans of a name; attributes are matched by the last part of their own name."""
        return [
            span
            for span in self.spans
            if span.name == name
            and all(_last_parts(span).get(key) == value for key, value in attributes.items())
        ]

    def one(self, name: str, **attributes: object) -> ReadableSpan:
        (span,) = self.named(name, **attributes)
        return span

    def path(self, span: ReadableSpan) -> list[str]:
        """Names from the root down to ``span``."""
        by_id = {each.context.span_id: each for each in self.spans}
        names = [span.name]
        while span.parent is not None:
            span = by_id[span.parent.span_id]
            names.insert(0, span.name)
        return names

    @property
    def failed(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.status.status_code is StatusCode.ERROR]


def _last_parts(span: ReadableSpan) -> dict[str, Any]:
    return {name.rpartition(".")[2]: value for name, value in (span.attributes or {}).items()}


def traces(spans: Iterable[ReadableSpan]) -> list[Trace]:
    """Spans sorted into traces, in the order in which the roots began."""
    sorted_in: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        sorted_in.setdefault(span.context.trace_id, []).append(span)
    found = [Trace(tuple(each)) for each in sorted_in.values()]
    return sorted(found, key=lambda trace: trace.root.context.span_id)


class Engine:
    """The reference engine, hooked.

    Attributes:
        session: the run's parts: ``engine``, ``agent``, ``monitor``.
        summary: what the engine itself says it did; empty until it has run.
    """

    def __init__(self, telemetry: Any, session: Any) -> None:
        self.telemetry = telemetry
        self.session = session
        self.summary: dict[str, Any] = {}

    @property
    def agent(self) -> Any:
        return self.session.agent

    def run(self) -> Engine:
        asyncio.run(self.session.run())
        self.summary = self.session.summary()
        return self

    @property
    def traces(self) -> list[Trace]:
        return traces(self.telemetry.spans)

    @property
    def cycles(self) -> list[Trace]:
        return [trace for trace in self.traces if trace.root.name == semconv.SPAN_CYCLE]

    def value(self, metric: semconv.Metric, **labels: str) -> float | None:
        return self.telemetry.metric_value(metric.name, **labels)

    def labels(self, metric: semconv.Metric) -> list[dict[str, object]]:
        return [dict(point.labels) for point in self.telemetry.metrics().get(metric.name, ())]

    @property
    def hook_failures(self) -> dict[str, int]:
        return {
            status.hook.name: status.failures
            for status in self.telemetry.handle.hooks.report()
            if status.failures
        } | self.telemetry.handle.runtime.failures


@pytest.fixture
def start_engine(ffe_telemetry, tmp_path, monkeypatch) -> Iterable[Callable[..., Engine]]:
    """Build a hooked engine; ``run`` it, or drive its agent by hand."""
    from finance_feedback_engine.options import Options
    from finance_feedback_engine.session import Session

    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    sessions = []

    def start(*, faults: Iterable[str] = (), **options: Any) -> Engine:
        given = {"cycles": 1, "interval": 0.0, "llm_latency": 0.0, "data_latency": 0.0}
        session = Session(
            Options(
                **(given | options),
                faults=frozenset(faults),
                state_dir=tmp_path / f"engine-{len(sessions)}",
            )
        )
        sessions.append(session)
        return Engine(ffe_telemetry, session)

    yield start
    while sessions:
        sessions.pop().close()
    with warnings.catch_warnings():
        # Like the real one, the engine leaves its HTTP connections to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def run_engine(start_engine) -> Callable[..., Engine]:
    """Run the hooked engine to its end."""
    return lambda **options: start_engine(**options).run()
