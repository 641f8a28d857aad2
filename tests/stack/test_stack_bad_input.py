# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at InfluxDB: one line that says what to do, a metric, no loss elsewhere."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from stack_backend import ADMIN, WRITER, Influx, Serve, basic
from stack_sending import Event, event_request, post, trace_request
from stack_server import get, until

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stack_collector import Collector
    from stack_sink import GrpcSink

pytestmark = pytest.mark.timeout(180)

DAY_NS = 86_400 * 10**9


class Pipeline:
    """Collector, serve and InfluxDB; ``disk`` is where InfluxDB keeps its data."""

    def __init__(self, folder: Path, disk: Path, tempo: GrpcSink, make_collector) -> None:
        self.influx = Influx(disk)
        self.influx.log_file = folder / "influxd.log"
        self.influx.run()
        self.serve = Serve(folder, self.influx.url)
        self.serve.env["FFE_OTEL__METRICS__INFLUXDB__BATCH_SIZE"] = "200"
        self.serve.init_influx()
        self.serve.run()
        self.tempo = tempo
        env = {"FFE_SERVE_OTLP": self.serve.otlp_http, "FFE_TEMPO_OTLP": tempo.address}
        self.collector: Collector = make_collector(env=env).run()

    def send(self, *events: Event) -> None:
        assert post(self.collector.otlp_http, event_request(*events)).status_code == 200

    def calls(self, *names: str, time_ns: int = 0) -> None:
        """Send calls of an API as one batch."""
        self.send(*(call(name, time_ns) for name in names))

    def arrived(self) -> Counter[str]:
        """How often each call is in InfluxDB, by name."""
        rows = self.influx.query("SELECT duration_ms, service FROM api_latencies", ADMIN)
        return Counter(row[-1] for row in rows)

    def metric(self, metric: semconv.ServeMetric, label: str = "") -> float:
        for family in text_string_to_metric_families(self.serve.get("/metrics")):
            for sample in family.samples:
                if sample.name == metric.prometheus and label in ("", *sample.labels.values()):
                    return sample.value
        return 0

    def failures(self, reason: str) -> float:
        return self.metric(semconv.INFLUX_FAILURES, reason)

    def complaints(self) -> list[str]:
        """Lines in the log of serve about InfluxDB, but for "takes points again"."""
        lines = self.serve.log().splitlines()
        return [line for line in lines if self.influx.url in line and "again" not in line]

    def check_others(self) -> None:
        """Nothing of this is seen at the other ends: spans go on to serve and to Tempo."""
        before = self.serve.get("/api/v1/status")["store"]["spans"]
        name = f"meanwhile-{time.time_ns()}"
        assert post(self.collector.otlp_http, trace_request([name])).status_code == 200
        until(lambda: [span.name for span in self.tempo.spans].count(name) == 1)
        until(lambda: self.serve.get("/api/v1/status")["store"]["spans"] == before + 1)


def call(name: str, time_ns: int = 0) -> Event:
    attributes = {"service": name, "duration_ms": 1.5}
    return Event(semconv.EVENT_API_LATENCY, attributes, time_ns)


def chat(model: str) -> Event:
    return Event(semconv.EVENT_LLM_CALL, {"model": model, "duration_ms": 2.5})


@contextlib.contextmanager
def running(folder: Path, disk: Path, tempo: GrpcSink, make_collector) -> Iterator[Pipeline]:
    with contextlib.ExitStack() as stack:
        found = Pipeline(folder, disk, tempo.up(), make_collector)
        stack.callback(found.influx.stop)
        stack.callback(found.serve.stop)
        yield found


@pytest.fixture
def pipeline(tmp_path, tempo, make_collector):
    with running(tmp_path, tmp_path, tempo, make_collector) as found:
        yield found


def test_wrong_credentials(pipeline):
    pipeline.calls("before")
    until(lambda: pipeline.arrived() == {"before": 1})
    pipeline.influx.query(f"SET PASSWORD FOR {WRITER[0]} = 'another'", ADMIN)

    pipeline.calls("a", "b")
    pipeline.calls("c")
    # Repeated, and told once.
    until(lambda: pipeline.failures("credentials") >= 3)
    (line,) = pipeline.complaints()
    assert f"InfluxDB at {pipeline.influx.url} refuses user '{WRITER[0]}'" in line
    assert "set metrics.influxdb.username and .password, or make the user with" in line
    assert pipeline.metric(semconv.INFLUX_QUEUE_BYTES) > 0
    assert pipeline.metric(semconv.SERVE_PART_UP, "influxdb") == 0
    pipeline.check_others()

    pipeline.influx.query(f"SET PASSWORD FOR {WRITER[0]} = '{WRITER[1]}'", ADMIN)
    until(lambda: pipeline.arrived() == dict.fromkeys(("before", "a", "b", "c"), 1))
    until(lambda: pipeline.metric(semconv.SERVE_PART_UP, "influxdb") == 1)
    assert len(pipeline.complaints()) == 1


