# SPDX-License-Identifier: Apache-2.0
"""The API's answers over cycles that were really sent."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request

import pytest
import sample_telemetry as sample
from observe_server import until
from sample_cycles import make_cycle

from ffe_otel import semconv as s
from ffe_otel.correlation import correlation_id


@pytest.fixture
def filled(server):
    """A server with 30 cycles, and their trace ids, oldest first."""
    trace_ids = sample.fill(server.addresses.otlp_http, 30, random.Random(11))
    until(lambda: all(c["state"] == "ended" for c in server.get("cycles")["cycles"])
          and len(server.get("cycles")["cycles"]) == 30)  # fmt: skip
    until(lambda: server.get("status")["backends"]["journal"]["detail"].startswith("0 bytes"))
    return server, trace_ids


def pages(server, path, key, limit, **parameters):
    """All rows of a paged list, and how many pages there were."""
    rows, count, before = [], 0, {}
    while True:
        answer = server.get(path, limit=limit, **before, **parameters)
        rows, count = rows + answer[key], count + 1
        if answer["next"] is None:
            return rows, count
        before = {"before": answer["next"]}


def test_cycles_are_listed_newest_first_on_pages(filled):
    server, trace_ids = filled
    rows, count = pages(server, "cycles", "cycles", 7)
    assert [row["trace_id"] for row in rows] == trace_ids[::-1]
    assert count == 5


def test_cycles_are_found_by_asset_outcome_errors_and_text(filled):
    server, _ = filled
    everything = server.get("cycles")["cycles"]

    def ids(rows):
        return {row["trace_id"] for row in rows}

    for asset in {row["asset_pairs"][0] for row in everything}:
        found = server.get("cycles", asset=asset)["cycles"]
        assert ids(found) == ids(r for r in everything if asset in r["asset_pairs"]) != set()
    for outcome in {row["outcome"] for row in everything}:
        found = server.get("cycles", outcome=outcome)["cycles"]
        assert ids(found) == ids(r for r in everything if r["outcome"] == outcome) != set()
    broken = server.get("cycles", errors=1)["cycles"]
    assert ids(broken) == ids(r for r in everything if r["errors"]) != set()
    some = everything[3]
    for text in (some["trace_id"], some["correlation_id"].upper(), some["decision_ids"][0]):
        assert ids(server.get("cycles", q=text)["cycles"]) == {some["trace_id"]}
    assert server.get("cycles", q="no such thing") == {"cycles": [], "next": None}


def test_a_cycles_row_says_what_its_spans_say(server):
    rng = random.Random(2)
    cycle = next(
        c for c in (make_cycle(rng, time.time_ns() - 10**11, n) for n in range(200))
        if any(sp["name"] == s.SPAN_TRADE_OUTCOME for sp in c.spans)
    )  # fmt: skip
    sample.send_spans(server.addresses.otlp_http, cycle.spans)
    sample.send_logs(server.addresses.otlp_http, cycle.logs)
    server.stored(spans=len(cycle.spans), logs=len(cycle.logs))
    (row,) = server.get("cycles")["cycles"]

    def values(name, key):
        return [
            next(iter(a["value"].values()))
            for span in cycle.spans if span["name"].startswith(name)
            for a in span["attributes"] if a["key"] == key
        ]  # fmt: skip

    root = cycle.spans[-1]
    length = int(root["endTimeUnixNano"]) - int(root["startTimeUnixNano"])
    assert row["correlation_id"] == correlation_id(int(cycle.trace_id, 16))
    assert (row["agent_id"], row["number"], row["state"]) == ("agent-1", cycle.number, "ended")
    assert (row["start_unix_nano"], row["duration_ns"]) == (root["startTimeUnixNano"], length)
    assert (row["outcome"], row["reason"], row["verdict"]) == ("executed", "filled", "approved")
    assert row["pnl_dollars"] == values(s.SPAN_TRADE_OUTCOME, s.TRADE_PNL_DOLLARS)[0]
    assert row["cost_usd"] == pytest.approx(sum(values("chat", s.LLM_COST_USD)))
    tokens = values("chat", s.GEN_AI_INPUT_TOKENS) + values("chat", s.GEN_AI_OUTPUT_TOKENS)
    assert row["tokens"] == sum(map(int, tokens))
    assert [row["action"]] == values(s.SPAN_DECISION, s.DECISION_ACTION)
    assert row["decision_ids"] == values(s.SPAN_DECISION, s.DECISION_ID)
    assert [phase["name"] for phase in row["phases"]] == list(s.PHASES)
    assert sum(phase["duration_ns"] for phase in row["phases"]) <= length


def test_a_trace_is_found_by_each_of_its_ids(filled):
    server, trace_ids = filled
    row = next(r for r in server.get("cycles")["cycles"] if r["decision_ids"])
    by_trace = server.get(f"traces/{row['trace_id']}")
    assert by_trace["cycle"] == row
    assert len(by_trace["spans"]) == row["spans"]
    assert [log["unix_nano"] for log in by_trace["logs"]] == sorted(
        log["unix_nano"] for log in by_trace["logs"]
    )
    assert len(by_trace["logs"]) == row["logs"]
    for other in (row["correlation_id"], row["trace_id"].upper(), row["decision_ids"][0]):
        assert server.get(f"traces/{other}") == by_trace
    assert row["trace_id"] in trace_ids


@pytest.mark.parametrize(
    "text",
    ["0" * 32, "1" * 32, "nothing", "a b", "\0", "é", "a/b", "../status", "/", "", "a//b", "a?b#c"],
)
def test_an_unknown_trace_is_a_clear_404(shared, text):
    answer = shared.ask(f"traces/{urllib.request.quote(text, safe='')}")
    assert answer.status == 404
    error = f"no trace, correlation or decision id {text.strip()!r} is in the store"
    assert answer.json()["error"] == error
    assert answer.json()["hint"]


def test_a_decision_id_with_slashes_finds_its_trace(server):
    cycle = make_cycle(random.Random(5), time.time_ns() - 10**11, 8)
    name = {"key": s.DECISION_ID, "value": {"stringValue": "btc/2026/1"}}
    cycle.spans[-1]["attributes"].append(name)
    sample.send_spans(server.addresses.otlp_http, cycle.spans)
    server.stored(spans=len(cycle.spans))
    for text in ("btc/2026/1", "btc%2F2026%2F1"):
        assert server.get(f"traces/{text}")["trace_id"] == cycle.trace_id


def test_a_running_cycle_is_seen_from_its_first_event_on(server):
    cycle = make_cycle(random.Random(5), time.time_ns(), 8)
    otlp = server.addresses.otlp_http
    sample.send_logs(otlp, cycle.logs[:1])
    (row,) = until(lambda: server.get("cycles")["cycles"])
    assert (row["state"], row["duration_ns"], row["outcome"]) == ("running", None, None)
    assert (row["agent_id"], row["number"]) == ("agent-1", 8)
    trace = server.get(f"traces/{cycle.trace_id}")
    (root,) = trace["spans"]
    assert (root["name"], root["running"], root["span_id"]) == (s.SPAN_CYCLE, True, cycle.root_id)

    fetches = [sp for sp in cycle.spans if sp["name"] == s.SPAN_DATA_FETCH]
    sample.send_spans(otlp, fetches)
    server.stored(spans=len(fetches))
    names = [
        (sp["depth"], sp["name"], sp["running"])
        for sp in server.get(f"traces/{cycle.trace_id}")["spans"]
    ]
    assert names == [
        (0, s.SPAN_CYCLE, True), (1, "ffe.phase.perception", True),
        *[(2, s.SPAN_DATA_FETCH, False)] * len(fetches),
    ]  # fmt: skip

    sample.send_spans(otlp, cycle.spans)
    server.stored(spans=len(cycle.spans))
    (row,) = server.get("cycles")["cycles"]
    assert row["state"] == "ended"
    assert not any(sp["running"] for sp in server.get(f"traces/{cycle.trace_id}")["spans"])


def test_a_trace_that_is_no_cycle_is_shown_too(server):
    at = str(time.time_ns())
    span = {"traceId": "7" * 32, "spanId": "1" * 16, "name": s.SPAN_AGENT_RUN,
            "startTimeUnixNano": at, "endTimeUnixNano": at}  # fmt: skip
    sample.send_spans(server.addresses.otlp_http, [span])
    server.stored(spans=1)
    assert server.get("cycles")["cycles"] == []
    assert server.get(f"traces/{'7' * 32}")["cycle"] is None


def test_logs_are_found_by_trace_level_and_text_on_pages(filled):
    server, trace_ids = filled
    everything, count = pages(server, "logs", "logs", 50)
    assert count > 2
    total = server.get("status")["store"]["logs"]
    assert len(everything) == total
    stamps = [int(log["unix_nano"]) for log in everything]
    assert stamps == sorted(stamps, reverse=True)
    own = server.get("logs", trace_id=correlation_id(int(trace_ids[4], 16)), limit=1000)["logs"]
    assert {log["trace_id"] for log in own} == {trace_ids[4]}
    warned = server.get("logs", level="warning", limit=1000)["logs"]
    assert {log["severity_number"] for log in warned} <= {13, 17}
    assert len(warned) == sum(log["severity_number"] >= 13 for log in everything)
    found = server.get("logs", q="ORDER filled", limit=1000)["logs"]
    assert found
    assert all("filled" in log["body"] for log in found)
    assert server.get("logs", trace_id="no such trace") == {"logs": [], "next": None}


def test_records_of_one_nanosecond_stay_together_over_pages(server):
    logs = [
        {"logger": "x", "timeUnixNano": str(10**18 + n // 4), "body": {"stringValue": str(n)}}
        for n in range(12)
    ]
    sample.send_logs(server.addresses.otlp_http, logs)
    server.stored(logs=12)
    found, _ = pages(server, "logs", "logs", 3)
    assert sorted(int(log["body"]) for log in found) == list(range(12))


def test_status_says_how_the_agent_is_and_what_is_held(filled):
    server, trace_ids = filled
    status = server.get("status")
    assert status["agent"]["id"] == "agent-1"
    assert status["agent"]["state"] == "IDLE"
    last = server.get(f"traces/{trace_ids[-1]}")
    idle = [log for log in last["logs"] if log["body"] == "agent state IDLE"]
    assert status["agent"]["state_since_unix_nano"] == idle[-1]["unix_nano"]
    assert status["last_cycle"]["trace_id"] == trace_ids[-1]
    assert 0 < status["last_cycle_age_seconds"] < 600
    assert all(backend["ok"] for backend in status["backends"].values())
    store, ingest = status["store"], status["ingest"]
    assert {k: store[k] for k in ("spans", "logs", "metric_points")} == {
        k: ingest[k] for k in ("spans", "logs", "metric_points")
    }
    assert store["bytes"] > 0


def test_status_adds_up_what_cycles_since_a_time_made_and_cost(filled):
    server, _ = filled
    rows = server.get("cycles")["cycles"]
    since = rows[9]["start_unix_nano"]

    def added(key, some):
        known = [row[key] for row in some if row[key] is not None]
        return pytest.approx(sum(known)) if known else None

    assert server.get("status", since=since)["totals"] == {
        "since_unix_nano": since,
        "pnl_today_dollars": added("pnl_dollars", rows[:10]),
        "pnl_total_dollars": added("pnl_dollars", rows),
        "llm_cost_today_usd": added("cost_usd", rows[:10]),
        "llm_cost_total_usd": added("cost_usd", rows),
        "errors_today": sum(row["errors"] for row in rows[:10]),
        "cycles_today": 10,
    }
    totals = server.get("status")["totals"]
    assert int(totals["since_unix_nano"]) % (86_400 * 10**9) == 0
    assert 0 <= time.time_ns() - int(totals["since_unix_nano"]) < 86_400 * 10**9


def test_the_agent_of_the_last_cycle_counts_where_no_state_was_told(server):
    cycle = make_cycle(random.Random(5), time.time_ns() - 10**11, 8)
    sample.send_spans(server.addresses.otlp_http, cycle.spans)
    server.stored(spans=len(cycle.spans))
    agent = {"id": "agent-1", "state": None, "state_since_unix_nano": None}
    assert server.get("status")["agent"] == agent


def test_status_of_an_empty_store(shared):
    status = shared.get("status")
    assert status["agent"] == {"id": None, "state": None, "state_since_unix_nano": None}
    assert (status["last_cycle"], status["last_cycle_age_seconds"]) == (None, None)
    assert status["store"]["oldest_unix_nano"] is None
    assert status["totals"] == {
        "since_unix_nano": status["totals"]["since_unix_nano"],
        "pnl_today_dollars": None, "pnl_total_dollars": None, "llm_cost_today_usd": None,
        "llm_cost_total_usd": None, "errors_today": 0, "cycles_today": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "parameters", "named"),
    [
        ("cycles", {"limit": "many"}, "limit"),
        ("cycles", {"limit": "0"}, "limit"),
        ("cycles", {"limit": "9" * 30}, "limit"),
        ("cycles", {"before": "-1"}, "before"),
        ("logs", {"level": "loud"}, "level"),
        ("status", {"since": "today"}, "since"),
        ("metrics/series", {}, "name"),
        ("metrics/series", {"name": "x", "range": "nan"}, "range"),
        ("metrics/series", {"name": "x", "step": "-1"}, "step"),
        ("metrics/series", {"name": "x", "stat": "p42"}, "stat"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(shared, path, parameters, named):
    answer = shared.ask(path, **parameters)
    assert answer.status == 400
    assert answer.json()["error"].startswith(named)


def test_live_tells_which_traces_changed(server):
    url = f"{server.addresses.page}/api/v1/live?token={server.addresses.token}"
    cycle = make_cycle(random.Random(5), time.time_ns(), 8)
    events: dict[str, object] = {}
    connected = threading.Event()

    def listen():
        with urllib.request.urlopen(url, timeout=20) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            name = ""
            for line in stream:
                text = line.decode().strip()
                if text.startswith(":"):
                    connected.set()
                elif text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif text.startswith("data: "):
                    events[name] = json.loads(text.removeprefix("data: "))
                    if len(events) == 2:
                        return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert connected.wait(20)
    sample.send_spans(server.addresses.otlp_http, cycle.spans)
    meter = sample.Meter(random.Random(5), cycle.start)
    sample.send_metrics(server.addresses.otlp_http, meter.families(cycle.now))
    thread.join(20)
    assert events == {"cycles": {"trace_ids": [cycle.trace_id]}, "metrics": {}}


def test_a_cycle_of_several_assets_has_one_row(server):
    cycle = make_cycle(random.Random(5), time.time_ns(), 8)
    pair = {
        "key": s.ASSET_PAIRS,
        "value": {"arrayValue": {"values": [{"stringValue": "A"}, {"stringValue": "B"}]}},
    }
    root = cycle.spans[-1]
    root["attributes"] = [a for a in root["attributes"] if a["key"] != s.ASSET_PAIRS] + [pair]
    sample.send_spans(server.addresses.otlp_http, cycle.spans)
    server.stored(spans=len(cycle.spans))
    for asset in ("A", "B"):
        (row,) = server.get("cycles", asset=asset)["cycles"]
        assert row["asset_pairs"] == ["A", "B"]
