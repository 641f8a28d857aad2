# SPDX-License-Identifier: Apache-2.0
"""Damaged queue files are found and set aside. tests/stack does it with a real Collector's."""

from __future__ import annotations

import contextlib
import fcntl
import random

import pytest
from bolt_file import PAGE, bolt_file
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ffe_otel.observe.bolt import DamageError, read
from ffe_otel.observe.collector_queues import State, check, page

METADATA = b"\x19" + (7).to_bytes(8, "little")


def batch(name="x" * 2 * PAGE):
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name=name)
    data = request.SerializeToString()
    length = bytearray()
    rest = len(data)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return b"\x0d\x01\x00\x00\x00\x1a" + bytes([*length, rest]) + data


ENTRIES = {
    b"qmv0": METADATA,
    b"ri": b"\7" + bytes(7),
    b"1": batch(),
    b"2": batch("small"),
    b"3": batch(),
}


@pytest.fixture
def queue(tmp_path):
    path = tmp_path / "state" / "tempo" / "exporter_otlp_grpc_tempo_traces"
    path.parent.mkdir(parents=True)
    path.write_bytes(bolt_file(ENTRIES))
    return path


def look(queue, *, repair=False):
    return list(check(queue.parents[1], repair=repair))


def test_every_entry_is_read(queue):
    data = queue.read_bytes()
    found = list(read(queue))
    assert {entry.key: entry.value for entry in found} == ENTRIES
    for entry in found:
        assert data[entry.position : entry.position + len(entry.value)] == entry.value


def test_a_fine_file_stays(queue):
    before = queue.read_bytes()
    assert [finding.state for finding in look(queue, repair=True)] == [State.FINE]
    assert queue.read_bytes() == before
    assert list(queue.parent.iterdir()) == [queue]


DAMAGES = {
    "it is empty": lambda data: b"",
    "neither of its two meta pages is sound": lambda data: bytes(2 * PAGE) + data[2 * PAGE :],
    "page 3 is behind the end of the file": lambda data: data[: 3 * PAGE + 100],
    "page 2 is overwritten": lambda data: data[: 2 * PAGE] + bytes(PAGE) + data[3 * PAGE :],
    "page 3 has an element that does not fit into it": (
        lambda data: data[: 3 * PAGE + 28] + b"\xff" * 4 + data[3 * PAGE + 32 :]
    ),
    "its record of what is queued makes no sense": lambda data: data.replace(METADATA, b"\xff" * 9),
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_file_is_set_aside(queue, reason):
    damaged = DAMAGES[reason](queue.read_bytes())
    queue.write_bytes(damaged)
    (found,) = look(queue)
    assert (found.state, queue.exists()) == (State.DAMAGED, True)
    assert f"the queue file {queue} is damaged ({reason}); run `ffe-otel collector" in found.detail
    (done,) = look(queue, repair=True)
    assert done.state is State.SET_ASIDE
    (aside,) = queue.parent.iterdir()
    assert aside.name in done.detail
    assert aside.read_bytes() == damaged
    assert look(queue, repair=True) == []
    assert 'ffe_collector_queue_files_set_aside{queue="tempo"} 1\n' in page(queue.parents[1])


def test_one_sound_meta_page_is_enough(queue):
    """A kill in the middle of a write leaves it so; nobody was told that it was taken."""
    queue.write_bytes(bytes(PAGE) + queue.read_bytes()[PAGE:])
    assert [finding.state for finding in look(queue)] == [State.FINE]


def test_a_damaged_batch_is_taken_out_and_the_others_stay(queue):
    data = queue.read_bytes()
    place = data.index(b"x" * PAGE) + 100
    queue.write_bytes(data[:place] + b"\xc3\x28" + data[place + 2 :])
    assert "batches are damaged: 1; run" in look(queue)[0].detail
    (done,) = look(queue, repair=True)
    assert done.state is State.SET_ASIDE
    entries = {entry.key: entry.value for entry in read(queue)}
    assert entries.pop(b"1").strip(b"\xff") == b""
    assert entries == {key: value for key, value in ENTRIES.items() if key != b"1"}
    (aside,) = set(queue.parent.iterdir()) - {queue}
    assert b"\xc3\x28" in aside.read_bytes()
    assert [finding.state for finding in look(queue, repair=True)] == [State.FINE]


def test_what_a_collector_has_open_is_left_alone(queue):
    queue.write_bytes(b"half written")
    with queue.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [finding.state for finding in look(queue, repair=True)] == [State.IN_USE]
    assert queue.read_bytes() == b"half written"


def test_only_exporters_keep_batches(queue):
    other = queue.with_name("receiver_file_log_logs")
    other.write_bytes(bolt_file({b"1": b"\xc3\x28"}))
    assert {finding.state for finding in look(queue)} == {State.FINE}


def test_other_files_are_none_of_its_business(queue):
    for name in ("tempdb123", "q.20260101T000000.000Z.backup", "q.damaged"):
        (queue.parent / name).write_bytes(b"x")
    assert [finding.path for finding in look(queue, repair=True)] == [queue]


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_any_damage_is_found_or_harmless(tmp_path_factory, seed, length):
    data = bytearray(bolt_file(ENTRIES))
    dice = random.Random(seed)
    place = dice.randrange(len(data))
    data[place : place + length] = dice.randbytes(len(data[place : place + length]))
    path = tmp_path_factory.mktemp("any") / "queue"
    path.write_bytes(data)
    with contextlib.suppress(DamageError):
        for entry in read(path):
            assert entry.key
