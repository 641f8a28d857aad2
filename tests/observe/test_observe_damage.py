# SPDX-License-Identifier: Apache-2.0
"""A store file that is damaged, cut, or taken away: what reads is read back, and serve goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import duckdb
import pytest
import sample_telemetry as sample
from observe_server import Server, make_config, until

from ffe_otel.observe.decode import Known
from ffe_otel.observe.store import asides
from ffe_otel.observe.store.database import Database
from ffe_otel.observe.store.repair import DOUBTS, Repair
from ffe_otel.observe.store.rescue import Rescue

if TYPE_CHECKING:
    from pathlib import Path

SPANS = 60_000
AT = 1_795_400_000_000_000_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with two cycles and many spans beside them, in several blocks."""
    state = tmp_path_factory.mktemp("whole") / "state"
    server = Server(make_config(state, otlp_grpc_port=-1)).start()
    sample.fill(server.addresses.otlp_http, 2, random.Random(4))
    until(lambda: len(server.get("cycles")["cycles"]) == 2)
    server.stop()
    with duckdb.connect(str(file_of(state))) as connection:
        connection.execute(
            "INSERT INTO spans (trace_id, span_id, name, kind, service, scope, start_ns, "
            "duration_ns, status, attrs, resource_id, seen_ns) SELECT "
            f"md5((i // 4)::VARCHAR)::UUID, i, 'work', 1, 's', 's', {AT} + i * 1000, 5, 0, "
            "'{\"text\":\"' || md5(i::VARCHAR) || md5((i + 1)::VARCHAR) || '\"}', 1, "
            f"{time.time_ns()} + i FROM range({SPANS}) t(i)"
        )
        connection.execute("CHECKPOINT")
    return state


@pytest.fixture
def state(whole: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    shutil.copytree(whole, tmp_path / "state")
    return tmp_path / "state"


def file_of(state: Path) -> Path:
    return state / "store" / "telemetry.duckdb"


def flip(path: Path, offset: int, length: int = 64) -> None:
    """Turn bytes of a file around where they are."""
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0x5A for byte in old))


def block_of_spans(path: Path) -> int:
    """Where the file keeps some of the spans' attributes."""
    with duckdb.connect(str(path), read_only=True) as connection:
        (block,) = connection.execute(
            "SELECT block_id FROM pragma_storage_info('spans') WHERE column_name = 'attrs' "
            "AND segment_type <> 'VALIDITY' AND block_id >= 0 ORDER BY row_group_id DESC LIMIT 1"
        ).fetchone()
    return 3 * 4096 + block * 262_144 + 5000


def aside_names(state: Path) -> list[str]:
    return sorted(p.name for p in (state / "store").glob("*.aside"))


def read_back(server: Server) -> dict:
    """What the status says of the file that was set aside, once it has been read."""

    def done():
        found = server.get("status")["store"]["set_aside"]
        return found[0] if found and found[0]["done"] else None

    return until(done, "the damaged file to be read back")


def post(server: Server, name: str) -> None:
    record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": name}}
    payload = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    answer = server.post("logs", payload)
    assert answer.status == 200, answer


def takes(server: Server, name: str) -> None:
    """A row that is sent now is acknowledged and shown."""
    post(server, name)

    def shown():
        answer = server.ask("logs", q=name)
        return answer.status == 200 and answer.json()["logs"]

    until(shown, f"the record {name}")


def test_one_damaged_block_costs_its_rows_and_nothing_else(state, start):
    flip(file_of(state), block_of_spans(file_of(state)))
    server = start(state, otlp_grpc_port=-1)
    for number in range(20):
        post(server, f"row {number}")
    found = read_back(server)
    assert "checksum" in found["reason"]
    (lost,) = found["lost"].values()
    assert 0 < lost < SPANS / 2
    takes(server, "after")
    counts = server.get("status")["store"]
    assert counts["spans"] == found["read_back"]["spans"] >= SPANS - lost
    assert len(server.get("cycles")["cycles"]) == 2
    assert len(server.get("logs", q="row")["logs"]) == 20
    health = server.get("status")["backends"]["store"]
    assert health["ok"]
    assert f"lost are {lost} of spans" in health["detail"]
    server.stop()
    again = start(state, otlp_grpc_port=-1)
    assert again.get("status")["store"]["spans"] == counts["spans"]
    assert f"lost are {lost} of spans" in again.get("status")["backends"]["store"]["detail"]
    assert len(aside_names(state)) == 1


