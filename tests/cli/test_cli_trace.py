# SPDX-License-Identifier: Apache-2.0
"""`ffe-otel trace`: a waterfall that can be read."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from ffe_otel.cli.main import main
from ffe_otel.cli.output import width
from ffe_otel.cli.waterfall import waterfall

MS = 10**6


def span(span_id, depth, name, start, length, **changes) -> dict:
    return {
        "span_id": span_id, "parent_span_id": None if depth == 0 else "x", "depth": depth,
        "name": name, "offset_ns": start * MS, "duration_ns": length * MS, "status": "unset",
        "status_message": "", "running": False, "missing": False,
    } | changes  # fmt: skip


def log(span_id, at, severity, number, body) -> dict:
    return {"span_id": span_id, "offset_ns": at * MS, "severity": severity,
            "severity_number": number, "body": body}  # fmt: skip


TRACE = {
    "trace_id": "c" * 32,
    "correlation_id": "cccccccc-cccc-cccc-cccc-cccccccccccc",
    "start_unix_nano": "1767225600000000000",
    "duration_ns": 1000 * MS,
    "cycle": {"asset_pairs": ["BTCUSD", "ETHUSD"], "action": "BUY", "confidence": 72.5,
              "outcome": "rejected", "reason": "VAR_LIMIT", "pnl_dollars": -3.5,
              "cost_usd": 0.0123, "errors": 1, "state": "ended"},
    "spans": [
        span("1", 0, "ffe.cycle", 0, 1000),
        span("2", 1, "ffe.phase.perception", 20, 180),
        span("3", 2, "ffe.data.fetch", 100, 100, status="error", status_message="502\nBad Gateway",
             attributes={"ffe.data.service": "alpha_vantage", "ffe.data.stale": False}),
        span("4", 1, "ffe.phase.reasoning", 200, 700),
        span("5", 2, "chat qwen", 300, 500, running=True),
    ],
    "logs": [
        log("1", 950, "INFO", 9, "cycle ends"),
        log("3", 150, "WARN", 13, "retrying"),
        log("1", 10, "INFO", 9, None) | {"event_name": "cycle begins"},
        log("unknown", 990, "ERROR", 17, "from elsewhere"),
    ],
}  # fmt: skip


def test_the_tree_with_its_logs_in_time_order():
    lines = [click.unstyle(line).split("━")[0].rstrip() for line in waterfall(TRACE, 80)]

    assert lines == [
        "ffe.cycle                              1.00 s",
        "│  · +10.0 ms INFO cycle begins",
        "├─ ffe.phase.perception              180.0 ms",
        "│  └─ ffe.data.fetch alpha_vantage   100.0 ms",
        "│        502 Bad Gateway",
        "│        · +150.0 ms WARN retrying",
        "└─ ffe.phase.reasoning               700.0 ms",
        "   └─ chat qwen                       running",
        "   · +950.0 ms INFO cycle ends",
        "· +990.0 ms ERROR from elsewhere",
    ]


def test_what_a_span_around_its_siblings_logs_stands_between_them():
    ours, engine = {"kind": "internal", "scope": "ours"}, {"kind": "internal", "scope": "engine"}
    spans = [
        span("1", 0, "ffe.cycle", 0, 3020, **ours),
        span("2", 1, "agent.ooda.cycle", 0, 3020, **engine),
        span("3", 1, "ffe.phase.perception", 1, 15, **ours),
        span("4", 1, "ffe.phase.reasoning", 16, 3000, **ours),
    ]
    logs = [log("2", 3018, "ERROR", 17, "timed out"), log("3", 2, "INFO", 9, "fetching")]
    trace = {**TRACE, "duration_ns": 3020 * MS, "spans": spans, "logs": logs}
    shown = [click.unstyle(line) for line in waterfall(trace, 80)]

    order = ("ffe.cycle", "agent.ooda", "perception", "fetching", "reasoning", "timed out")
    assert len(shown) == len(order)
    assert all(text in line for line, text in zip(shown, order, strict=True)), shown


def test_bars_stand_where_their_spans_do():
    lines = [click.unstyle(line) for line in waterfall(TRACE, 80, logs=False)]
    room = 80 - lines[0].index("━")

    def bar(line: str) -> tuple[float, float]:
        start = line.index("━")
        return (start - lines[0].index("━")) / room, line[start:].count("━") / room

    assert bar(lines[0])[0] == 0
    assert bar(lines[0])[1] == pytest.approx(1, abs=0.05)
    assert bar(lines[2]) == (pytest.approx(0.1, abs=0.03), pytest.approx(0.1, abs=0.03))
    assert bar(lines[4]) == (pytest.approx(0.2, abs=0.03), pytest.approx(0.7, abs=0.03))


@pytest.mark.parametrize("columns", [20, 60, 80, 200])
def test_nothing_is_wider_than_the_terminal(columns):
    long = {**TRACE, "spans": [*TRACE["spans"], span("6", 1, "name " * 60, 1, 1)],
            "logs": [*TRACE["logs"], log("6", 1, "INFO", 9, "text 漢字 " * 60)]}  # fmt: skip

    assert max(width(line) for line in waterfall(long, columns)) <= max(columns, 60)


def test_errors_are_red_and_running_spans_yellow():
    coloured = waterfall(TRACE, 80)
    red, yellow = "\x1b[31m", "\x1b[33m"

    assert [line for line in coloured if red in line and "ffe.data.fetch" in line]
    assert [line for line in coloured if red in line and "502 Bad Gateway" in line]
    assert [line for line in coloured if red in line and "from elsewhere" in line]
    assert [line for line in coloured if yellow in line and "chat qwen" in line]


def test_a_trace_without_length_or_spans():
    assert waterfall({**TRACE, "spans": [], "logs": [], "duration_ns": 0}, 80) == []
    instant = {**TRACE, "spans": [span("1", 0, "x", 0, 0)], "logs": [], "duration_ns": 0}
    assert len(waterfall(instant, 80)) == 1


@pytest.mark.parametrize("identifier", ["c" * 32, "cccccccc-cccc-cccc-cccc-cccccccccccc", "dec/1"])
def test_any_id_is_asked_for_as_it_is(cli, fake_serve, identifier):
    path = f"/api/v1/traces/{identifier.replace('/', '%2F')}"
    fake_serve.answers[path] = (200, TRACE)

    result = cli("trace", identifier)

    assert result.exit_code == 0
    assert fake_serve.asked == [path]
    head = result.output.splitlines()
    assert head[0] == f"trace {'c' * 32}"
    assert head[2] == "2026-01-01T00:00:00.000+00:00  1.00 s"
    assert head[3] == (
        "BTCUSD,ETHUSD  BUY (72.5)  rejected VAR_LIMIT  P&L -3.50 USD  LLM 0.0123 USD  1 error"
    )
    assert "retrying" in result.output


def test_latest_is_the_newest_cycle(cli, fake_serve):
    fake_serve.answers["/api/v1/cycles"] = (200, {"cycles": [{"trace_id": "c" * 32}]})
    fake_serve.answers[f"/api/v1/traces/{'c' * 32}"] = (200, TRACE)

    assert cli("trace", "latest").exit_code == 0
    assert fake_serve.asked[0] == "/api/v1/cycles?limit=1"


def test_latest_without_any_cycle(cli, fake_serve):
    fake_serve.answers["/api/v1/cycles"] = (200, {"cycles": []})

    result = cli("trace", "latest")

    assert result.exit_code == 1
    assert "there is no cycle yet" in result.output


def test_logs_can_be_left_out(cli, fake_serve):
    fake_serve.answers["/api/v1/traces/t"] = (200, TRACE)

    output = cli("trace", "t", "--no-logs").output

    assert "ffe.data.fetch" in output
    assert "retrying" not in output


def test_json_is_the_servers_answer(cli, fake_serve):
    fake_serve.answers["/api/v1/traces/t"] = (200, TRACE)

    assert json.loads(cli("trace", "t", "--json").output) == TRACE


def test_an_unknown_id(cli, fake_serve):
    result = cli("trace", "nope")

    assert result.exit_code == 1
    assert "no such trace; look at the list of cycles" in result.output


def test_no_server(cli):
    assert cli("trace", "latest").exit_code == 2


def test_colours_only_where_they_are_wanted(fake_serve, monkeypatch):
    fake_serve.answers["/api/v1/traces/t"] = (200, TRACE)
    runner = CliRunner()

    assert "\x1b[" in runner.invoke(main, ["trace", "t"], color=True).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in runner.invoke(main, ["trace", "t"], color=True).output


def test_a_terminal_without_box_characters_gets_plain_ones(fake_serve):
    fake_serve.answers["/api/v1/traces/t"] = (200, TRACE)

    output = CliRunner(charset="ascii").invoke(main, ["trace", "t"]).output

    assert "`- ffe.phase.reasoning" in output
    assert "====" in output
    assert output.isascii()


@pytest.mark.parametrize("identifier", ["", "  "])
def test_an_id_is_needed(cli, fake_serve, identifier):
    result = cli("trace", identifier)

    assert result.exit_code == 2
    assert "an id is needed" in result.output
    assert "latest" in result.output
    assert fake_serve.asked == []
