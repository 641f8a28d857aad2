# SPDX-License-Identifier: Apache-2.0
"""Runs the engine with capture in this process and prints what its metric pages say."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import urllib.request

from finance_feedback_engine.__main__ import main as engine
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from prometheus_client import REGISTRY, generate_latest

import ffe_otel
from ffe_otel import semconv


class Cycles(SpanProcessor):
    """Remembers the trace ids of cycles."""

    def __init__(self) -> None:
        self.trace_ids: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        if span.name == semconv.SPAN_CYCLE:
            self.trace_ids.append(f"{span.context.trace_id:032x}")


def page(address: str, accept: str) -> str:
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def main() -> None:
    handle = ffe_otel.install()
    cycles = Cycles()
    handle.tracer_provider.add_span_processor(cycles)
    with contextlib.redirect_stdout(io.StringIO()):
        code = engine(sys.argv[1:])
    assert code == 0
    found = {
        "text": page(handle.page.address, "text/plain"),
        "openmetrics": page(handle.page.address, "application/openmetrics-text; version=1.0.0"),
        "engine": generate_latest(REGISTRY).decode(),
        "cycles": cycles.trace_ids,
    }
    handle.uninstall()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
