# SPDX-License-Identifier: Apache-2.0
"""The queue on disk: order, bounds, what is counted, and what the next process finds."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from spool_parts import descriptors, die, drained, files

from ffe_otel.export.spool import segment
from ffe_otel.export.spool.usage import usage


class TestOrder:
    def test_first_in_first_out_and_nothing_is_left(self, make, tmp_path):
        spool = make()
        payloads = [bytes([n]) * 10 for n in range(50)]
        for payload in payloads:
            assert spool.append(payload, 2)
        assert spool.waiting().items == 100
        assert drained(spool, records=7) == payloads
        assert spool.empty
        spool.close()
        assert files(tmp_path) == []

    def test_records_stay_until_they_are_delivered(self, make):
        spool = make()
        spool.append(b"one", 1)
        first, again = spool.take(100, 10), spool.take(100, 10)
        assert first == again
        assert spool.done(first) == 1
        assert spool.take(100, 10) is None

    def test_a_batch_is_one_request(self, make):
        spool = make()
        for payload in (b"a", b"bb", b"ccc"):
            spool.append(payload, 1)
        assert spool.take(100, 10).payload == b"abbccc"
        assert spool.take(3, 10).payload == b"abb"
        assert spool.take(0, 10).payload == b"a"
        assert spool.take(100, 1).payload == b"a"

    def test_what_a_dead_process_left_comes_first(self, make):
        first, second, third = make(), make(), make()
        for number in range(3):
            first.append(b"first %d" % number, 1)
        batch = first.take(100, 1)
        first.done(batch)
        die(first)
        second.append(b"second", 1)
        second.adopt()
        die(second)
        third.append(b"third", 1)
        third.adopt()
        assert third.waiting().items == 4
        assert drained(third) == [b"first 1", b"first 2", b"second", b"third"]

    def test_a_living_process_keeps_its_own(self, make):
        alive, other = make(), make()
        alive.append(b"mine", 1)
        other.adopt()
        assert other.empty
        assert drained(alive) == [b"mine"]

    def test_what_a_delivered_file_held_is_not_sent_again_after_a_kill(self, make):
        first, second = make(), make()
        for number in range(10):
            first.append(b"%d" % number, 1)
        first.done(first.take(100, 4))
        die(first)
        second.adopt()
        assert drained(second) == [b"%d" % number for number in range(4, 10)]


class TestBounds:
    def test_the_oldest_is_dropped_and_counted(self, make, stats, caplog, tmp_path):
        spool = make(bytes=40_000)
        for number in range(100):
            spool.append(b"%03d" % number * 300, 3)
        kept = drained(spool)
        assert kept == [b"%03d" % number * 300 for number in range(100 - len(kept), 100)]
        assert 30 <= len(kept) <= 44
        assert stats.snapshot().dropped == {("traces", "spool_full"): 3 * (100 - len(kept))}
        assert len(caplog.records) == 1
        assert "spool.max_bytes" in caplog.text

    def test_more_than_the_whole_spool_is_dropped_alone(self, make, stats):
        spool = make(bytes=10_000)
        spool.append(b"small", 1)
        assert not spool.append(b"x" * 20_000, 5)
        assert drained(spool) == [b"small"]
        assert stats.snapshot().dropped == {("traces", "spool_full"): 5}

    def test_the_bound_holds_for_what_is_taken_over(self, make, stats):
        first, second = make(bytes=40_000), make(bytes=40_000)
        for spool in (first, second):
            for _ in range(30):
                spool.append(b"x" * 1000, 1)
        die(first)
        second.adopt()
        assert second.bytes_waiting() <= 40_000
        assert stats.snapshot().dropped["traces", "spool_full"] >= 20

    def test_age(self, make, stats, clock):
        spool = make(age_seconds=60.0)
        spool.append(b"old", 4)
        clock.pass_by(59)
        spool.housekeep()
        assert spool.waiting().oldest_seconds == 59
        clock.pass_by(2)
        spool.housekeep()
        assert spool.empty
        assert stats.snapshot().dropped == {("traces", "expired"): 4}

    def test_age_counts_on_after_a_restart(self, make, stats, clock):
        first, second = make(age_seconds=60.0), make(age_seconds=60.0)
        first.append(b"old", 4)
        die(first)
        clock.pass_by(61)
        second.append(b"new", 1)
        second.adopt()
        second.housekeep()
        assert drained(second) == [b"new"]

    def test_files_are_begun_anew(self, make, tmp_path):
        spool = make(bytes=80_000)
        for _ in range(40):
            spool.append(b"x" * 1000, 1)
        assert max(path.stat().st_size for path in files(tmp_path)) <= 10_000

    def test_descriptors_and_files_stay_few(self, make, tmp_path):
        spool = make(bytes=200_000)
        spool.append(b"x", 1)
        drained(spool)
        before = descriptors()
        for _ in range(2000):
            spool.append(b"x" * 500, 1)
            spool.done(spool.take(1000, 10))
        assert len(descriptors()) == len(before)
        assert len(files(tmp_path)) <= 2


class TestClock:
    def test_going_back_is_said_once_and_changes_nothing(self, make, clock, caplog):
        spool = make(age_seconds=60.0)
        spool.append(b"before", 1)
        clock.wall -= 3600 * 10**9
        for _ in range(3):
            spool.append(b"after", 1)
            clock.wall -= 2 * 10**9
        clock.monotonic += 30
        spool.housekeep()
        assert len(caplog.records) == 1
        assert "clock went back by 3600 s" in caplog.text
        assert drained(spool) == [b"before", b"after", b"after", b"after"]

    def test_going_forward_drops_nothing(self, make, clock):
        spool = make(age_seconds=60.0)
        spool.append(b"before", 1)
        clock.wall += 365 * 86400 * 10**9
        spool.housekeep()
        assert drained(spool) == [b"before"]

    def test_what_is_from_the_future_is_as_old_as_its_adoption(self, make, clock, caplog):
        first, second = make(age_seconds=60.0), make(age_seconds=60.0)
        first.append(b"future", 1)
        die(first)
        clock.wall -= 3600 * 10**9
        second.adopt()
        second.housekeep()
        assert "clock went back" in caplog.text
        clock.pass_by(61)
        second.housekeep()
        assert second.empty


DAY = 86_400.0
WEEK = {"age_seconds": 7 * DAY, "grace_seconds": DAY}


class TestClockOverARestart:
    """What a dead process left, when the wall clock was set meanwhile."""

    @pytest.mark.parametrize("days", [8, -8, 19_000, -19_000])
    def test_a_jump_deletes_nothing_and_is_said_once(self, make, clock, stats, caplog, days):
        spools = [make(**WEEK) for _ in range(3)]
        for number, spool in enumerate(spools[:2]):
            spool.append(b"%d" % number, 66)
            die(spool)
        clock.wall += int(days * DAY * 1e9)
        last = spools[2]
        last.append(b"new", 1)
        for _ in range(3):
            last.adopt()
            last.housekeep()
        assert stats.snapshot().dropped == {}
        assert last.waiting().oldest_seconds <= 7 * DAY
        assert len([r for r in caplog.records if "clock" in r.getMessage()]) == 2 - (days < 0)
        assert drained(last) == [b"0", b"1", b"new"]

    def test_after_its_grace_it_goes(self, make, clock, stats):
        first, second = make(**WEEK), make(**WEEK)
        first.append(b"old", 4)
        die(first)
        clock.wall += int(8 * DAY * 1e9)
        second.adopt()
        for _ in range(300):
            clock.pass_by(300)
            second.housekeep()
        assert stats.snapshot().dropped == {("traces", "expired"): 4}

    def test_restarts_do_not_make_it_young(self, make, clock, stats):
        clock.wall = 0  # a machine that boots in 1970, every day
        for day in range(8):
            spool = make(**WEEK)
            if not day:
                spool.append(b"old", 4)
            spool.adopt()
            for _ in range(288):
                clock.pass_by(300)
                spool.housekeep()
            die(spool)
            clock.wall = 0
        assert stats.snapshot().dropped == {("traces", "expired"): 4}

    def test_what_stands_before_something_is_no_younger(self, make, clock):
        first, second, third = (make(age_seconds=60.0) for _ in range(3))
        clock.wall += 10**15  # it ran ahead, and was set right before the next one wrote
        first.append(b"ahead", 1)
        die(first)
        clock.wall -= 10**15
        second.append(b"right", 1)
        die(second)
        clock.pass_by(61)
        third.adopt()
        third.housekeep()
        assert third.empty


class TestClockWhileItRuns:
    @pytest.mark.parametrize("days", [8, -8])
    def test_a_jump_deletes_nothing_and_is_said_once(self, make, clock, stats, caplog, days):
        spools = [make(**WEEK) for _ in range(2)]
        for spool in spools:
            spool.append(b"before", 1)
        clock.wall += int(days * DAY * 1e9)
        for spool in spools:
            spool.append(b"after", 1)
            spool.housekeep()
            assert spool.waiting().oldest_seconds < 1
            assert drained(spool) == [b"before", b"after"]
        assert stats.snapshot().dropped == {}
        direction = "forward" if days > 0 else "back"
        texts = [record.getMessage() for record in caplog.records]
        # Each spool of the test speaks for itself; those of a process do it together.
        assert [f"went {direction} by {8 * DAY:.0f} s" in text for text in texts] == [True] * 2

    def test_a_process_that_stood_still_may_try_first(self, make, clock, stats):
        spool = make(**WEEK)
        spool.append(b"before", 1)
        clock.pass_by(8 * DAY)
        spool.housekeep()
        assert drained(spool) == [b"before"]
        assert stats.snapshot().dropped == {}

    def test_a_file_holds_records_of_one_clock_only(self, make, clock):
        first, second = make(age_seconds=60.0), make(age_seconds=60.0)
        first.append(b"before", 1)
        clock.wall += int(8 * DAY * 1e9)
        first.append(b"after", 1)
        assert len(first._files.segments) == 2
        die(first)
        second.adopt()
        assert second.waiting().items == 2


class TestLock:
    """A folder belongs to whoever holds its lock, and to nobody else."""

    @staticmethod
    def close_lock(spool):
        os.close(spool._files._folder._lock.number)

    def test_who_lost_it_moves_before_he_writes_on(self, make, tmp_path, stats):
        spool, other = make(), make()
        spool.append(b"one", 1)
        first = spool._files.folder
        self.close_lock(spool)
        other.adopt()
        spool.append(b"two", 1)
        assert spool._files.folder != first
        assert drained(other) == [b"one"]
        assert drained(spool) == [b"two"]
        assert stats.snapshot().dropped == {}

    def test_what_he_left_is_his_to_take_over_again(self, make, stats):
        spool = make()
        for number in range(3):
            spool.append(b"%d" % number, 1)
        spool.done(spool.take(100, 1))
        self.close_lock(spool)
        assert spool.take(100, 10) is None
        assert not spool.empty
        assert spool.left_behind
        spool.adopt()
        assert not spool.left_behind
        spool.append(b"3", 1)
        assert drained(spool) == [b"1", b"2", b"3"]
        assert stats.snapshot().dropped == {}

    def test_what_was_being_sent_meanwhile_is_not_sent_twice(self, make):
        spool = make()
        for number in range(3):
            spool.append(b"%d" % number, 1)
        batch = spool.take(100, 2)
        self.close_lock(spool)
        spool.append(b"3", 1)
        assert spool.done(batch) == 2
        spool.adopt()
        assert drained(spool) == [b"2", b"3"]

    def test_everything_closed_at_once(self, make, stats, tmp_path):
        spool = make()
        before = {int(n) for n in descriptors()}
        spool.append(b"one", 1)
        spool.take(100, 1)
        for number in {int(n) for n in descriptors()} - before:
            os.close(number)
        assert spool.append(b"two", 1)
        spool.adopt()
        assert drained(spool) == [b"one", b"two"]
        spool.close()
        assert files(tmp_path) == []
        assert stats.snapshot().dropped == {}

    def test_the_newest_file_closed_alone(self, make, stats):
        spool = make()
        spool.append(b"one", 1)
        os.close(spool._files._active[1].number)
        spool.append(b"two", 1)
        assert drained(spool) == [b"one", b"two"]
        assert stats.snapshot().dropped == {}

    def test_a_child_that_lives_on_does_not_hold_it(self, make):
        spool, other = make(), make()
        spool.append(b"parent's", 1)
        begun, ends = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            spool.after_fork()
            os.write(begun[1], b"x")
            os.read(ends[0], 1)
            os._exit(0)
        os.read(begun[0], 1)
        other.adopt()
        assert other.empty  # the parent lives
        die(spool)
        other.adopt()
        assert drained(other) == [b"parent's"]
        os.write(ends[1], b"x")
        assert os.waitpid(child, 0)[1] == 0
        for number in (*begun, *ends):
            os.close(number)

    def test_a_program_that_becomes_another_gives_it_back(self, make, tmp_path):
        program = """
