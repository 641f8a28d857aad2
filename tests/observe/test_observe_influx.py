# SPDX-License-Identifier: Apache-2.0
"""Event records become points of InfluxDB: exactly, once, and none is lost on the way."""

from __future__ import annotations

import contextlib
import errno
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influx_stand_in import Influx
from observe_server import http, until
from prometheus_client.parser import text_string_to_metric_families as parse

from ffe_otel import semconv
from ffe_otel.config.model import InfluxDB
from ffe_otel.observe.influx import BadPointError, InfluxWriter, to_point
from ffe_otel.observe.influx import writer as module
from ffe_otel.observe.influx.quarantine import Quarantine

NOW = time.time_ns()
EVENTS = {
    semconv.EVENT_AGENT_STATE: (
        {"agent_id": "a 1", "environment": "test", "state_value": 2, "cycle_count": 7,
         "ffe.agent.state": "PERCEPTION"},
        r"agent_states,agent_id=a\ 1,environment=test state_value=2i,cycle_count=7i",
    ),
    semconv.EVENT_TRADE: (
        {"asset_pair": "BTCUSD", "action": "BUY", "platform": "mock", "decision_id": "d,1=x",
         "duration_seconds": 1, "confidence": 93.5},
        (r"trade_executions,action=BUY,asset_pair=BTCUSD,decision_id=d\,1\=x,platform=mock "
        "duration_seconds=1.0,confidence=93.5"),
    ),
    semconv.EVENT_API_LATENCY: (
        {"service": "coinbase", "endpoint": "/candles", "method": "GET", "duration_ms": 12.25,
         "status_code": 200},
        ("api_latencies,endpoint=/candles,method=GET,service=coinbase "
        "duration_ms=12.25,status_code=200i"),
    ),
    semconv.EVENT_LLM_CALL: (
        {"provider": "ollama", "model": "gemma2:9b", "phase": "", "duration_ms": 1e3,
         "tokens_used": 900, "cost_usd": 0},
        ("llm_calls,model=gemma2:9b,provider=ollama "
        "duration_ms=1000.0,tokens_used=900i,cost_usd=0.0"),
    ),
}  # fmt: skip


@pytest.fixture
def influx():
    with contextlib.closing(Influx()) as server:
        yield server


def settings(url, **more):
    return InfluxDB(url=url, flush_interval_seconds=0.1, **more)


def value(given_value):
    if isinstance(given_value, str):
        return {"stringValue": given_value}
    if isinstance(given_value, int):
        return {"intValue": str(given_value)}
    return {"doubleValue": given_value}


def logs(*events):
    """An OTLP request of events: name, attributes, time."""
    records = [
        {
            "timeUnixNano": str(time_ns),
            "eventName": name,
            "attributes": [{"key": k, "value": value(v)} for k, v in attributes.items()],
        }
        for name, attributes, time_ns in events
    ]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


def metrics_of(server):
    """What the backend says about itself: values by label, by metric."""
    token = f"Bearer {server.addresses.token}"
    answer = http(f"{server.addresses.page}/metrics", Authorization=token)
    found = {}
    for family in parse(answer.body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})["".join(sample.labels.values())] = sample.value
    return found


def test_the_backend_tells_prometheus_about_itself(start, influx):
    server = start(influxdb=settings(influx.url))
    server.post("logs", logs(latency(1), latency(2)))
    until(lambda: metrics_of(server)["ffe_serve_influx_points_written_total"] == {"": 2})
    found = metrics_of(server)
    assert set(found) - {n for n in found if n.endswith("_created")} <= {
        m.prometheus for m in semconv.SERVE_METRICS
    }
    assert found["ffe_serve_records_taken_total"]["logs"] == 2
    assert found["ffe_serve_part_up"] == {"journal": 1, "store": 1, "influxdb": 1}
    assert http(f"{server.addresses.page}/metrics").status == 401


def latency(number):
    return semconv.EVENT_API_LATENCY, {"service": f"s{number}", "duration_ms": 1.5}, NOW + number


def line(number):
    return f"api_latencies,service=s{number} duration_ms=1.5 {NOW + number}"


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_the_promised_point(name):
    attributes, expected = EVENTS[name]
    assert to_point(semconv.EVENT_RECORDS[name], attributes, 5).line() == f"{expected} 5"


def test_a_number_that_redaction_has_hidden_is_left_out():
    attributes = {"asset_pair": "BTCUSD", "pnl_dollars": "[redacted:financial]", "confidence": 90.0}
    point = to_point(semconv.EVENT_RECORDS[semconv.EVENT_TRADE], attributes, 5)
    assert point.line() == "trade_executions,asset_pair=BTCUSD confidence=90.0 5"


def test_serve_writes_events_and_nothing_else(start, influx):
    server = start(influxdb=settings(influx.url, username="writer", password="pä"))
    events = [(name, attributes, NOW) for name, (attributes, _) in EVENTS.items()]
    assert server.post("logs", logs(*events, ("ffe.cycle.started", {}, NOW))).status == 200
    expected = {f"{text} {NOW}" for _, text in EVENTS.values()}
    assert until(lambda: len(influx.written) == 4 and influx.written) == expected
    parameters, headers = influx.requests[-1]
    assert parameters == {"db": ["ffe_metrics"], "rp": ["hot"], "precision": ["ns"]}
    assert headers["authorization"] == "Basic d3JpdGVyOnDDpA=="
    assert server.get("status")["backends"]["influxdb"]["ok"]


