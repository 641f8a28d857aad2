# SPDX-License-Identifier: Apache-2.0
"""The Collector's page for Prometheus, fed by a run of the reference engine."""

import json
import os
import subprocess
import sys

import pytest
from otlp_sink import attributes
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from stack_names import MAY_BE_EMPTY
from stack_server import ROOT, until

from ffe_otel import semconv

PROGRAM = ROOT / "tests" / "e2e" / "engine_and_page.py"


@pytest.fixture
def run(collector, tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--cycles", "12", "--interval", "0", "--llm", "debate"],
        env=os.environ
        | {
            "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
            "FFE_OTEL__STATE_DIR": str(tmp_path),
            "FFE_DEMO_LLM_LATENCY": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.otlp_http,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(180)
def test_names_labels_and_exemplars_are_the_promised_ones(collector, sink, run):
    until(lambda: semconv.CYCLE_DURATION.prometheus in collector.scrape())
    families = {
        family.name + ("_total" if family.type == "counter" else ""): family.samples
        for family in text_string_to_metric_families(collector.scrape())
    }
    assert semconv.PROMETHEUS_NAMES - MAY_BE_EMPTY - set(families) == set()
    promised = {m.prometheus: {k.replace(".", "_") for k in m.labels} for m in semconv.METRICS}
    instances = set()
    for name, labels in promised.items():
        for sample in families.get(name, ()):
            seen = set(sample.labels) - {"le"}
            assert {"job", "instance"} <= seen <= labels | {"job", "instance"}, name
            instances.add((sample.labels["job"], sample.labels["instance"]))
    assert len(instances) == 1

    exemplars = [
        sample.exemplar.labels["trace_id"]
        for sample in families[semconv.CYCLE_DURATION.prometheus]
        if sample.exemplar
    ]
    assert exemplars
    assert set(exemplars) <= set(run["cycles"])


@pytest.mark.timeout(180)
def test_every_cycle_and_every_metric_reaches_serve(collector, sink, run):
    def roots():
        return [s for s in sink.spans() if s.name == semconv.SPAN_CYCLE]

    until(lambda: len(roots()) == len(run["cycles"]))
    assert {s.trace_id.hex() for s in roots()} == set(run["cycles"])
    assert semconv.METRIC_NAMES - sink.metric_names() <= {
        metric.name for metric in semconv.METRICS if metric.prometheus in MAY_BE_EMPTY
    }
    events = {record.event_name for record in sink.logs() if record.event_name}
    assert set(semconv.EVENT_RECORDS) <= events
    assert "****" not in str([attributes(span) for span in sink.spans()])


def test_its_own_page_tells_about_the_queues(collector):
    def size():
        return collector.own_metric("otelcol_exporter_queue_capacity", exporter="otlp_grpc/tempo")

    assert until(size) == 1073741824
