# SPDX-License-Identifier: Apache-2.0
"""The journal keeps what it took and says so when it cannot."""

from __future__ import annotations

import errno
import os
import shutil
import threading

import pytest
from observe_server import until

from ffe_otel.observe import journal as module
from ffe_otel.observe.decode import Decoder, Known, Signal
from ffe_otel.observe.errors import FullError
from ffe_otel.observe.ingest import Ingest
from ffe_otel.observe.journal import Journal

LINES = [b'{"a":1}', b'{"b":"\xc3\xa4"}']


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path, 1 << 20)
    yield opened
    opened.close()


def contents(segments):
    return {s.signal: s.path.read_bytes() for s in segments}


def test_sealed_segments_hold_what_was_appended(journal):
    journal.append({Signal.TRACES: LINES, Signal.LOGS: LINES[:1]})
    journal.append({Signal.TRACES: LINES[:1]})
    segments = journal.seal()
    whole = b"\n".join([*LINES, LINES[0], b""])
    assert contents(segments) == {Signal.TRACES: whole, Signal.LOGS: LINES[0] + b"\n"}
    assert journal.size == len(whole) + len(LINES[0]) + 1
    journal.discard(segments)
    assert (journal.seal(), journal.size) == ([], 0)


def test_a_torn_end_is_cut_off_and_a_zeroed_block_skipped(tmp_path):
    first = Journal(tmp_path, 1 << 20)
    first.append({Signal.TRACES: LINES})
    first.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(LINES[0] + b"\n" + b"\0" * 512 + b"\n" + LINES[1] + b'\n{"torn":')
    (segment,) = Journal(tmp_path, 1 << 20).seal()
    assert segment.path.read_bytes() == b"\n".join([*LINES, b""])
    assert segment.longest == len(LINES[1]) + 1


def test_names_go_on_after_a_restart(tmp_path):
    first = Journal(tmp_path, 1 << 20)
    first.append({Signal.LOGS: LINES})
    first.close()
    second = Journal(tmp_path, 1 << 20)
    second.append({Signal.LOGS: LINES})
    old, new = second.seal()
    assert old.path.name < new.path.name


def test_a_full_disk_takes_nothing_of_a_group_and_goes_on_when_there_is_space(journal, monkeypatch):
    journal.append({Signal.TRACES: LINES[:1]})

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("ffe_otel.observe.journal.os.fdatasync", full)
        with pytest.raises(FullError, match=r"No space left on device; free space"):
            journal.append({Signal.TRACES: LINES, Signal.LOGS: LINES})
    journal.append({Signal.TRACES: LINES[1:]})
    assert contents(journal.seal()) == {Signal.TRACES: b"\n".join([*LINES, b""])}


def test_a_journal_that_is_not_drained_says_so(tmp_path):
    small = Journal(tmp_path, 4)
    small.append({Signal.TRACES: LINES})
    with pytest.raises(FullError, match="has not taken yet"):
        small.append({Signal.TRACES: LINES})
    small.discard(small.seal())
    small.append({Signal.TRACES: LINES})
    small.close()


def test_a_backend_that_stops_takes_nothing_more(journal):
    ingest = Ingest(journal, Known(), max_pending=10, on_data=lambda: None)
    first = ingest.submit(Signal.TRACES, b"")
    assert first.result(10).lines == []
    ingest.close()
    with pytest.raises(FullError, match="shutting down"):
        ingest.submit(Signal.TRACES, b"").result(10)


def test_requests_beyond_what_may_wait_are_turned_away(journal, monkeypatch):
    held, go = threading.Event(), threading.Event()
    append = journal.append

    def slow(lines):
        held.set()
        assert go.wait(10)
        append(lines)

    monkeypatch.setattr(journal, "append", slow)
    ingest = Ingest(journal, Known(), max_pending=100, on_data=lambda: None)
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}'
    first = ingest.submit(Signal.LOGS, body, is_json=True)
    assert held.wait(10)
    with pytest.raises(FullError, match="too many requests"):
        ingest.submit(Signal.LOGS, body, is_json=True).result(10)
    go.set()
    assert len(first.result(10).lines) == 1
    until(lambda: ingest.submit(Signal.LOGS, body, is_json=True).exception(10) is None)
    ingest.close()


def test_a_small_request_does_not_wait_for_a_huge_one(journal, monkeypatch):
    go = threading.Event()
    decode = Decoder.decode

    def slow(self, signal, message):
        if signal is Signal.TRACES:
            assert go.wait(10)
        return decode(self, signal, message)

    monkeypatch.setattr(Decoder, "decode", slow)
    ingest = Ingest(journal, Known(), max_pending=100, on_data=lambda: None)
    huge = ingest.submit(Signal.TRACES, b"")
    assert ingest.submit(Signal.LOGS, b"").result(10).lines == []
    assert not huge.done()
    go.set()
    huge.result(10)
    ingest.close()


def test_damaged_lines_of_an_earlier_run_are_said_and_the_others_loaded(tmp_path, caplog):
    journal = Journal(tmp_path / "journal", 1 << 20)
    journal.append({Signal.LOGS: [b'{"uid":"1"}', b'{"uid":"2"}', b'{"uid":"3"}']})
    journal.close()
    (path,) = (tmp_path / "journal").iterdir()
    path.write_bytes(path.read_bytes().replace(b'{"uid":"2"}', b"\x00" * 11))
    again = Journal(tmp_path / "journal", 1 << 20)
    (segment,) = again.seal()
    assert segment.path.read_bytes() == b'{"uid":"1"}\n{"uid":"3"}\n'
    assert again.problem == f"1 row was damaged in {path} and cannot be loaded"
    assert again.problem in caplog.text
    again.close()


def test_a_segment_that_the_disk_does_not_give_out_stops_no_other(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal", 1 << 20)
    for _ in range(2):
        journal.append({Signal.LOGS: [b'{"uid":"1"}']})
        journal.seal()
    journal.close()
    first, second = sorted((tmp_path / "journal").iterdir())
    repair = module._repair

    def failing(path):
        if path == first:
            raise OSError(5, "Input/output error")
        return repair(path)

    monkeypatch.setattr(module, "_repair", failing)
    again = Journal(tmp_path / "journal", 1 << 20)
    assert [s.path for s in again.seal()] == [second]
    assert first.with_suffix(".unreadable").exists()
    assert "Input/output error" in again.problem
    again.close()


def test_files_deleted_under_the_journal_are_refused_once_and_made_again(tmp_path):
    journal = Journal(tmp_path / "journal", 1 << 20)
    journal.append({Signal.LOGS: [b'{"uid":"1"}']})
    shutil.rmtree(tmp_path / "journal")
    with pytest.raises(FullError, match="were deleted"):
        journal.append({Signal.LOGS: [b'{"uid":"2"}']})
    journal.append({Signal.LOGS: [b'{"uid":"2"}']})
    (segment,) = journal.seal()
    assert segment.path.read_bytes() == b'{"uid":"2"}\n'
    journal.close()
