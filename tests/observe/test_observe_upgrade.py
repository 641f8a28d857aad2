# SPDX-License-Identifier: Apache-2.0
"""A store of an earlier version gets what it lacks, and its history stays."""

from __future__ import annotations

import json
import uuid

import duckdb
import pytest

from ffe_otel.observe.store import schema
from ffe_otel.observe.store.database import Database

TRACE = uuid.UUID(int=7)
AT = 1_795_400_000_000_000_000
# Version 1 as it was written, frozen.
VERSION_1 = """
CREATE TABLE spans (trace_id UUID, span_id UBIGINT, parent_id UBIGINT, name VARCHAR,
kind UTINYINT, service VARCHAR, scope VARCHAR, start_ns BIGINT, duration_ns BIGINT,
status UTINYINT, message VARCHAR, trace_state VARCHAR, attrs JSON, events JSON, links JSON,
resource_id UBIGINT, seen_ns BIGINT);
CREATE TABLE logs (uid UUID, time_ns BIGINT, trace_id UUID, span_id UBIGINT,
severity UTINYINT, level VARCHAR, event_name VARCHAR, service VARCHAR, logger VARCHAR,
body VARCHAR, attrs JSON, resource_id UBIGINT, seen_ns BIGINT);
CREATE TABLE points (series_id UBIGINT, time_ns BIGINT, start_ns BIGINT, value DOUBLE,
"count" BIGINT, "min" DOUBLE, "max" DOUBLE, buckets BIGINT[], exemplars JSON, seen_ns BIGINT);
CREATE TABLE series (series_id UBIGINT, name VARCHAR, kind VARCHAR, unit VARCHAR,
description VARCHAR, temporality VARCHAR, scope VARCHAR, service VARCHAR, labels JSON,
bounds JSON, resource_id UBIGINT);
CREATE TABLE resources (resource_id UBIGINT, resource JSON);
CREATE TABLE traces (trace_id UUID, first_ns BIGINT, last_ns BIGINT, spans BIGINT,
logs BIGINT);
CREATE TABLE cycles (trace_id UUID, start_ns BIGINT, last_ns BIGINT, outcome VARCHAR,
assets VARCHAR[], errors BIGINT, search VARCHAR, data JSON);
CREATE TABLE decisions (decision_id VARCHAR, trace_id UUID, seen_ns BIGINT);
CREATE TABLE segments (name VARCHAR);
CREATE TABLE meta ("key" VARCHAR, "value" VARCHAR);
INSERT INTO meta VALUES ('version', '1');
"""


def store_of_version_1(directory):
    """A store of version 1 with one cycle, its span and a log record."""
    directory.mkdir(parents=True)
    with duckdb.connect(str(directory / "telemetry.duckdb")) as connection:
        connection.execute(VERSION_1)
        connection.execute(
            "INSERT INTO spans VALUES (?, 1, NULL, 'ffe.cycle', 1, 's', 's', ?, 5, 0, NULL, NULL, "
            "'{}', NULL, NULL, 1, ?)", [TRACE, AT, AT + 10],
        )  # fmt: skip
        connection.execute(
            "INSERT INTO logs VALUES (uuid(), ?, ?, 1, 9, 'INFO', NULL, 's', 'l', 'kept', '{}', 1, "
            "?)", [AT + 1, TRACE, AT + 20],
        )  # fmt: skip
        connection.execute("INSERT INTO traces VALUES (?, ?, ?, 1, 1)", [TRACE, AT, AT + 5])
        data = {
            "trace_id": TRACE.hex, "correlation_id": str(TRACE), "agent_id": "a", "number": 41,
            "asset_pairs": [], "start_unix_nano": str(AT), "duration_ns": 5, "state": "ended",
            "last_seen_unix_nano": str(AT + 5), "outcome": None, "reason": None, "trades": None,
            "status_message": None, "action": None, "confidence": None, "decision_ids": [],
            "verdict": None, "pnl_dollars": None, "cost_usd": None, "tokens": 0, "errors": 0,
            "phases": [], "spans": 1, "logs": 1,
        }  # fmt: skip
        connection.execute(
            "INSERT INTO cycles VALUES (?, ?, ?, NULL, [], 0, 'kept', ?)",
            [TRACE, AT, AT + 5, json.dumps(data)],
        )
    return directory


def test_history_of_version_1_is_shown_by_this_version(start, tmp_path):
    store = store_of_version_1(tmp_path / "state" / "store")
    server = start(otlp_grpc_port=-1, retention_days=36_500)
    assert [c["number"] for c in server.get("cycles")["cycles"]] == [41]
    assert [log["body"] for log in server.get("logs")["logs"]] == ["kept"]
    assert server.get(f"traces/{TRACE.hex}")["spans"]
    assert list(store.glob("*.aside")) == []
    server.stop()
    with duckdb.connect(str(store / "telemetry.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT arrived_ns, t.seen_ns, at_ns FROM traces t JOIN cycles USING (trace_id)"
        ).fetchall()
    assert rows == [(AT + 10, AT + 20, AT)]


@pytest.fixture
def more(monkeypatch):
    """A schema with one table and one column more than this version's."""
    tables = {
        **schema.TABLES,
        "spans": {**schema.TABLES["spans"], "extra": "VARCHAR"},
        "findings": {"finding_id": "VARCHAR", "data": "JSON"},
    }
    monkeypatch.setattr(schema, "TABLES", tables)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)


def test_a_new_table_and_column_leave_the_history_where_it_is(tmp_path, request):
    database = Database(tmp_path, 1 << 30)
    database.writer.execute(
        "INSERT INTO spans (trace_id, span_id, name, start_ns) VALUES (uuid(), 1, 'kept', 5)"
    )
    database.close()
    request.getfixturevalue("more")
    database = Database(tmp_path, 1 << 30)
    with database.reader() as connection:
        assert connection.execute("SELECT name, extra FROM spans").fetchall() == [("kept", None)]
        assert connection.execute("SELECT count(*) FROM findings").fetchone() == (0,)
        version = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    assert version == (str(schema.VERSION),)
    database.close()
    assert list(tmp_path.glob("*.aside")) == []


def test_history_of_version_1_survives_two_steps_at_once(tmp_path, more):
    database = Database(store_of_version_1(tmp_path / "store"), 1 << 30)
    with database.reader() as connection:
        assert connection.execute("SELECT name, extra FROM spans").fetchall() == [
            ("ffe.cycle", None)
        ]
    database.close()


def test_another_type_is_not_added_and_the_file_is_kept(tmp_path, monkeypatch):
    Database(tmp_path, 1 << 30).close()
    tables = {**schema.TABLES, "decisions": {**schema.DECISIONS, "seen_ns": "VARCHAR"}}
    monkeypatch.setattr(schema, "TABLES", tables)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    database = Database(tmp_path, 1 << 30)
    assert "decisions.seen_ns is BIGINT and not VARCHAR" in database.problem
    database.close()
    (aside,) = tmp_path.glob("*.aside")
    assert aside.name.endswith(".other.aside")
