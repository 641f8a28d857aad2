# SPDX-License-Identifier: Apache-2.0
"""The store holds each thing once and survives what is wrong with its files."""

from __future__ import annotations

import json
import random
import time

import duckdb
import pytest
import sample_telemetry as sample
from observe_server import http, make_config, until
from sample_cycles import make_cycle

from ffe_otel.observe.errors import ServeError
from ffe_otel.observe.server import run_server


def test_what_is_sent_again_is_held_once(server):
    rng = random.Random(3)
    cycle = make_cycle(rng, time.time_ns() - 10**10, 1)
    meter = sample.Meter(rng, cycle.start)
    for span in cycle.spans:
        meter.observe(span)
    families = meter.families(cycle.now)
    counts = {"spans": len(cycle.spans), "logs": len(cycle.logs), "metric_points": len(families)}
    otlp = server.addresses.otlp_http
    for _ in range(3):
        sample.send_spans(otlp, cycle.spans + cycle.spans[:3])
        sample.send_logs(otlp, cycle.logs)
        sample.send_metrics(otlp, families)
        until(lambda: server.get("status")["backends"]["journal"]["detail"].startswith("0 bytes"))
        server.stored(**counts)
    (row,) = server.get("cycles")["cycles"]
    assert (row["spans"], row["logs"]) == (counts["spans"], counts["logs"])


def test_everything_is_there_after_a_restart(start):
    first = start(otlp_grpc_port=-1)
    (trace_id,) = sample.fill(first.addresses.otlp_http, 1, random.Random(4))
    until(lambda: first.ask(f"traces/{trace_id}").json().get("logs"))
    before = first.get(f"traces/{trace_id}")
    first.stop()
    second = start(otlp_grpc_port=-1)
    assert second.get(f"traces/{trace_id}") == before
    assert second.addresses.token == first.addresses.token


@pytest.mark.parametrize("content", [b"no database", b"", None])
def test_a_store_that_cannot_be_read_is_set_aside(start, tmp_path, content):
    store = tmp_path / "state" / "store"
    store.mkdir(parents=True)
    path = store / "telemetry.duckdb"
    if content is None:
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE meta AS SELECT 'version' AS key, '0' AS value")
    else:
        path.write_bytes(content)
    server = start(otlp_grpc_port=-1)
    sample.fill(server.addresses.otlp_http, 1, random.Random(4))
    until(lambda: server.get("cycles")["cycles"])
    backend = server.get("status")["backends"]["store"]
    asides = [p.name for p in store.glob("*.aside")]
    assert len(asides) == 1
    assert f"set aside as {asides[0]}" in backend["detail"]
    assert backend["ok"]


def test_two_servers_do_not_share_a_store(start, tmp_path):
    start(otlp_grpc_port=-1)
    with pytest.raises(ServeError, match=r"already served by process \d+; stop it, or give"):
        run_server(make_config(tmp_path / "state", otlp_grpc_port=-1))


def test_a_file_where_the_store_should_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ServeError, match=r"cannot write to the directory .*serve\.store_path"):
        run_server(make_config(tmp_path / "state", store_path=str(tmp_path / "file")))
    with pytest.raises(ServeError, match=r"set state_dir to another"):
        run_server(make_config(tmp_path / "file" / "state"))


@pytest.mark.parametrize("key", ["port", "otlp_http_port", "otlp_grpc_port"])
def test_a_taken_port_is_named_before_anything_starts(start, tmp_path, key):
    other = start(tmp_path / "other", otlp_grpc_port=-1)
    taken = int(other.addresses.page.rsplit(":", 1)[1])
    with pytest.raises(ServeError, match=rf"port {taken} on 127\.0\.0\.1 is taken.*serve\.{key}"):
        run_server(make_config(tmp_path / "state", **{key: taken}))
    assert not (tmp_path / "state" / "store").exists()


def test_a_segment_that_cannot_be_loaded_is_kept_and_the_others_go_on(start, tmp_path):
    journal = tmp_path / "state" / "store" / "journal"
    journal.mkdir(parents=True)
    bad = journal / "000000000007-traces.ndjson"
    bad.write_text(json.dumps({"trace_id": "this is no id", "span_id": 1, "start_ns": 1}) + "\n")
    server = start(otlp_grpc_port=-1)
    sample.fill(server.addresses.otlp_http, 1, random.Random(4))
    until(lambda: server.get("cycles")["cycles"])
    assert bad.with_suffix(".bad").exists()
    assert not bad.exists()


def test_odd_texts_are_kept_as_they_are(server):
    odd = 'nul \0, line \u2028 end, quote ", emoji \N{ROBOT FACE}'
    record = {"timeUnixNano": "1795400000000000000", "body": {"stringValue": odd},
              "severityText": odd, "eventName": odd,
              "attributes": [{"key": odd, "value": {"stringValue": odd}}]}  # fmt: skip
    payload = {"resourceLogs": [{"scopeLogs": [{"scope": {"name": odd}, "logRecords": [record]}]}]}
    assert server.post("logs", payload).status == 200
    server.stored(logs=1)
    (found,) = server.get("logs")["logs"]
    assert [found[k] for k in ("body", "severity", "event_name", "logger")] == [odd] * 4
    assert found["attributes"] == {odd: odd}


def test_a_row_as_long_as_a_request_is_taken(start):
    server = start(otlp_grpc_port=-1, max_request_bytes=16 << 20)
    text = "x" * (9 << 20)
    record = {"timeUnixNano": "1795400000000000000", "body": {"stringValue": text}}
    payload = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    assert server.post("logs", payload).status == 200
    server.stored(logs=1)


def test_a_row_too_long_for_the_store_is_refused_alone(start):
    server = start(otlp_grpc_port=-1)
    records = [
        {"timeUnixNano": "1795400000000000000", "body": {"stringValue": "\1" * length}}
        for length in (4 << 20, 10)
    ]
    payload = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    answer = server.post("logs", payload)
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"
    server.stored(logs=1)


def test_a_full_disk_is_answered_with_503_and_is_over_when_space_is_back(server, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    payload = {
        "resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "1795400000000000000"}]}]}]
    }
    with monkeypatch.context() as patched:
        patched.setattr("ffe_otel.observe.journal.os.fdatasync", full)
        answer = server.post("logs", payload)
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        backend = server.get("status")["backends"]["journal"]
        assert not backend["ok"]
        assert "No space left on device" in backend["detail"]
    assert server.post("logs", payload).status == 200
    server.stored(logs=1)
    assert server.get("status")["backends"]["journal"]["ok"]


def test_the_address_of_a_stopped_server_is_free_again(start):
    first = start(otlp_grpc_port=-1)
    port = int(first.addresses.page.rsplit(":", 1)[1])
    http(f"{first.addresses.page}/")
    first.stop()
    assert start(port=port, otlp_grpc_port=-1).addresses.page == first.addresses.page
