# SPDX-License-Identifier: Apache-2.0
"""The loader gets over a store that fails for a while, and over rows that never load."""

from __future__ import annotations

import json

import duckdb
import pytest
from observe_server import until

from ffe_otel.observe.decode import Known, Signal
from ffe_otel.observe.journal import Journal
from ffe_otel.observe.store import loader as module
from ffe_otel.observe.store.database import Database
from ffe_otel.observe.store.loader import Loader
from ffe_otel.observe.store.retention import RetentionLimits

LIMIT = 1 << 30


def span(number):
    """A journal line."""
    row = {"trace_id": f"{number:032x}", "span_id": number, "name": "s", "start_ns": number,
           "duration_ns": 1, "status": 0, "kind": 1, "attrs": {}}  # fmt: skip
    return json.dumps(row).encode()


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A running loader with its journal, its store and what it published."""
    monkeypatch.setattr(module, "RETRY", 0.02)
    database, journal = Database(tmp_path, LIMIT), Journal(tmp_path / "journal", LIMIT)
    changes = []
    loader = Loader(
        database, journal, Known(), limits=RetentionLimits(LIMIT, 36_500), publish=changes.append
    )
    loader.start()
    yield loader, journal, database, changes
    loader.close()
    journal.close()
    database.close()


def held(database):
    try:
        with database.reader() as connection:
            return sorted(r[0] for r in connection.execute("SELECT span_id FROM spans").fetchall())
    except duckdb.Error:
        return None


def test_what_was_loaded_is_published(parts):
    loader, journal, database, changes = parts
    journal.append({Signal.TRACES: [span(1), span(1), span(2)]})
    loader.wake()
    until(lambda: changes)
    assert held(database) == [1, 2]
    assert {t for c in changes for t in c.trace_ids} == {f"{1:032x}", f"{2:032x}"}
    assert not any(c.metrics for c in changes)


def test_a_disk_that_is_full_for_a_while_is_reported_and_loses_nothing(parts, monkeypatch):
    loader, journal, database, _ = parts

    def full(*_):
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "load_segments", full)
        journal.append({Signal.TRACES: [span(1)]})
        loader.wake()
        until(lambda: loader.problem)
        assert "No space left on device; free space" in loader.problem
        journal.append({Signal.TRACES: [span(2)]})
    until(lambda: held(database) == [1, 2])
    until(lambda: not loader.problem)
    until(lambda: journal.size == 0)


def test_a_store_that_gives_up_is_opened_again(parts):
    loader, journal, database, _ = parts
    database.writer.close()
    journal.append({Signal.TRACES: [span(1)]})
    loader.wake()
    until(lambda: held(database) == [1])


def test_rows_that_bring_the_store_down_each_time_are_set_aside(parts, monkeypatch):
    loader, journal, database, _ = parts
    load = module.load_segments

    def fragile(connection, segments):
        if any(b'"span_id": 13,' in s.path.read_bytes() for s in segments):
            raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block")
        return load(connection, segments)

    monkeypatch.setattr(module, "load_segments", fragile)
    for number in (12, 13, 14):
        journal.append({Signal.TRACES: [span(number)]})
        journal.seal()
    loader.wake()
    (bad,) = until(lambda: list(journal.directory.glob("*.bad")))
    until(lambda: held(database) == [12, 14])
    assert bad.read_bytes() == span(13) + b"\n"


def test_segments_that_were_loaded_before_a_kill_are_not_loaded_again(tmp_path):
    database, journal = Database(tmp_path, LIMIT), Journal(tmp_path / "journal", LIMIT)
    journal.append({Signal.TRACES: [span(1)]})
    (segment,) = journal.seal()
    database.writer.execute("INSERT INTO segments VALUES (?)", [segment.path.name])
    loader = Loader(
        database, journal, Known(), limits=RetentionLimits(LIMIT, 7), publish=lambda _: None
    )
    loader.start()
    assert held(database) == []
    assert not segment.path.exists()
    loader.close()
    database.close()