def test_a_query_that_meets_a_damaged_block_of_a_running_server_has_it_mended(state, start):
    server = start(state, otlp_grpc_port=-1)
    takes(server, "before")
    server.stop()
    server = start(state, otlp_grpc_port=-1)
    path = file_of(state)
    for offset in range(2 << 20, path.stat().st_size - 300_000, 1 << 20):
        flip(path, offset)
    trace = f"{0:032x}"
    until(lambda: server.ask(f"traces/{trace}").status in {404, 503})
    found = read_back(server)
    assert found["lost"]
    takes(server, "after")
    assert server.get("logs", q="before")["logs"]


@pytest.mark.parametrize(
    ("damage", "whole_again"),
    [
        (lambda path: os.truncate(path, path.stat().st_size * 3 // 4), False),
        (lambda path: os.truncate(path, 5000), False),
        (lambda path: os.truncate(path, 0), False),
        (lambda path: path.write_bytes(random.Random(1).randbytes(300_000)), False),
        (lambda path: flip(path, 0, 4096), True),
        (lambda path: flip(path, 8, 4), True),
    ],
    ids=["cut", "cut to its head", "empty", "garbage", "garbage head", "no magic"],
)
def test_whatever_the_file_is_now_serve_goes_on_and_says_what_was_lost(
    state, start, damage, whole_again
):
    damage(file_of(state))
    server = start(state, otlp_grpc_port=-1)
    takes(server, "after")
    found = read_back(server)
    assert bool(found["lost"]) is not whole_again
    health = server.get("status")["backends"]["store"]
    assert health["ok"]
    assert "was damaged" in health["detail"]
    assert ("lost are" in health["detail"]) is not whole_again
    if whole_again:
        assert found["read_back"]["spans"] >= SPANS
        assert len(server.get("cycles")["cycles"]) == 2


@pytest.mark.parametrize("kind", ["middle", "begin"])
def test_a_damaged_log_costs_what_was_in_it(state, start, kind):
    path = file_of(state)
    log = path.with_name(path.name + ".wal")
    # A process that is killed leaves its log.
    program = (
        "import duckdb, os, sys\n"
        "c = duckdb.connect(sys.argv[1])\n"
        "c.execute(\"SET checkpoint_threshold = '1GB'\")\n"
        "for i in range(20):\n"
        '    c.execute("INSERT INTO logs (uid, time_ns, body, attrs, severity, seen_ns) SELECT "\n'
        "        f\"uuid(), {1795400000000000000} + i, 'logged ' || i, '{{}}', 9, \"\n"
        '        "1795400000000000000 FROM range(100) t(i)")\n'
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    flip(log, log.stat().st_size // 2 if kind == "middle" else 0, 200)
    server = start(state, otlp_grpc_port=-1)
    takes(server, "after")
    until(lambda: all(f["done"] for f in server.get("status")["store"]["set_aside"]))
    assert server.get("status")["store"]["spans"] >= SPANS
    if kind == "begin":
        assert "the log could not be read" in server.get("status")["backends"]["store"]["detail"]


def test_a_file_of_a_newer_version_is_kept_for_good(state, start):
    with duckdb.connect(str(file_of(state))) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'version'")
    size = file_of(state).stat().st_size
    server = start(state, otlp_grpc_port=-1)
    takes(server, "after")
    (name,) = aside_names(state)
    assert "is of version 999" in server.get("status")["backends"]["store"]["detail"]
    for _ in range(asides.MAX_DAMAGED + 1):
        server.stop()
        file_of(state).write_bytes(b"damage")
        server = start(state, otlp_grpc_port=-1)
        takes(server, "again")
    kept = aside_names(state)
    assert name in kept
    assert (state / "store" / name).stat().st_size == size
    assert len(kept) <= asides.MAX_DAMAGED + 1


def test_a_file_deleted_under_a_running_server_is_restored(state, start):
    server = start(state, otlp_grpc_port=-1)
    takes(server, "before")
    file_of(state).unlink()
    until(lambda: file_of(state).exists())
    takes(server, "after")
    assert server.get("logs", q="before")["logs"]
    assert server.get("status")["store"]["spans"] >= SPANS
    assert "was deleted while it was in use" in server.get("status")["backends"]["store"]["detail"]


def test_a_store_directory_that_is_deleted_is_made_again(state, start):
    server = start(state, otlp_grpc_port=-1)
    takes(server, "before")
    shutil.rmtree(state / "store")
    until(lambda: file_of(state).exists())

    def answered():
        record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": "after"}}
        return server.post(
            "logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
        ).status

    until(lambda: answered() == 200)
    until(lambda: server.ask("logs", q="after").status == 200)
    until(lambda: server.get("logs", q="after")["logs"])


def test_the_status_answers_while_the_store_does_not(state, start):
    server = start(state, otlp_grpc_port=-1)
    takes(server, "before")

    def broken(*_):
        raise duckdb.IOException("IO Error: Could not read from file: Input/output error")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ffe_otel.observe.queries.status.store_counts", broken)
        found = server.get("status")
        assert not found["backends"]["store"]["ok"]
        assert "Input/output error" in found["backends"]["store"]["detail"]
    assert server.get("status")["backends"]["store"]["ok"]


def test_reading_back_goes_on_after_a_kill_and_holds_each_row_once(state):
    directory = state / "store"
    flip(file_of(state), block_of_spans(file_of(state)))
    database = Database(directory, 1 << 30)
    assert database.examine()
    database.replace("is a test's")
    lost = -1
    for _ in range(200):
        ((aside, note),) = asides.damaged(database.path).items()
        if note.done:
            lost = note.lost["spans"]
            break
        # Each step by one that knows only what is on the disk.
        rescue = Rescue(database, aside, note)
        rescue.step()
        rescue.close()
    with database.reader() as connection:
        total, different = connection.execute(
            "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM spans"
        ).fetchone()
    assert total == different >= SPANS - lost
    database.close()


def test_no_room_while_reading_back_loses_nothing(state, monkeypatch):
    flip(file_of(state), 0, 4096)
    database = Database(state / "store", 1 << 30)
    ((aside, note),) = asides.damaged(database.path).items()
    rescue = Rescue(database, aside, note)
    copy, full = Rescue._copy_out, []

    def failing(self, table, begin, end):
        if len(full) < 5:
            full.append(table)
            raise duckdb.IOException("IO Error: Could not write file: No space left on device")
        copy(self, table, begin, end)

    monkeypatch.setattr(Rescue, "_copy_out", failing)
    for _ in range(200):
        try:
            if not rescue.step():
                break
        except duckdb.IOException:
            assert aside.exists()
    assert len(full) == 5
    assert note.lost == {}
    assert note.taken["spans"] >= SPANS
    database.close()


def test_damage_again_and_again_leaves_few_files_and_no_haste(tmp_path, monkeypatch):
    monkeypatch.setattr("ffe_otel.observe.store.repair.FIRST_PAUSE", 100.0)
    database = Database(tmp_path, 1 << 30)
    repair = Repair(database, Known())
    error = duckdb.IOException("IO Error: Corrupt database file: computed checksum")
    said = []
    for _ in range(4):
        database.writer.execute(
            "INSERT INTO logs (uid, time_ns, body) SELECT uuid(), i, uuid()::VARCHAR "
            "FROM range(20000) t(i)"
        )
        database.writer.execute("CHECKPOINT")
        for offset in range(100_000, database.path.stat().st_size, 262_144):
            flip(database.path, offset)
        said.append(repair.after(error))
    repair.close()
    assert said[0] == ("", True)
    assert "is damaged again and waits" in said[-1][0]
    assert 1 <= len(list(tmp_path.glob("*.aside"))) <= asides.MAX_DAMAGED
    database.close()


def test_an_error_of_damage_in_a_sound_file_is_not_believed_at_once(tmp_path):
    database = Database(tmp_path, 1 << 30)
    repair = Repair(database, Known())
    error = duckdb.IOException("IO Error: Corrupt database file: computed checksum")
    for _ in range(DOUBTS - 1):
        said, explained = repair.after(error)
        assert said.startswith("the store was opened again")
        assert explained
    assert list(tmp_path.glob("*.aside")) == []
    assert repair.after(error) == ("", True)
    assert len(list(tmp_path.glob("*.aside"))) == 1
    assert repair.after(duckdb.InvalidInputException("a row")) == ("", False)
    repair.close()
    database.close()
