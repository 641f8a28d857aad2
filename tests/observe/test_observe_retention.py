# SPDX-License-Identifier: Apache-2.0
"""The store is kept under its size and age, oldest first."""

from __future__ import annotations

import base64
import json
import random
import time

import sample_telemetry as sample
from observe_server import until
from sample_cycles import make_cycle

from ffe_otel.observe.decode import Known, Signal
from ffe_otel.observe.journal import Journal, Segment
from ffe_otel.observe.store.database import Database
from ffe_otel.observe.store.load import load_segments
from ffe_otel.observe.store.loader import Loader
from ffe_otel.observe.store.retention import RetentionLimits, enforce

DAY = 86_400 * 10**9
BIG = 1 << 40


def filled(start, tmp_path, starts):
    """A closed store with one cycle for each start time, as a database."""
    server = start(otlp_grpc_port=-1)
    rng, cycles = random.Random(6), []
    for number, begin in enumerate(starts):
        cycles.append(make_cycle(rng, begin, number))
    for chunk in range(0, len(cycles), 100):
        part = cycles[chunk : chunk + 100]
        sample.send_spans(server.addresses.otlp_http, [sp for c in part for sp in c.spans])
        sample.send_logs(server.addresses.otlp_http, [log for c in part for log in c.logs])
    server.stored(spans=sum(len(c.spans) for c in cycles), logs=sum(len(c.logs) for c in cycles))
    server.stop()
    return Database(tmp_path / "state" / "store", BIG), cycles


def left(database):
    with database.reader() as connection:
        rows = connection.execute("SELECT trace_id FROM cycles ORDER BY start_ns").fetchall()
        orphans = connection.execute(
            "SELECT count(*) FROM spans WHERE trace_id NOT IN (SELECT trace_id FROM traces)"
        ).fetchone()
    assert orphans == (0,)
    return [row[0].hex for row in rows]


def test_what_is_too_old_goes_and_the_rest_stays(start, tmp_path):
    now = time.time_ns()
    database, cycles = filled(start, tmp_path, [now - 9 * DAY, now - 8 * DAY, now - 6 * DAY, now])
    said = enforce(database, 0, RetentionLimits(BIG, 7))
    assert "older than the configured age" in said
    assert left(database) == [c.trace_id for c in cycles[2:]]
    assert enforce(database, 0, RetentionLimits(BIG, 7)) == ""
    database.close()


def test_rows_from_a_clock_in_the_future_age_by_their_arrival(start, tmp_path):
    database, cycles = filled(start, tmp_path, [time.time_ns() + 900 * DAY])
    assert left(database) == [cycles[0].trace_id]
    enforce(database, 0, RetentionLimits(BIG, 0))
    with database.reader() as connection:
        assert connection.execute("SELECT count(*) FROM spans").fetchone() == (0,)
    database.close()


def segment(path, rng, first_ns, rows):
    """A journal segment of ``rows`` spans that began a microsecond after each other."""
    lines = [
        json.dumps({
            "trace_id": f"{rng.getrandbits(128):032x}", "span_id": rng.getrandbits(63),
            "name": "work", "kind": 1, "service": "s", "scope": "s", "resource_id": 1,
            "start_ns": first_ns + 1000 * n, "duration_ns": 5, "status": 0,
            "attrs": {"text": f"{rng.getrandbits(400):x}"},
        })
        for n in range(rows)
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return Segment(path, Signal.TRACES, path.stat().st_size, max(map(len, lines)))


def test_a_store_that_grows_loses_its_oldest_rows_and_stays_under_its_size(tmp_path):
    limit, rng, rows = 32 << 20, random.Random(1), 20_000
    database = Database(tmp_path, limit)
    begin, said = time.time_ns() - 10**12, ""
    for number in range(20):
        first = begin + number * rows * 1000
        database.writer.execute("BEGIN")
        load_segments(database.writer, [segment(tmp_path / str(number), rng, first, rows)])
        database.writer.execute("COMMIT")
        said = enforce(database, 0, RetentionLimits(limit, 7)) or said
        assert database.size() <= limit
    assert f"beyond {limit} bytes" in said
    with database.reader() as connection:
        held, oldest, newest = connection.execute(
            "SELECT count(*), min(start_ns), max(start_ns) FROM spans"
        ).fetchone()
    assert newest == first + (rows - 1) * 1000
    assert held == (newest - oldest) // 1000 + 1
    assert rows <= held < 20 * rows
    database.close()


def test_a_burst_does_not_wait_for_the_turn_of_retention(tmp_path):
    limit, rng = 32 << 20, random.Random(1)
    database, journal = Database(tmp_path, limit), Journal(tmp_path / "journal", limit // 4)
    loader = Loader(
        database, journal, Known(), limits=RetentionLimits(limit, 7), publish=lambda _: None
    )
    loader.start()
    sizes = []
    for number in range(14):
        lines = [
            json.dumps({
                "trace_id": f"{rng.getrandbits(128):032x}", "span_id": rng.getrandbits(63),
                "name": "chat", "start_ns": time.time_ns(), "duration_ns": 5, "status": 0,
                "attrs": {"prompt": base64.b64encode(rng.randbytes(30_000)).decode()},
            }).encode()
            for _ in range(100)
        ]  # fmt: skip
        journal.append({Signal.TRACES: lines})
        loader.wake()
        until(lambda: journal.size == 0, f"load {number}")
        sizes.append(database.size())
    loader.close()
    journal.close()
    database.close()
    assert loader.last_retention.endswith(f"beyond {limit} bytes")
    assert max(sizes) < 1.25 * limit