def test_missing_database(pipeline):
    pipeline.influx.query("DROP DATABASE ffe_metrics", ADMIN)

    pipeline.calls("a", "b")
    pipeline.calls("c")
    until(lambda: pipeline.failures("no_database") >= 3)
    (line,) = pipeline.complaints()
    assert f"InfluxDB at {pipeline.influx.url} has no database ffe_metrics" in line
    assert "run `ffe-otel influx init`" in line
    pipeline.check_others()

    pipeline.serve.init_influx()
    until(lambda: pipeline.arrived() == dict.fromkeys("abc", 1))
    assert len(pipeline.complaints()) == 1


def quarantined(pipeline: Pipeline, tmp_path: Path) -> list[str]:
    (kept,) = tmp_path.rglob("quarantine.ndjson")
    return [json.loads(row)["point"] for row in kept.read_text().splitlines()]


def test_field_type_conflict(pipeline, tmp_path):
    url = f"{pipeline.influx.url}/write?db=ffe_metrics"
    get(url, basic(ADMIN), b"api_latencies,service=foreign duration_ms=1i")

    names = [f"s{number}" for number in range(5)]
    for _ in range(2):
        pipeline.send(*map(call, names), *map(chat, ("x", "y", "z")))
    until(lambda: pipeline.metric(semconv.INFLUX_REFUSED, "type_conflict") == 10)
    (line,) = pipeline.complaints()
    assert f"InfluxDB at {pipeline.influx.url} refused a point" in line
    assert "field type conflict" in line
    assert "quarantine.ndjson" in line
    assert "give it a database of its own" in line
    # The neighbours in the batch.
    models = until(lambda: pipeline.influx.query("SELECT duration_ms, model FROM llm_calls"))
    until(lambda: len(pipeline.influx.query("SELECT duration_ms FROM llm_calls")) == 6)
    assert {row[-1] for row in models} == {"x", "y", "z"}
    pipeline.check_others()

    # What was refused is not lost, either: its lines can be written once the cause is gone.
    pipeline.influx.query("DROP MEASUREMENT api_latencies", ADMIN)
    get(f"{url}&precision=ns", basic(WRITER), "\n".join(quarantined(pipeline, tmp_path)).encode())
    assert pipeline.arrived() == dict.fromkeys(names, 2)


def test_points_older_than_the_retention(pipeline, tmp_path):
    old = time.time_ns() - 8 * DAY_NS
    pipeline.send(call("new-1"), call("old-1", old), call("old-2", old), call("new-2"))
    pipeline.send(call("old-3", old), call("new-3"))

    until(lambda: pipeline.metric(semconv.INFLUX_REFUSED, "too_old") == 3)
    until(lambda: pipeline.arrived() == dict.fromkeys(("new-1", "new-2", "new-3"), 1))
    (line,) = pipeline.complaints()
    assert f"InfluxDB at {pipeline.influx.url} refused a point" in line
    assert "points beyond retention policy" in line
    assert "raise its duration before such a backlog is sent" in line
    assert len(quarantined(pipeline, tmp_path)) == 3
    pipeline.check_others()

    pipeline.influx.query("ALTER RETENTION POLICY hot ON ffe_metrics DURATION 30d", ADMIN)
    pipeline.calls("old-4", time_ns=old)
    until(lambda: pipeline.arrived()["old-4"] == 1)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip(f"a file system of its own needs root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_of_influxdb(tmp_path, small_disk, tempo, make_collector):
    with running(tmp_path, small_disk, tempo, make_collector) as pipeline:
        pipeline.calls("before")
        until(lambda: pipeline.arrived() == {"before": 1})
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

        # Of the first ones InfluxDB 1.6 may say that they are written, and forget them.
        names = [f"s{number}" for number in range(800)]
        for first in range(0, len(names), 200):
            pipeline.calls(*names[first : first + 200])
        until(lambda: pipeline.failures("server_error") >= 3)
        (line,) = pipeline.complaints()
        assert f"InfluxDB at {pipeline.influx.url} fails" in line
        assert "no space left on device" in line
        assert "free space on its file system, then restart it" in line
        assert pipeline.metric(semconv.INFLUX_QUEUE_BYTES) > 0
        pipeline.check_others()

        filler.unlink()
        pipeline.influx.stop()
        pipeline.influx.run()
        until(lambda: pipeline.arrived() == dict.fromkeys(["before", *names], 1), 60)
        until(lambda: pipeline.metric(semconv.INFLUX_QUEUE_BYTES) == 0)
        # Its absence while it restarts may be told, too.
        assert len([said for said in pipeline.complaints() if "no space" in said]) == 1
        (line,) = [said for said in pipeline.serve.log().splitlines() if "takes points" in said]
        assert "now run `influxd backup -portable -database ffe_metrics DIR` there once" in line
        pipeline.influx.backup(tmp_path / "backup")
        pipeline.influx.stop()
        pipeline.influx.run()
        assert pipeline.arrived() == dict.fromkeys(["before", *names], 1)
