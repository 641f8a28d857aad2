# SPDX-License-Identifier: Apache-2.0
"""An agent with a big mouth: says every secret of a plan in the surface that the plan names.

``ffe-otel run -- python canary_program.py PLAN.json OUTPUT GRPC_ENDPOINT HTTP_ENDPOINT``.
Redaction is whatever `ffe_otel` brings; nothing here knows of it.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import logging
import subprocess
import sys
import urllib.request
from collections import defaultdict
from pathlib import Path

import requests
from opentelemetry import baggage, context, metrics, trace
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetrics,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

import ffe_otel

_log = logging.getLogger("engine")
_LABEL_SETS = 150
_FLUSH_EVERY = 400


class BaggageToAttributes(SpanProcessor):
    """Copies baggage to spans, as OpenTelemetry's own processor of that name does."""

    def on_start(self, span, parent_context=None):
        for key, value in baggage.get_all(parent_context).items():
            span.set_attribute(key, value)


class Program:
    """Says rows; ``metrics`` and ``resources`` wait for others of their sort."""

    def __init__(self, sink: str) -> None:
        self.sink = sink
        self.tracer = trace.get_tracer("canary")
        self.labels: list[dict] = []
        self.exemplars: list[dict] = []
        self.resources: list[dict] = []
        self.subprocess: list[dict] = []

    def say(self, row: dict) -> None:
        getattr(self, row["surface"])(row)

    @contextlib.contextmanager
    def span(self, row, name="canary", **options):
        attributes = {"canary.mark": row["mark"]}
        with self.tracer.start_as_current_span(name, attributes=attributes, **options) as span:
            yield span

    # Spans
    def span_attribute(self, row):
        with self.span(row) as span:
            span.set_attribute(row["key"], row["value"])

    def span_list(self, row):
        with self.span(row) as span:
            span.set_attribute(row["key"], ["first", row["value"]])

    def span_bytes(self, row):
        with self.span(row) as span:
            span.set_attribute(row["key"], row["value"].encode())

    def span_nested(self, row):
        with self.span(row) as span:
            span.set_attribute("config", {"outer": [{row["key"]: row["value"]}]})

    def span_json(self, row):
        with self.span(row) as span:
            span.set_attribute("payload", json.dumps({"limit": 5, row["key"]: row["value"]}))

    def span_name(self, row):
        with self.span(row, row["text"]):
            pass

    def span_attribute_key(self, row):
        with self.span(row) as span:
            span.set_attribute(row["text"], 1)

    def span_text(self, row):
        with self.span(row) as span:
            span.set_attribute("note", row["text"])

    def event_attribute(self, row):
        with self.span(row) as span:
            span.add_event("retry", {row["key"]: row["value"]})

    def event_name(self, row):
        with self.span(row) as span:
            span.add_event(row["text"])

    def exception(self, row):
        with contextlib.suppress(ConnectionError), self.span(row):
            _refuse(row["text"])

    def stack(self, row):
        """An exception in source code that holds the secret, which the traceback quotes."""
        name = f"<{row['mark']}>"
        source = f"def connect():\n    raise ValueError(len({row['text']!r}))\n"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        names: dict = {}
        exec(compile(source, name, "exec"), names)
        with contextlib.suppress(ValueError), self.span(row):
            names["connect"]()

    def status(self, row):
        with self.span(row) as span:
            span.set_status(Status(StatusCode.ERROR, row["text"]))

    def link(self, row):
        other = SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1))
        with self.span(row, links=[Link(other, {row["key"]: row["value"]})]):
            pass

    def scope_name(self, row):
        with trace.get_tracer(row["text"]).start_as_current_span("canary") as span:
            span.set_attribute("canary.mark", row["mark"])

    def scope_attribute(self, row):
        tracer = trace.get_tracer("canary", "1", attributes={row["key"]: row["value"]})
        with tracer.start_as_current_span("canary") as span:
            span.set_attribute("canary.mark", row["mark"])

    def baggage(self, row):
        token = context.attach(baggage.set_baggage(row["key"], row["value"]))
        with self.span(row):
            pass
        context.detach(token)

    def url(self, row):
        """A real request whose query holds the field; the client's instrumentation sees it."""
        with self.span(row) as span:
            answer = requests.get(
                f"{self.sink}/v1/quotes",
                {"symbol": "AAPL", "mark": row["mark"], row["key"]: row["value"]},
                timeout=10,
            )
            span.set_attribute("url.full", answer.url)
            _log.info("GET %s %d", answer.url, answer.status_code)

    def url_error(self, row):
        with self.span(row):
            try:
                requests.get(f"http://127.0.0.1:9/{row['text']}", timeout=10)
            except requests.RequestException as error:
                _log.exception("request failed: %s", error, extra={"mark": row["mark"]})

    def header(self, row):
        with self.span(row) as span:
            name = row["key"].lower()
            span.set_attribute(f"http.request.header.{name}", [row["value"]])
            headers = {"Accept": "*/*", row["key"]: row["value"]}
            _log.info("sending with headers %s", headers, extra={"mark": row["mark"]})

    # Logs
    def log_body(self, row):
        _log.warning(row["text"], extra={"mark": row["mark"]})

    def log_args(self, row):
        _log.info("settings: %s", {row["key"]: row["value"]}, extra={"mark": row["mark"]})

    def log_extra(self, row):
        _log.info("connected", extra={"mark": row["mark"], row["key"]: row["value"]})

    def log_nested(self, row):
        nested = {"settings": {"list": [{row["key"]: row["value"]}]}}
        _log.info("connected", extra={"mark": row["mark"], **nested})

    def log_exception(self, row):
        try:
            _refuse(row["text"])
        except ConnectionError:
            _log.exception("cannot connect", extra={"mark": row["mark"]})

    def logger_name(self, row):
        logging.getLogger(row["text"]).error("cannot connect", extra={"mark": row["mark"]})

    def log_key(self, row):
        _log.info("connected", extra={"mark": row["mark"], row["text"]: True})

    def subprocess_output(self, row):
        self.subprocess.append(row)

    # What the hooks and the manual API take
    def prompt(self, row):
        with ffe_otel.cycle(["EURUSD"]), ffe_otel.llm_call("ollama", "llama3.2") as call:
            call.content(f"You trade EURUSD.\n{row['text']}\nRow {row['mark']}", "hold")

    def completion(self, row):
        with ffe_otel.cycle(["EURUSD"]), ffe_otel.llm_call("ollama", "llama3.2") as call:
            answer = {"mark": row["mark"], "action": "HOLD", "reasoning": row["text"]}
            call.content("You trade EURUSD.", json.dumps(answer))

    def correlation_id(self, row):
        with ffe_otel.cycle(["EURUSD"], correlation_id=row["text"]) as cycle:
            cycle.set({"canary.mark": row["mark"]})
            _log.info("analysing", extra={"mark": row["mark"]})

    def risk_reason(self, row):
        with ffe_otel.cycle(["EURUSD"]) as cycle, ffe_otel.risk_check("EURUSD") as check:
            check.reject(row["text"], "policy")
            cycle.set({"canary.mark": row["mark"]})

    # Metrics and resources come in groups
    def metric_label(self, row):
        self.labels.append({"mark": row["mark"], row["key"]: row["value"]})

    def metric_text(self, row):
        self.labels.append({"mark": row["mark"], "error": row["text"]})

    def exemplar(self, row):
        self.exemplars.append(row)

    def resource(self, row):
        self.resources.append(row)

    def say_groups(self, http, grpc):
        self._say_subprocess()
        self._say_labels()
        self._say_exemplars(http, grpc)
        self._say_resources(http, grpc)

    def _say_subprocess(self):
        """A child prints what it is told; its output is logged as programs do."""
        told = json.dumps([row["text"] for row in self.subprocess]).encode()
        code = "import sys, json\nfor t in json.load(sys.stdin): print(t, end='\\0')"
        child = [sys.executable, "-c", code]
        printed = subprocess.run(child, input=told, capture_output=True, check=True).stdout
        for number, (row, said) in enumerate(
            zip(self.subprocess, printed.split(b"\0"), strict=False)
        ):
            extra = {"mark": row["mark"]}
            if number % 3 == 0:
                _log.error("ollama says %r", said, extra=extra)
            elif number % 3 == 1:
                _log.error("output: %s", said.decode(), extra=extra)
            else:
                _log.error("%s", subprocess.CompletedProcess(["ollama"], 1, said), extra=extra)

    def _say_labels(self):
        for start in range(0, len(self.labels), _LABEL_SETS):
            scope = "ffe_otel.canary" if start // _LABEL_SETS % 2 else "canary"
            counter = metrics.get_meter(scope).create_counter(f"canary.labels.{start}")
            for labels in self.labels[start : start + _LABEL_SETS]:
                counter.add(1, labels)

    def _say_exemplars(self, http, grpc):
        """Only a view makes a label an exemplar's: the program's own provider has one."""
        readers = [
            PeriodicExportingMetricReader(OTLPMetricExporter(f"{http}/v1/metrics"), 1e9),
            PeriodicExportingMetricReader(GrpcMetrics(grpc, insecure=True), 1e9),
        ]
        views = [View(instrument_name="canary.*", attribute_keys={"mark"})]
        provider = MeterProvider(readers, views=views)
        sampled = SpanContext(3, 4, is_remote=False, trace_flags=TraceFlags(1))
        inside = trace.set_span_in_context(trace.NonRecordingSpan(sampled))
        for start in range(0, len(self.exemplars), _LABEL_SETS):
            histogram = provider.get_meter("canary").create_histogram(f"canary.exemplars.{start}")
            for row in self.exemplars[start : start + _LABEL_SETS]:
                labels = {"mark": row["mark"], row["key"]: row["value"]}
                histogram.record(1.0, labels, context=inside)
        provider.shutdown()

    def _say_resources(self, http, grpc):
        """Later providers of the program's own, as many as there are values of one key."""
        groups: list[dict[str, str]] = []
        marks: list[list[str]] = []
        turns: dict[str, int] = defaultdict(int)
        for row in self.resources:
            turn = turns[row["key"]]
            turns[row["key"]] += 1
            if turn == len(groups):
                groups.append({})
                marks.append([])
            groups[turn][row["key"]] = row["value"]
            marks[turn].append(row["mark"])
        for group, names in zip(groups, marks, strict=True):
            provider = TracerProvider(resource=Resource({"service.name": "own", **group}))
            for exporter in (OTLPSpanExporter(f"{http}/v1/traces"), GrpcSpans(grpc, insecure=True)):
                provider.add_span_processor(SimpleSpanProcessor(exporter))
            with provider.get_tracer("own").start_as_current_span("own") as span:
                span.set_attribute("canary.marks", names)
            provider.shutdown()