def test_points_go_out_in_batches_of_the_configured_size(start, influx):
    server = start(influxdb=settings(influx.url, batch_size=10))
    server.post("logs", logs(*map(latency, range(25))))
    until(lambda: len(influx.written) == 25)
    assert max(influx.batches) == 10


def test_what_cannot_be_written_is_written_later_also_by_the_next_run(start, influx, caplog):
    server = start(influxdb=settings(influx.url))
    server.post("logs", logs(latency(0)))
    until(lambda: influx.written == {line(0)})
    influx.failing = (503, "engine is busy")
    server.post("logs", logs(latency(1)))
    state = until(lambda: not (s := server.get("status")["backends"]["influxdb"])["ok"] and s)
    assert "engine is busy" in state["detail"]
    server.stop()
    port = influx.port
    influx.close()
    again = start(influxdb=settings(influx.url))
    again.post("logs", logs(latency(2)))
    until(lambda: "cannot be reached" in again.get("status")["backends"]["influxdb"]["detail"])
    back = Influx(port)
    until(lambda: back.written >= {line(1), line(2)})
    until(lambda: again.get("status")["backends"]["influxdb"]["ok"])
    back.close()
    assert "cannot be reached (connection refused); start it" in caplog.text


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ((401, "authorization failed"), "set metrics.influxdb.username and .password"),
        ((404, 'database not found: "ffe_metrics"'), "run `ffe-otel influx init`"),
        ((500, "retention policy not found: hot"), "run `ffe-otel influx init`"),
        ((500, "engine: no space left on device"), "free space on its file system"),
    ],
)
def test_a_server_that_needs_help_says_which(start, influx, caplog, answer, advice):
    influx.failing = answer
    server = start(influxdb=settings(influx.url))
    assert server.post("logs", logs(latency(1))).status == 200
    until(lambda: advice in server.get("status")["backends"]["influxdb"]["detail"])
    assert caplog.text.count(answer[1]) == 1
    influx.failing = None
    until(lambda: influx.written == {line(1)})
    # The stand-in has the point before the writer has its answer.
    until(lambda: metrics_of(server)["ffe_serve_influx_points_written_total"] == {"": 1})
    found = metrics_of(server)
    assert sum(found["ffe_serve_influx_write_failures_total"].values()) >= 1


