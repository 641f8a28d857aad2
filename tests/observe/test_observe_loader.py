# SPDX-License-Identifier: Apache-2.0
"""The loader gets over a store that fails for a while, and over rows that never load."""

from __future__ import annotations

import json
import threading

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


def fragile(load, error, *bad):
    """A loader of segments that fails with ``error`` where a span of ``bad`` is."""

    def failing(connection, segments):
        text = b"".join(s.path.read_bytes() for s in segments)
        if any(b'"span_id": %d,' % number in text for number in bad):
            raise error
        return load(connection, segments)

    return failing


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
    error = duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block")
    monkeypatch.setattr(module, "load_segments", fragile(module.load_segments, error, 13))
    for number in (12, 13, 14):
        journal.append({Signal.TRACES: [span(number)]})
        journal.seal()
    loader.wake()
    (bad,) = until(lambda: list(journal.directory.glob("*.bad")))
    until(lambda: held(database) == [12, 14])
    assert bad.read_bytes() == span(13) + b"\n"


def test_a_row_that_breaks_the_program_is_set_aside_alone_and_loading_goes_on(parts, monkeypatch):
    loader, journal, database, changes = parts
    broken = fragile(module.load_segments, TypeError("unhashable"), 13, 14)
    monkeypatch.setattr(module, "load_segments", broken)
    journal.append({Signal.TRACES: [span(n) for n in range(1, 40)]})
    loader.wake()
    good = [n for n in range(1, 40) if n not in {13, 14}]
    until(lambda: held(database) == good)
    until(lambda: journal.size == 0)
    (bad,) = journal.directory.iterdir()
    assert bad.read_bytes().splitlines() == [span(13), span(14)]
    assert {t for c in changes for t in c.trace_ids} == {f"{n:032x}" for n in good}
    journal.append({Signal.TRACES: [span(50)]})
    loader.wake()
    until(lambda: 50 in held(database))


def test_a_disk_that_fills_up_while_a_segment_is_taken_apart_sets_nothing_aside(parts, monkeypatch):
    loader, journal, database, _ = parts
    load, calls = module.load_segments, []

    def failing(connection, segments):
        calls.append(segments)
        if len(calls) == 1:
            raise duckdb.InvalidInputException("no such row")
        if len(calls) < 5:
            raise duckdb.IOException("IO Error: No space left on device")
        return load(connection, segments)

    monkeypatch.setattr(module, "load_segments", failing)
    journal.append({Signal.TRACES: [span(n) for n in range(1, 9)]})
    loader.wake()
    until(lambda: held(database) == list(range(1, 9)))
    until(lambda: journal.size == 0)
    assert list(journal.directory.iterdir()) == []


def test_taking_a_hopeless_segment_apart_has_an_end(parts, monkeypatch):
    loader, journal, _, _ = parts
    monkeypatch.setattr("ffe_otel.observe.store.salvage.MAX_TRIES", 6)
    broken = fragile(module.load_segments, duckdb.InvalidInputException("bad"), *range(10, 90))
    monkeypatch.setattr(module, "load_segments", broken)
    lines = [span(n) for n in range(10, 90)]
    journal.append({Signal.TRACES: lines})
    loader.wake()
    (bad,) = until(lambda: list(journal.directory.glob("*.bad")))
    assert sorted(bad.read_bytes().splitlines()) == lines
    assert journal.quarantine.rows == 80


def test_a_stop_while_a_segment_is_taken_apart_leaves_it_to_the_next_run(parts, monkeypatch):
    loader, journal, _, _ = parts
    entered, go = threading.Event(), threading.Event()

    def failing(connection, segments):
        entered.set()
        assert go.wait(20)
        raise duckdb.InvalidInputException("bad")

    monkeypatch.setattr(module, "load_segments", failing)
    journal.append({Signal.TRACES: [span(1), span(2)]})
    loader.wake()
    assert entered.wait(20)
    closing = threading.Thread(target=loader.close)
    closing.start()
    until(loader._stopping.is_set)
    go.set()
    closing.join(20)
    assert [p.suffix for p in journal.directory.iterdir()] == [".ndjson"]
    assert journal.size > 0


def test_rows_set_aside_are_bounded_and_the_oldest_go(tmp_path):
    journal = Journal(tmp_path / "journal", 8000)
    for _ in range(8):
        journal.append({Signal.TRACES: [span(1) + b" " * 400]})
        (segment,) = journal.seal()
        journal.set_aside(segment, [(0, segment.size, 1)])
    kept = sorted(p.name for p in journal.directory.iterdir())
    assert len(kept) == journal.quarantine.rows < 8
    assert sum(p.stat().st_size for p in journal.directory.iterdir()) <= 2000
    assert kept[-1] == "000000000008-traces.bad"
    journal.quarantine.retire(age_seconds=0)
    assert list(journal.directory.iterdir()) == []
    journal.close()


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