import os, sys
from pathlib import Path
from ffe_otel.export.spool.folder import Folder
folder = Folder(Path(sys.argv[1]))
(folder.path / "000001000001.spool").write_bytes(b"")
os.execv(sys.executable, [sys.executable, "-c", "print('other', flush=True); input()"])
"""
        parent = tmp_path / "spool/traces-0"
        with subprocess.Popen(
            [sys.executable, "-c", program, parent], stdin=-1, stdout=-1, text=True
        ) as process:
            assert process.stdout.readline() == "other\n"
            assert usage(tmp_path / "spool")[0].path == parent
            make().adopt()
            assert files(tmp_path) == []
            process.communicate("\n")


@pytest.fixture
def broken_disk(monkeypatch):
    """Makes writing fail until it is called again with None."""
    real, failing = os.pwrite, []

    def pwrite(descriptor, data, offset):
        if failing:
            # As much as fits, then nothing: what a full disk does.
            if len(data) > 10:
                return real(descriptor, bytes(data[:10]), offset)
            raise OSError(failing[0], os.strerror(failing[0]))
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)

    def put(error):
        failing[:] = [] if error is None else [error]

    return put


class TestDisk:
    def test_memory_takes_over_and_gives_back_in_order(self, make, broken_disk, clock, caplog):
        spool = make()
        spool.append(b"on disk", 1)
        broken_disk(errno.ENOSPC)
        spool.append(b"in memory", 1)
        spool.append(b"too", 1)
        broken_disk(None)
        clock.pass_by(6)
        caplog.set_level("INFO")
        spool.append(b"on disk again", 1)
        assert spool._memory.items == 0
        assert drained(spool) == [b"on disk", b"in memory", b"too", b"on disk again"]
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert "no space left on device" in caplog.text

    def test_half_a_record_is_taken_back(self, make, broken_disk):
        first, second = make(), make()
        first.append(b"whole", 1)
        broken_disk(errno.EIO)
        first.append(b"x" * 100, 1)
        broken_disk(None)
        die(first)
        second.adopt()
        assert drained(second) == [b"whole"]

    def test_memory_is_bounded(self, make, broken_disk, stats):
        spool = make(memory_bytes=1000)
        broken_disk(errno.ENOSPC)
        for number in range(30):
            spool.append(b"%02d" % number * 50, 2)
        assert spool.bytes_waiting() == 1000
        assert stats.snapshot().dropped == {("traces", "memory_full"): 40}
        assert drained(spool) == [b"%02d" % number * 50 for number in range(20, 30)]

    def test_what_is_being_sent_from_memory_is_not_dropped_for_it(self, make, broken_disk, stats):
        spool = make(memory_bytes=300)
        broken_disk(errno.ENOSPC)
        for number in range(3):
            spool.append(b"%d" % number * 100, 1)
        batch = spool.take(1000, 1)
        spool.append(b"3" * 100, 1)
        assert spool.done(batch) == 1
        assert [payload[:1] for payload in drained(spool)] == [b"2", b"3"]
        assert stats.snapshot().dropped == {("traces", "memory_full"): 1}

    def test_what_only_memory_holds_at_the_end_is_counted(self, make, broken_disk, stats):
        spool = make()
        broken_disk(errno.EROFS)
        spool.append(b"x", 7)
        spool.close()
        assert stats.snapshot().dropped == {("traces", "shutdown"): 7}

    def test_a_deleted_folder_is_made_again(self, make, tmp_path):
        import shutil

        spool = make()
        spool.append(b"one", 1)
        shutil.rmtree(tmp_path / "spool")
        spool.append(b"two", 1)
        spool.housekeep()
        spool.append(b"three", 1)
        assert files(tmp_path)
        assert sorted(drained(spool)) == [b"one", b"three", b"two"]

    def test_syncs_what_waits_and_only_that(self, make, clock, monkeypatch):
        synced = []
        monkeypatch.setattr(os, "fsync", synced.append)
        spool = make(sync_seconds=5.0)
        spool.append(b"delivered", 1)
        drained(spool)
        clock.pass_by(6)
        spool.housekeep()
        assert synced == []
        spool.append(b"waits", 1)
        spool.housekeep()
        clock.pass_by(6)
        spool.housekeep()
        assert len(synced) == 2  # the file and its folder
        clock.pass_by(6)
        spool.housekeep()
        assert len(synced) == 2


class TestDamage:
    @pytest.fixture
    def left(self, make, tmp_path):
        """The file of a dead process with five records of two items."""
        spool = make()
        for number in range(5):
            spool.append(b"%d" % number * 100, 2)
        die(spool)
        [path] = [path for path in files(tmp_path) if path.suffix == segment.SUFFIX]
        return path

    @pytest.mark.parametrize("cut", [1, 50, 100, 115, 119])
    def test_a_torn_end_is_cut_off_and_counted(self, make, left, stats, caplog, cut):
        os.truncate(left, left.stat().st_size - cut)
        spool = make()
        spool.adopt()
        assert len(drained(spool)) == 4
        lost = stats.snapshot().dropped["traces", "corrupt"]
        assert lost == (2 if cut <= 104 else 1)
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("offset", [24, 30, 40, 60, 200])
    def test_a_flipped_bit_is_noticed(self, make, left, stats, offset):
        data = bytearray(left.read_bytes())
        data[offset] ^= 0x10
        left.write_bytes(data)
        spool = make()
        spool.adopt()
        kept = drained(spool)
        assert kept == [b"%d" % number * 100 for number in range(len(kept))]
        assert len(kept) == (offset - 24) // 120
        assert stats.snapshot().dropped["traces", "corrupt"] >= 1

    def test_zeros_after_a_power_cut(self, make, left):
        data = left.read_bytes()
        left.write_bytes(data[:264] + bytes(len(data) - 264))
        spool = make()
        spool.adopt()
        assert len(drained(spool)) == 2

    @pytest.mark.parametrize("content", [b"", b"\0" * 24, b"\0" * 5000])
    def test_an_empty_file_is_deleted(self, make, left, tmp_path, content):
        left.write_bytes(content)
        spool = make()
        spool.adopt()
        assert spool.empty
        assert files(tmp_path) == []

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"FFESPOOL\x09\x01" + b"\0" * 30, "version 9 of the format, this is 1"),
            (b"FFESPOOL\x01\x02" + b"\0" * 30, "another signal"),
            (b"something else altogether, and long enough", "not a spool file"),
            (b"short", "not a spool file"),
        ],
    )
    def test_a_foreign_file_is_set_aside_once(self, make, left, tmp_path, caplog, content, reason):
        left.write_bytes(content)
        for _ in range(2):
            spool = make()
            spool.adopt()
            assert spool.empty
        assert [reason in record.getMessage() for record in caplog.records] == [True]
        [kept] = [path for path in files(tmp_path) if path.parent.name == "aside"]
        assert kept.read_bytes() == content

    def test_damage_that_shows_only_when_read(self, make, stats, tmp_path):
        spool = make()
        for number in range(3):
            spool.append(b"%d" % number * 100, 2)
        [path] = [path for path in files(tmp_path) if path.suffix == segment.SUFFIX]
        data = bytearray(path.read_bytes())
        data[200] ^= 1
        path.write_bytes(data)
        assert drained(spool) == [b"0" * 100]
        assert stats.snapshot().dropped == {("traces", "corrupt"): 4}
        spool.append(b"goes on", 1)
        assert drained(spool) == [b"goes on"]


class TestQuarantine:
    def test_keeps_the_records_and_the_reason(self, make, tmp_path):
        spool = make()
        spool.append(b"bad", 3)
        spool.append(b"good", 1)
        spool.refuse(spool.take(100, 1), "answered 400 because")
        assert drained(spool) == [b"good"]
        [explained] = tmp_path.rglob("*.reason")
        assert explained.read_text() == "answered 400 because\n"
        assert explained.stat().st_mode & 0o777 == 0o600
        [use] = usage(tmp_path / "spool")
        assert (use.refused, use.waiting_bytes) == (1, 0)

    def test_is_counted_until_somebody_has_looked(self, make, tmp_path):
        spool = make()
        assert spool.refused() == 0
        for count in (1, 2):
            spool.append(b"bad", 3)
            spool.refuse(spool.take(100, 1), "answered 400")
            assert spool.refused() == count
        assert make().refused() == 2
        for path in tmp_path.rglob("quarantine/*.spool"):
            path.unlink()
        assert spool.refused() == 0

    def test_is_sent_again_when_somebody_moves_it_back(self, make, tmp_path):
        spool = make()
        spool.append(b"bad", 3)
        spool.refuse(spool.take(100, 1), "answered 400")
        [kept] = tmp_path.rglob("quarantine/*.spool")
        back = kept.parent.parent / "1-1-by-hand"
        back.mkdir()
        (back / "lock").touch()
        kept.rename(back / kept.name)
        spool.adopt()
        assert drained(spool) == [b"bad"]

    def test_the_first_go_first_whatever_the_clock_says(self, make, tmp_path, monkeypatch):
        spool = make(quarantine_bytes=5000)
        now = time.time_ns()
        for number in range(12):
            monkeypatch.setattr(time, "time_ns", lambda at=now - number * 10**15: at)
            spool.append(b"%02d" % number * 500, 1)
            spool.refuse(spool.take(2000, 1), "answered 400")
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("quarantine/*.spool"))
        assert [n for n in range(12) if b"%02d" % n * 500 in kept] == [8, 9, 10, 11]

    def test_is_bounded(self, make, tmp_path):
        spool = make(quarantine_bytes=5000)
        for _ in range(30):
            spool.append(b"x" * 1000, 1)
            spool.refuse(spool.take(2000, 1), "answered 400")
        assert sum(path.stat().st_size for path in tmp_path.rglob("quarantine/*")) <= 5000


def test_many_threads_and_one_sender(make):
    spool = make(bytes=10_000_000)
    delivered, done = [], threading.Event()

    def write(name):
        for number in range(300):
            spool.append(b"%d %d" % (name, number), 1)

    def send():
        while not (done.is_set() and spool.empty):
            delivered.extend(drained(spool, records=5))

    writers = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    sender = threading.Thread(target=send)
    for thread in (*writers, sender):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    sender.join()
    for name in range(4):
        mine = [p for p in delivered if p.startswith(b"%d " % name)]
        assert mine == [b"%d %d" % (name, number) for number in range(300)]