def test_a_bad_point_costs_no_neighbour_and_is_kept_with_its_reason(start, influx, tmp_path):
    influx.refused = "service=s3 "
    server = start(influxdb=settings(influx.url))
    server.post("logs", logs(*map(latency, range(8))))
    until(lambda: influx.written == {line(n) for n in range(8) if n != 3})
    (kept,) = until(lambda: list((tmp_path / "state").rglob("quarantine.ndjson")))
    row = until(lambda: kept.read_text() and json.loads(kept.read_text()))
    assert row["point"] == line(3)
    assert "field type conflict" in row["reason"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "1 refused" in server.get("status")["backends"]["influxdb"]["detail"]
    assert metrics_of(server)["ffe_serve_influx_points_refused_total"] == {"type_conflict": 1}


def test_many_bad_points_of_a_kind_are_one_line_in_the_log(start, influx, caplog):
    influx.refused = "service=s"
    server = start(influxdb=settings(influx.url))
    for first in range(0, 30, 10):
        server.post("logs", logs(*map(latency, range(first, first + 10))))
    name = "ffe_serve_influx_points_refused_total"
    until(lambda: metrics_of(server).get(name) == {"type_conflict": 30})
    (said,) = [r.getMessage() for r in caplog.records if "field type conflict" in r.getMessage()]
    assert f"InfluxDB at {influx.url} refused a point" in said
    assert "quarantine.ndjson" in said
    assert "give it a database of its own" in said
    bad = (semconv.EVENT_API_LATENCY, {"service": "x", "duration_ms": "slow"}, NOW)
    server.post("logs", logs(bad, bad))
    until(lambda: metrics_of(server)[name] == {"type_conflict": 30, "bad_point": 2})
    assert caplog.text.count("which is no number") == 1


def test_an_hour_later_it_says_how_many_there_were(tmp_path):
    now = [0.0]
    quarantine = Quarantine(tmp_path, clock=lambda: now[0])
    kept = [quarantine.add("p", "field type conflict", "InfluxDB") for _ in range(3)]
    now[0] = 3601.0
    last = quarantine.add("p", "field type conflict", "InfluxDB")
    assert kept[0].startswith("InfluxDB refused a point: field type conflict; ")
    assert kept[1:] == ["", ""]
    assert last.startswith("InfluxDB refused 3 more points: field type conflict; ")


def test_what_was_written_before_trouble_is_written_again(start, influx, caplog):
    """On a full disk InfluxDB says 204 to points that are gone after its restart."""
    server = start(influxdb=settings(influx.url))
    server.post("logs", logs(latency(1)))
    until(lambda: server.get("status")["backends"]["influxdb"]["detail"] == "1 points written")
    influx.written.clear()
    influx.failing = (500, "write wal: no space left on device")
    server.post("logs", logs(latency(2)))
    until(lambda: not server.get("status")["backends"]["influxdb"]["ok"])
    influx.failing = (503, "starting")
    until(lambda: "starting" in server.get("status")["backends"]["influxdb"]["detail"])
    influx.failing = None
    until(lambda: influx.written == {line(1), line(2)})
    until(lambda: "takes points again; its disk was full: now run `influxd backup" in caplog.text)


def test_a_full_disk_is_one_line_whatever_file_it_names(start, influx, caplog):
    server = start(influxdb=settings(influx.url))
    for number in range(3):
        influx.failing = (500, f"write {number}.tsl: no space left on device")
        server.post("logs", logs(latency(number)))
        said = f"write {number}.tsl"
        until(lambda said=said: said in server.get("status")["backends"]["influxdb"]["detail"])
    (line,) = [r.getMessage() for r in caplog.records if "no space left" in r.getMessage()]
    assert "free space on its file system, then restart it" in line


def test_a_server_that_takes_one_batch_and_refuses_another_is_one_line(start, influx, caplog):
    take = influx.take
    influx.take = lambda lines: (
        (500, "full") if any("s1 " in line for line in lines) else take(lines)
    )
    server = start(influxdb=settings(influx.url))
    for number in range(2):
        server.post("logs", logs(latency(number)))
    name = "ffe_serve_influx_write_failures_total"
    until(lambda: metrics_of(server).get(name, {}).get("server_error", 0) >= 3)
    assert caplog.text.count("InfluxDB at") == 1


def test_what_was_written_is_kept_for_a_while_only(start, influx, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.0)
    server = start(influxdb=settings(influx.url))
    server.post("logs", logs(latency(1)))
    until(lambda: influx.written == {line(1)})
    until(lambda: not list((tmp_path / "state").rglob("influxdb/journal/*.ndjson")))


def test_an_event_that_is_no_point_is_kept_and_the_rest_goes_on(start, influx, tmp_path):
    server = start(influxdb=settings(influx.url))
    bad = (semconv.EVENT_API_LATENCY, {"service": "x", "duration_ms": "slow"}, NOW)
    assert server.post("logs", logs(bad, latency(1))).status == 200
    until(lambda: influx.written == {line(1)})
    (kept,) = (tmp_path / "state").rglob("quarantine.ndjson")
    assert "field duration_ms is 'slow', which is no number" in kept.read_text()


def test_a_disk_too_full_for_the_quarantine_holds_the_point_and_refuses_nobody(
    start, influx, monkeypatch
):
    full = OSError(errno.ENOSPC, "No space left on device")
    influx.refused = "service=s3 "
    server = start(influxdb=settings(influx.url))
    with monkeypatch.context() as patched:
        patched.setattr(Quarantine, "_append", lambda *_: (_ for _ in ()).throw(full))
        bad = (semconv.EVENT_API_LATENCY, {"service": "x", "duration_ms": "slow"}, NOW)
        assert server.post("logs", logs(bad, latency(3))).status == 200
        until(lambda: "No space left" in server.get("status")["backends"]["influxdb"]["detail"])
    until(lambda: server.get("status")["backends"]["influxdb"]["ok"])
    server.post("logs", logs(latency(4)))
    until(lambda: influx.written == {line(4)})
    assert metrics_of(server)["ffe_serve_influx_points_refused_total"]["type_conflict"] == 1


def test_a_server_that_was_never_there_is_no_trouble_and_costs_little(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(module, "UNKNOWN_LIMIT", 1000)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)
    writer = InfluxWriter(tmp_path, settings("http://127.0.0.1:9", batch_size=1))
    writer.start()
    for number in range(100):
        writer.append([line(number)])
    until(lambda: writer.queued_bytes <= 1000)
    writer.close()
    assert writer.dropped > 0
    assert writer.health()["ok"]
    assert "not in use" in writer.health()["detail"]
    assert caplog.text == ""


names = st.sampled_from(sorted(semconv.EVENT_RECORDS))
texts = st.text(max_size=20)
anything = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)


@given(name=names, data=st.data())
def test_any_event_is_one_line_or_is_refused(name, data):
    record = semconv.EVENT_RECORDS[name]
    attributes = {key: data.draw(anything) for key in (*record.tags, *record.fields)}
    try:
        written = to_point(record, attributes, 1).line()
    except BadPointError:
        return
    assert "\n" not in written
    head, fields, stamp = written.replace("\\ ", "").rsplit(" ", 2)
    assert head.split(",")[0] == name
    assert stamp == "1"
    for field in fields.split(","):
        key, _, number = field.partition("=")
        whole = record.fields[key] is int
        assert number.endswith("i") is whole
        assert float(number.removesuffix("i")) is not None
