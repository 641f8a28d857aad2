# SPDX-License-Identifier: Apache-2.0
"""Whatever the fields of a request hold: what is acknowledged can be loaded and shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_strategies import requests

from ffe_otel.observe import coerce, metric_math
from ffe_otel.observe.cycles import refresh_cycles
from ffe_otel.observe.decode import Decoder, Known, Signal, parse
from ffe_otel.observe.journal import Journal
from ffe_otel.observe.queries import cycles, logs, metrics, status, traces
from ffe_otel.observe.store.database import Database
from ffe_otel.observe.store.load import load_segments

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEYS = {Signal.TRACES: ("trace_id", "span_id"), Signal.LOGS: ("uid",),
         Signal.METRICS: ("series_id", "time_ns")}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A database and a journal."""
    directory = tmp_path_factory.mktemp("store")
    database, journal = Database(directory, 1 << 30), Journal(directory / "journal", 1 << 30)
    yield database, journal
    journal.close()
    database.close()


def records(signal: Signal, request: Any) -> int:
    """How many records a request has."""
    level = [request]
    names = {Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
             Signal.LOGS: ("resource_logs", "scope_logs", "log_records")}[signal]  # fmt: skip
    for name in names:
        level = [inner for outer in level for inner in getattr(outer, name)]
    return len(level)


def shown(connection: Any, trace_ids: Iterable[str]) -> None:
    """Ask everything the API can be asked; the answers are JSON."""
    names = {metric["name"] for metric in metrics.list_metrics(connection)} - {""}
    last = cycles.last_cycle(connection)
    answers = [
        cycles.list_cycles(connection, cycles.CycleFilter()), metrics.list_metrics(connection),
        [traces.get_trace(connection, trace_id) for trace_id in trace_ids],
        logs.list_logs(connection, logs.LogFilter(text="x")),
        logs.list_logs(connection, logs.LogFilter()),
        status.agent_state(connection, last), status.totals(connection, 0),
        status.store_counts(connection),
    ]  # fmt: skip
    for now in (2 * 10**9, 2**63 - 1):
        grid = metric_math.make_grid(now, 60.0, 30.0)
        answers += [
            metrics.series(connection, metrics.SeriesQuery(name, grid, stat, ("agent_id",)))
            for name in names for stat in ("", *metrics.STATS)
        ]  # fmt: skip
    json.loads(coerce.dumps(answers), parse_constant=pytest.fail)


@pytest.mark.parametrize("signal", list(Signal))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_acknowledged_can_be_loaded(store, signal, data):
    database, journal = store
    request = data.draw(requests(signal))
    batch = Decoder(Known()).decode(signal, parse(signal, request.SerializeToString()))
    if signal is not Signal.METRICS:
        assert len(batch.lines) + batch.rejected == records(signal, request)
    if not batch.lines:
        return
    journal.append({signal: batch.lines})
    segments = journal.seal()
    connection = database.writer
    connection.execute("BEGIN")
    try:
        loaded = load_segments(connection, segments)
        refresh_cycles(connection, loaded.cycles)
        shown(connection, loaded.traces)
    finally:
        connection.execute("ROLLBACK")
        journal.discard(segments)
    rows = [json.loads(line) for line in batch.lines]
    assert loaded.rows[signal] == len({tuple(r[k] for k in _KEYS[signal]) for r in rows})
