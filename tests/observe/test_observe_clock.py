# SPDX-License-Identifier: Apache-2.0
"""Rows age by the time that passes, whatever the clocks of the machine and the engine say."""

from __future__ import annotations

import time

import pytest
from observe_server import until

from ffe_otel.observe.store.clock import Sources, StoreClock
from ffe_otel.observe.store.database import Database
from ffe_otel.observe.store.retention import RetentionLimits, enforce

HOUR = 3600 * 10**9
DAY = 24 * HOUR
BIG = 1 << 40
START = 1_795_400_000 * 10**9


class Machine:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.wall = START
        self.ticks = 5 * HOUR
        self.boot = "one"

    def pass_by(self, nanoseconds: int) -> None:
        self.wall += nanoseconds
        self.ticks += nanoseconds

    def clock(self, directory, grace=86_400.0, newest_ns=None):
        sources = Sources(lambda: self.wall, lambda: self.ticks, self.boot)
        found = StoreClock(directory, grace=grace, newest_ns=newest_ns, sources=sources)
        found.look()
        return found


@pytest.mark.parametrize("jump", [8 * DAY, -8 * DAY, 56 * 365 * DAY])
def test_a_jump_of_the_clock_is_said_once_and_moves_no_age(tmp_path, caplog, jump):
    machine = Machine()
    clock = machine.clock(tmp_path)
    machine.pass_by(HOUR)
    clock.look()
    machine.wall += jump
    for _ in range(3):
        machine.pass_by(60 * 10**9)
        clock.look()
    assert clock.now_ns() == START + HOUR + 180 * 10**9
    assert [r.message for r in caplog.records if "the clock of this machine is" in r.message] == [
        f"ffe-otel serve: {clock.problem}"
    ]
    machine.wall -= jump
    clock.look()
    assert clock.problem == ""
    assert clock.now_ns() == machine.wall


def test_a_restart_in_the_jump_changes_nothing(tmp_path):
    machine = Machine()
    machine.clock(tmp_path)
    machine.pass_by(HOUR)
    machine.wall += 8 * DAY
    assert machine.clock(tmp_path).now_ns() == START + HOUR


def test_what_passed_while_the_machine_was_off_counts_after_the_grace(tmp_path):
    machine = Machine()
    machine.clock(tmp_path)
    machine.boot, machine.ticks, machine.wall = "two", HOUR, START + 30 * DAY
    clock = machine.clock(tmp_path)
    for _ in range(23):
        machine.pass_by(HOUR)
        clock.look()
    assert clock.now_ns() == START + 23 * HOUR
    machine.pass_by(2 * HOUR)
    clock.look()
    assert clock.now_ns() == machine.wall


def test_a_short_absence_counts_at_once(tmp_path):
    machine = Machine()
    machine.clock(tmp_path)
    machine.boot, machine.ticks, machine.wall = "two", HOUR, START + HOUR // 2
    assert machine.clock(tmp_path).now_ns() == machine.wall


def test_a_boot_in_1970_that_is_put_right_ages_nothing(tmp_path):
    machine = Machine()
    machine.clock(tmp_path)
    machine.boot, machine.ticks, machine.wall = "two", 10**9, 10**9
    clock = machine.clock(tmp_path)
    machine.pass_by(60 * 10**9)
    machine.wall = START + 2 * DAY
    clock.look()
    assert clock.now_ns() == START + 60 * 10**9


def test_a_store_of_an_earlier_version_starts_at_its_newest_row(tmp_path):
    machine = Machine()
    machine.wall = START + 8 * DAY
    assert machine.clock(tmp_path, newest_ns=START).now_ns() == START


def filled(tmp_path, rows):
    """A store with one span and one log for each (claimed, arrived)."""
    database = Database(tmp_path, 1 << 30)
    for number, (claimed, arrived) in enumerate(rows):
        database.writer.execute(
            "INSERT INTO spans (trace_id, span_id, name, start_ns, seen_ns) VALUES "
            f"(uuid(), {number}, 's', {claimed}, {arrived})"
        )
        database.writer.execute(
            "INSERT INTO logs (uid, time_ns, body, seen_ns) VALUES "
            f"(uuid(), {claimed}, '{number}', {arrived})"
        )
    return database


def held(database):
    with database.reader() as connection:
        return [r[0] for r in connection.execute("SELECT span_id FROM spans ORDER BY 1").fetchall()]


def test_rows_of_bad_clocks_neither_keep_nor_remove_others(tmp_path):
    now = time.time_ns()
    far = 4_100_000_000 * 10**9
    database = filled(
        tmp_path,
        [(far, now - 8 * DAY), (far, now - DAY), (10**9, now - DAY), (now - DAY, now - DAY),
         (10**9, now - 8 * DAY)],
    )  # fmt: skip
    enforce(database, 0, RetentionLimits(BIG, 7, grace=3600), now)
    assert held(database) == [1, 2, 3]
    database.close()


def test_what_claims_to_be_old_stays_for_the_grace(tmp_path):
    now = time.time_ns()
    database = filled(tmp_path, [(now - 9 * DAY, now - HOUR)])
    limits = RetentionLimits(BIG, 7, grace=86_400)
    enforce(database, 0, limits, now)
    assert held(database) == [0]
    enforce(database, 0, limits, now + DAY)
    assert held(database) == []
    database.close()


def record(number, at):
    """A finished cycle's root span as OTLP."""
    span = {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "ffe.cycle",
        "startTimeUnixNano": str(at), "endTimeUnixNano": str(at + 10**9),
        "attributes": [{"key": "ffe.cycle.number", "value": {"intValue": number}}],
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def test_a_cycle_of_2099_does_not_stand_before_the_next(server):
    far, now = 4_100_000_000 * 10**9, time.time_ns()
    for number, at in ((1, now - 20 * 10**9), (2, far), (3, now - 10**9)):
        assert server.post("traces", record(number, at)).status == 200
        server.stored(spans=number)
    until(lambda: len(server.get("cycles")["cycles"]) == 3)
    status = server.get("status")
    assert status["last_cycle_age_seconds"] < 30
    # Both of the last two came now; the one after them is the newest whatever was before.
    assert server.post("traces", record(4, time.time_ns())).status == 200
    until(lambda: server.get("status")["last_cycle"]["number"] == 4)
    assert [c["number"] for c in server.get("cycles", limit=1)["cycles"]] == [4]


def test_an_engine_whose_clock_is_wrong_is_as_fresh_as_its_cycles_arrive(server):
    assert server.post("traces", record(1, 10**9)).status == 200
    until(lambda: server.get("status")["last_cycle"])
    assert server.get("status")["last_cycle_age_seconds"] < 30


def test_a_running_server_keeps_its_store_while_the_clock_is_eight_days_ahead(
    start, tmp_path, monkeypatch
):
    monkeypatch.setattr("ffe_otel.observe.store.loader.RETENTION_PERIOD", 0.05)
    server = start(otlp_grpc_port=-1)
    assert server.post("traces", record(1, time.time_ns())).status == 200
    server.stored(spans=1)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 8 * DAY)
    monkeypatch.setattr(time, "time", lambda: real() / 1e9 + 8 * 86_400)
    until(lambda: "8.0 days ahead" in server.get("status")["backends"]["store"]["detail"])
    assert server.post("traces", record(2, time.time_ns())).status == 200
    server.stored(spans=2)
    server.stop()
    again = start(otlp_grpc_port=-1)
    assert again.get("status")["store"]["spans"] == 2
    assert again.get("status")["last_cycle_age_seconds"] < 30