def _refuse(text: str) -> None:
    raise ConnectionError(text)


def main() -> None:
    plan, output, grpc, http = sys.argv[1:]
    _log.setLevel(logging.INFO)
    handle = ffe_otel.install()
    provider = handle.tracer_provider
    provider.add_span_processor(BaggageToAttributes())
    provider.add_span_processor(BatchSpanProcessor(GrpcSpans(grpc, insecure=True)))
    handle.logger_provider.add_log_record_processor(
        BatchLogRecordProcessor(GrpcLogs(grpc, insecure=True))
    )
    reader = PeriodicExportingMetricReader(GrpcMetrics(grpc, insecure=True), 1e9)
    handle.meter_provider.add_metric_reader(reader)
    program = Program(http)
    for number, row in enumerate(json.loads(Path(plan).read_text())):
        program.say(row)
        if number % _FLUSH_EVERY == 0:
            handle.flush(30)
    program.say_groups(http, grpc)
    handle.flush(30)
    # The provider's flush knows only the readers that it was made with.
    reader.force_flush(30_000)
    _save_pages(Path(output), handle.page)


def _save_pages(output: Path, page) -> None:
    from prometheus_client import REGISTRY, generate_latest

    for number, accept in enumerate(("text/plain", "application/openmetrics-text")):
        request = urllib.request.Request(page.address, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=20) as answer:
            (output / f"page-{number}.txt").write_bytes(answer.read())
    (output / "engine-page.txt").write_bytes(generate_latest(REGISTRY))


if __name__ == "__main__":
    main()
