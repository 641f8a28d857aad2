# SPDX-License-Identifier: Apache-2.0
"""The OTLP writer beside the SDK's encoder, on what the cycles of ``overhead.py`` leave.

python benchmarks/encode.py [--repetitions 15]
"""

from __future__ import annotations

import argparse
import gc
import logging
import statistics
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs as sdk_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics as sdk_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as sdk_spans
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from overhead_candidates import by_api
from overhead_cycle import PACKAGE, Engine

from ffe_otel.export.encode import encode_logs, encode_metrics, encode_spans

if TYPE_CHECKING:
    from collections.abc import Callable


def telemetry(cycles: int) -> tuple[Any, Any, Any]:
    """Spans, log records and metrics of some cycles."""
    spans, records, reader = (
        InMemorySpanExporter(),
        InMemoryLogRecordExporter(),
        InMemoryMetricReader(),
    )
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    logs.add_log_record_processor(SimpleLogRecordProcessor(records))
    meters = MeterProvider([reader])
    logging.getLogger(PACKAGE).addHandler(LoggingHandler(logger_provider=logs))
    engine = Engine(by_api(traces.get_tracer("engine"), meters.get_meter("engine"), lambda: None))
    for _ in range(cycles):
        engine.cycle()
    return spans.get_finished_spans(), records.get_finished_logs(), reader.get_metrics_data()


def seconds(work: Callable[[], Any]) -> float:
    """CPU of one call."""
    gc.collect()
    began = time.thread_time()
    work()
    return time.thread_time() - began


def main() -> None:
    """Measure in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=15)
    repetitions = parser.parse_args().repetitions
    spans, records, metrics = telemetry(25)
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "500 spans": (lambda: sdk_spans(spans).SerializeToString(), lambda: encode_spans(spans)),
        "1000 logs": (lambda: sdk_logs(records).SerializeToString(), lambda: encode_logs(records)),
        "120 points": (
            lambda: [sdk_metrics(metrics).SerializeToString() for _ in range(20)],
            lambda: [encode_metrics(metrics) for _ in range(20)],
        ),
    }
    print("| | SDK ms | ours ms | ratio (lowest to highest) |\n|---|---|---|---|")
    for name, (theirs, ours) in pairs.items():
        runs = [(seconds(theirs), seconds(ours)) for _ in range(repetitions)]
        ratios = [b / a for a, b in runs]
        middle = [statistics.median(column) * 1e3 for column in zip(*runs, strict=True)]
        print(
            f"| {name} | {middle[0]:.2f} | {middle[1]:.2f} | {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}) |"
        )


if __name__ == "__main__":
    main()
