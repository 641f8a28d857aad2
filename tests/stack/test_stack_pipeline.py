# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline: engine, Collector, Prometheus, a trace sink, serve and InfluxDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from loopback import free_ports
from stack_backend import Influx, Serve
from stack_names import MAY_BE_EMPTY
from stack_sending import Event, event_request, post, trace_request
from stack_server import Server, get, program, until
from stack_sink import GrpcSink

from ffe_otel import semconv

if TYPE_CHECKING:
    from google.protobuf.message import Message

pytestmark = pytest.mark.timeout(400)

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
RUNS = (
    ("none", "debate", 14),
    ("data_502", "ensemble", 6),
    ("data_429", "debate", 6),
    ("bad_llm_json", "local", 6),
    ("llm_down", "debate", 6),
    ("platform_error", "debate", 6),
    ("failing_provider", "ensemble", 6),
)
CYCLES = 50


class Prometheus(Server):
    """A Prometheus that scrapes one Collector every second and keeps exemplars."""

    def __init__(self, folder: Path, page: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        target = urllib.parse.urlsplit(page).netloc
        config = folder / "prometheus.yml"
        job = {
            "job_name": "collector",
            "honor_labels": True,
            "static_configs": [{"targets": [target]}],
        }
        # JSON is YAML, too.
        config.write_text(
            json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]})
        )
        command = [
            program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage",
        ]  # fmt: skip
        super().__init__(
            command, folder / "prometheus.log", ready=lambda: get(f"{self.url}/-/ready")
        )

    def get(self, path: str, **parameters: str) -> list[dict[str, object]]:
        query = urllib.parse.urlencode(parameters)
        return json.loads(get(f"{self.url}/api/v1/{path}?{query}"))["data"]


@pytest.fixture
def pipeline(tmp_path, make_collector):
    """Everything behind the engine, running."""
    influx = Influx(tmp_path).run()
    serve = Serve(tmp_path, influx.url)
    serve.init_influx()
    serve.run()
    tempo = GrpcSink().up()
    env = {"FFE_SERVE_OTLP": serve.otlp_http, "FFE_TEMPO_OTLP": tempo.address}
    collector = make_collector(env=env).run()
    prometheus = Prometheus(tmp_path, collector.page).run()
    yield collector, serve, influx, tempo, prometheus
    for server in (prometheus, serve, influx):
        server.stop()
    tempo.down()


