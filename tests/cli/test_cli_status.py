# SPDX-License-Identifier: Apache-2.0
"""`ffe-otel status`: what a watchdog can rely on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest


def answer(**changes) -> dict:
    return {
        "agent": {"id": "desk-7", "state": "REASONING",
                  "state_since_unix_nano": str(time.time_ns() - 5 * 3600 * 10**9)},
        "last_cycle": {"trace_id": "a" * 32, "number": 12, "state": "ended",
                       "asset_pairs": ["BTCUSD"], "action": "BUY", "outcome": "rejected",
                       "reason": "VAR_LIMIT"},
        "last_cycle_age_seconds": 8.25,
        "backends": {"influxdb": {"ok": False, "detail": "connection refused"}},
        "store": {"path": "/store", "bytes": 2_500_000, "spans": 10, "logs": 20,
                  "metric_points": 30},
        "version": "0.1.0",
    } | changes  # fmt: skip


@pytest.fixture
def status(cli, fake_serve):
    """Call `status` while the server answers so."""

    def _status(*arguments: str, **changes):
        fake_serve.answers["/api/v1/status"] = (200, answer(**changes))
        return cli("status", *arguments)

    return _status


def test_a_healthy_agent(status):
    result = status()

    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].split()[:3] == ["✓", "agent", "desk-7"]
    assert "REASONING for 5 h 00 min" in lines[0]
    assert "the last cycle is 8.25 s old" in lines[1]
    assert "#12 ended BTCUSD BUY rejected VAR_LIMIT " + "a" * 32 in lines[1]
    assert lines[2].split(maxsplit=2) == ["!", "influxdb", "connection refused"]
    assert "2.5 MB, 10 spans, 20 logs, 30 metric points, /store" in lines[3]
    assert lines[4].split()[:4] == ["✓", "spool", "nothing", "waits,"]


@pytest.mark.parametrize(
    ("arguments", "age", "code"),
    [
        ((), 299.0, 0),
        ((), 301.0, 1),
        (("--max-age", "10"), 11.0, 1),
        (("--max-age", "0.5"), 0.4, 0),
        ((), None, 1),
    ],
)
def test_the_age_of_the_last_cycle_decides(status, arguments, age, code):
    assert status(*arguments, last_cycle_age_seconds=age).exit_code == code


def test_the_limit_is_the_alerts(status):
    Path("ffe_otel.yaml").write_text("alerting: {thresholds: {agent_stuck_duration_seconds: 5}}\n")

    result = status()

    assert result.exit_code == 1
    assert "the last cycle is 8.25 s old, more than 5.00 s" in result.output


def test_before_the_first_cycle(status):
    result = status(last_cycle=None, last_cycle_age_seconds=None, agent={"id": None})

    assert result.exit_code == 1
    assert "no cycle has been seen yet" in result.output
    assert "none has been heard of" in result.output


def test_json_has_the_answer_and_the_verdict(status):
    result = status("--json")

    found = json.loads(result.output)
    assert found["healthy"] is True
    assert found["max_age_seconds"] == 300
    assert found["agent"]["id"] == "desk-7"


def test_names_cannot_steer_the_terminal(status):
    result = status(agent={"id": "x\x1b[2Jy\r\nz", "state": "IDLE"}, last_cycle=None)

    assert "xy z  IDLE" in result.output
    assert "\x1b" not in result.output


class TestNoServer:
    """Exit code 2 and a way out, whatever the reason is."""

    def test_it_never_ran(self, cli, home):
        result = cli("status")

        assert result.exit_code == 2
        assert f"({home}/state/ffe_otel/serve.json is absent)" in result.output
        assert "start it with 'ffe-otel serve'" in result.output

    def test_it_is_gone(self, cli, fake_serve):
        said = json.loads(fake_serve.file.read_text())
        fake_serve.file.write_text(json.dumps(said | {"page": "http://127.0.0.1:1"}))

        result = cli("status", "--json")

        assert result.exit_code == 2
        # click before 8.2 appends standard error to what its runner calls standard output.
        error = json.JSONDecoder().raw_decode(result.stdout)[0]["error"]
        assert "does not answer at http://127.0.0.1:1" in error

    @pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"pid": "x"}'])
    def test_its_file_is_damaged(self, cli, fake_serve, text):
        fake_serve.file.write_text(text)

        result = cli("status")

        assert result.exit_code == 2
        assert "serve.json is damaged; delete it" in result.output

    @pytest.mark.parametrize(
        ("status", "body"),
        [(401, {"error": "token needed", "hint": "look"}), (500, b"oops"), (200, b"<html>")],
    )
    def test_it_answers_nonsense(self, cli, fake_serve, status, body):
        fake_serve.answers["/api/v1/status"] = (status, body)

        result = cli("status")

        assert result.exit_code == 2
        assert "Traceback" not in result.output
        assert result.output.startswith("ffe-otel: error: ")