def run_engine(folder: Path, collector, fault: str, llm: str, cycles: int) -> dict[str, object]:
    """Run the instrumented engine; its own account of what it did."""
    summary = folder / f"{fault}.json"
    done = subprocess.run(
        [
            INSTRUMENT, sys.executable, "-m", "finance_feedback_engine", "--cycles", str(cycles),
            "--interval", "0", "--llm", llm, "--fault", fault, "--summary-json", str(summary),
        ],
        env=os.environ
        | {
            "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
            "FFE_OTEL__STATE_DIR": str(folder / "engine"),
            "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
            "FFE_DEMO_LLM_LATENCY": "0",
            "FFE_DEMO_DATA_LATENCY": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.otlp_http,
        },
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(summary.read_text())


def test_fifty_cycles_with_faults_arrive_whole_at_every_far_end(pipeline, tmp_path):
    collector, serve, influx, tempo, prometheus = pipeline
    accounts = [run_engine(tmp_path, collector, *run) for run in RUNS]
    assert sum(account["cycles_begun"] for account in accounts) == CYCLES

    # Traces: every cycle, whole, once, and the same spans in both places.
    def roots():
        return [s for s in tempo.spans if s.name == semconv.SPAN_CYCLE]

    until(lambda: len(roots()) >= CYCLES, 60, "50 cycles at the trace sink")
    until(lambda: serve.get("/api/v1/status")["store"]["spans"] == len(tempo.spans), 60)
    ids = Counter((s.trace_id, s.span_id) for s in tempo.spans)
    assert set(ids.values()) == {1}
    assert len({s.trace_id for s in roots()}) == len(roots()) == CYCLES
    parents = {(s.trace_id, s.parent_span_id) for s in tempo.spans if s.parent_span_id}
    assert parents <= set(ids)
    calls = [s for s in tempo.spans if s.name.startswith("chat ")]
    check_influx(influx, serve, accounts, calls)
    check_prometheus(prometheus, {s.trace_id.hex() for s in roots()})


def check_influx(influx, serve, accounts, calls):
    """The four measurements hold what the engine did, with the promised tags and types."""

    def written() -> dict[str, int]:
        return {
            name: len(influx.query(f'SELECT * FROM "{name}"')) for name in semconv.EVENT_RECORDS
        }

    def stored() -> dict[str, int]:
        found = events_in(serve)
        return {name: found[name] for name in semconv.EVENT_RECORDS}

    closes = f"SELECT pnl_dollars FROM {semconv.EVENT_TRADE} WHERE action =~ /^CLOSE_/"
    closed = sum(account["trades_closed"] for account in accounts)
    until(lambda: written()[semconv.EVENT_LLM_CALL] == len(calls), 60, "all calls in InfluxDB")
    until(lambda: len(influx.query(closes)) == closed > 0, 60, "all closed trades in InfluxDB")
    until(lambda: written() == stored(), 60, "the same events in InfluxDB and serve")
    assert min(written().values()) > 0
    # The engine's account counts at its model server, which is not there under llm_down.
    assert len(calls) > sum(account["llm_calls"] for account in accounts) > 0
    kinds = {int: "integer", float: "float"}
    for record in semconv.EVENT_RECORDS.values():
        tags = {row[0] for row in influx.query(f"SHOW TAG KEYS FROM {record.name}")}
        assert tags <= set(record.tags)
        assert tags
        fields = dict(influx.query(f"SHOW FIELD KEYS FROM {record.name}"))
        assert fields == {name: kinds[record.fields[name]] for name in fields}
        assert set(fields) == set(record.fields)


def events_in(serve) -> Counter[str]:
    """How many events of each kind serve holds, from all pages of its logs."""
    counts: Counter[str] = Counter()
    before = ""
    while True:
        page = serve.get(f"/api/v1/logs?limit=1000&level=DEBUG{before}")
        counts.update(log["event_name"] for log in page["logs"] if log.get("event_name"))
        if not page["next"]:
            return counts
        before = f"&before={page['next']}"


def check_prometheus(prometheus, cycles):
    """Every promised metric can be asked for, and exemplars lead to cycles of this run."""

    def missing():
        known = {name.removesuffix("_bucket") for name in prometheus.get("label/__name__/values")}
        return semconv.PROMETHEUS_NAMES - MAY_BE_EMPTY - known

    until(lambda: not missing(), 60, "every metric in Prometheus")
    name = f"{semconv.CYCLE_DURATION.prometheus}_bucket"
    found = until(lambda: prometheus.get("query_exemplars", query=name, start="0", end="9e9"))
    traces = {e["labels"]["trace_id"] for series in found for e in series["exemplars"]}
    assert traces
    assert traces <= cycles


class Stream:
    """Sends a span and an event twenty times a second; remembers what was acknowledged."""

    def __init__(self, url: str) -> None:
        self.spans: set[bytes] = set()
        self.events: set[str] = set()
        self._url = url
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.wait(0.05):
            number += 1
            spans = trace_request([f"span {number}"])
            (span,) = spans.resource_spans[0].scope_spans[0].spans
            attributes = {"service": f"s{number}", "duration_ms": float(number)}
            logs = event_request(Event(semconv.EVENT_API_LATENCY, attributes))
            if self._acknowledged(spans):
                self.spans.add(span.span_id)
            if self._acknowledged(logs):
                self.events.add(f"s{number}")

    def _acknowledged(self, message: Message) -> bool:
        try:
            return post(self._url, message, timeout=5).status_code == 200
        except requests.RequestException:
            return False


@pytest.mark.parametrize("seconds", [20])
def test_each_server_may_be_killed_and_nothing_acknowledged_is_lost(pipeline, seconds):
    collector, serve, influx, tempo, prometheus = pipeline
    stream = Stream(collector.otlp_http)
    try:
        for server in (collector, influx, serve, prometheus):
            before = len(stream.events)
            until(lambda before=before: len(stream.events) > before + 20, 60, "a stream that flows")
            server.kill()
            # How long the operator takes, not something to wait for.
            time.sleep(seconds)
            server.run()
        until(lambda: serve.get("/api/v1/status")["backends"]["influxdb"]["ok"], 60)
    finally:
        stream.stop()

    def rows() -> list[str]:
        return [row[1] for row in influx.query("SELECT service, duration_ms FROM api_latencies")]

    until(lambda: stream.spans <= {span.span_id for span in tempo.spans}, 60, "all spans")
    until(lambda: stream.events <= set(rows()), 60, "all events in InfluxDB")
    assert set(Counter(rows()).values()) == {1}
    assert len(stream.spans) > 200
    until(lambda: serve.get("/api/v1/status")["store"]["spans"] >= len(stream.spans))
    assert until(lambda: prometheus.get("query", query="up")["result"])
