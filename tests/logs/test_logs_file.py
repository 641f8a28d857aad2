# SPDX-License-Identifier: Apache-2.0
"""The log file: rolled over without loss, private, and patient with the world around it."""

from __future__ import annotations

import errno
import fcntl
import gzip
import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from logs_bench import SECRET, all_lines, fail, wait_until

from ffe_otel.capture.logs import rotation
from ffe_otel.capture.logs.logfile import LogFile
from ffe_otel.config.model import Rotation
from ffe_otel.foundation import descriptors
from ffe_otel.foundation.descriptors import Descriptor

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Rotation(max_bytes=2000, backup_count=200)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_rolling_over_loses_nothing_and_keeps_the_order(start, logger):
    bench = start(rotation=SMALL)
    for number in range(200):
        logger.info("message %d", number)
    bench.capture()
    lines = all_lines(bench.path)
    assert [line["message"] for line in lines] == [f"message {n}" for n in range(200)]
    names = {each.name for each in bench.path.parent.iterdir()}
    assert "ffe.log.1.gz" in names or "ffe.log.1" in names
    assert sum(name.endswith(".gz") for name in names) > 10
    assert not [name for name in names if name.endswith(".part")]
    assert all(each.stat().st_size <= 2000 for each in bench.path.parent.iterdir())


def test_threads_and_rolling_over(start, logger):
    bench = start(rotation=SMALL)

    def work(name: int) -> None:
        for number in range(100):
            logger.info("%d-%d", name, number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.capture()
    assert len({line["message"] for line in all_lines(bench.path)}) == 400


def test_only_so_many_rolled_files_are_kept(start, logger):
    bench = start(rotation=Rotation(max_bytes=1024, backup_count=3))
    for number in range(100):
        logger.info("message %d", number)
    bench.capture()
    rolled = sorted(each.name for each in bench.path.parent.glob("ffe.log.*"))
    assert len(rolled) == 3
    messages = [line["message"] for line in all_lines(bench.path)]
    assert messages == [f"message {n}" for n in range(100 - len(messages), 100)]


def test_with_no_rolled_files_the_file_starts_over(start, logger):
    bench = start(rotation=Rotation(max_bytes=1024, backup_count=0))
    for number in range(50):
        logger.info("message %d", number)
    bench.capture()
    assert [each.name for each in bench.path.parent.iterdir()] == ["ffe.log"]
    assert all_lines(bench.path)[-1]["message"] == "message 49"


def test_without_compression(start, logger):
    bench = start(rotation=Rotation(max_bytes=1024, backup_count=3, compression="none"))
    for number in range(50):
        logger.info("message %d", number)
    bench.capture()
    assert (bench.path.parent / "ffe.log.3").exists()
    assert not list(bench.path.parent.glob("*.gz"))


def test_a_line_longer_than_a_file_is_written_whole(start, logger):
    bench = start(rotation=Rotation(max_bytes=1024, backup_count=9))
    for number in range(3):
        logger.info("%d%s", number, "x" * 3000)
    bench.capture()
    assert [line["message"][0] for line in all_lines(bench.path)] == ["0", "1", "2"]


def test_files_and_directories_are_private(start, logger):
    umask = os.umask(0)
    try:
        bench = start(rotation=SMALL)
        for number in range(50):
            logger.info("message %d", number)
        bench.capture()
    finally:
        os.umask(umask)
    assert mode(bench.path.parent) == mode(bench.path.parent.parent) == 0o700
    assert {mode(each) for each in bench.path.parent.iterdir()} == {0o600}


def test_the_mode_somebody_chose_is_kept(start, logger, tmp_path):
    path = tmp_path / "shared.log"
    path.touch(mode=0o640)
    path.chmod(0o640)
    bench = start(path=str(path), rotation=Rotation(max_bytes=1024, backup_count=3))
    for number in range(20):
        logger.info("message %d", number)
    bench.capture()
    assert (tmp_path / "shared.log.3.gz").exists()
    assert {mode(each) for each in tmp_path.glob("shared.log*")} == {0o640}


@pytest.mark.parametrize("how", ["delete", "rename", "truncate", "directory"])
def test_the_file_may_be_taken_away(start, logger, how):
    bench = start()
    logger.info("before")
    assert bench.messages() == ["before"]
    if how == "delete":
        bench.path.unlink()
    elif how == "rename":
        bench.path.rename(bench.path.with_name("kept"))
    elif how == "truncate":
        os.truncate(bench.path, 0)
    else:
        bench.path.unlink()
        bench.path.parent.rmdir()
    logger.info("after")
    assert bench.messages() == ["after"]
    assert bench.losses == {}


def test_an_existing_file_is_appended_to(start, logger):
    first = start()
    logger.info("one")
    first.capture()
    second = start()
    logger.info("two")
    assert second.messages() == ["one", "two"]


def test_a_directory_that_cannot_be_written_is_said_once_and_counted(
    start, logger, tmp_path, capsys
):
    (tmp_path / "state").mkdir()
    blocker = tmp_path / "state" / "logs"
    blocker.write_text("a file where the directory should be")
    bench = start()
    for number in range(30):
        logger.info("lost %d", number)
        assert bench.capture.flush(10)
    assert bench.losses["logs", "log_file"] == 30
    assert len(bench.records()) == 30
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(bench.path) in said
    assert "logging.outputs.file.path" in said
    blocker.unlink()
    logger.info("back")
    assert bench.messages() == ["back"]


def test_a_full_disk_is_said_once_and_counted(start, logger, capsys):
    bench = start(path="/dev/full")
    for number in range(10):
        logger.info("lost %d", number)
        assert bench.capture.flush(10)
    assert bench.losses["logs", "log_file"] == 10
    assert len(bench.records()) == 10
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "No space left" in said


def test_a_disk_that_fills_up_within_a_line_leaves_no_half_line(tmp_path, monkeypatch):
    file = LogFile(tmp_path / "x.log", max_bytes=10**6, backup_count=1, compress=False)
    assert file.write([b"first\n"]) == (1, None)
    real = os.write
    room = iter([4])

    def write(number, data):
        try:
            return real(number, bytes(data)[: next(room)])
        except StopIteration:
            raise OSError(errno.ENOSPC, "No space left on device") from None

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        written, error = file.write([b"second\n"])
    assert (written, error.errno) == (0, errno.ENOSPC)
    assert (tmp_path / "x.log").read_bytes() == b"first\n"
    assert file.write([b"third\n"]) == (1, None)
    assert (tmp_path / "x.log").read_bytes() == b"first\nthird\n"
    file.close()


def test_a_file_that_cannot_be_rolled_over_grows_and_says_so(start, logger, monkeypatch, capsys):
    def refuse(path, keep):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(rotation, "roll", refuse)
    bench = start(rotation=SMALL)
    for number in range(100):
        logger.info("message %d", number)
    assert len(bench.messages()) == 100
    assert bench.losses == {}
    assert capsys.readouterr().err.count("cannot roll over") == 1


def test_a_rolled_file_that_cannot_be_compressed_stays_plain(start, logger, monkeypatch, capsys):
    def refuse(self):
        self.abandon()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rotation.Compression, "step", refuse)
    bench = start(rotation=SMALL)
    for number in range(40):
        logger.info("message %d", number)
        assert bench.capture.flush(10)
    bench.capture()
    assert len(all_lines(bench.path)) == 40
    assert not list(bench.path.parent.glob("*.gz*"))


def test_compression_that_was_interrupted_is_made_up_for(start, logger):
    bench = start(rotation=SMALL)
    directory = bench.path.parent
    directory.mkdir(parents=True)
    line = json.dumps({"message": "old"}) + "\n"
    (directory / "ffe.log.1").write_text(line)
    (directory / "ffe.log.1.gz.part").write_bytes(b"half")
    (directory / "ffe.log.2").write_text(line)
    (directory / "ffe.log.2.gz").write_bytes(gzip.compress(line.encode()))
    for number in range(40):
        logger.info("message %d", number)
    assert bench.capture.flush(10)
    wait_until(lambda: not [p for p in directory.iterdir() if p.name[-2:] not in {"og", "gz"}])
    bench.capture()
    messages = [line["message"] for line in all_lines(bench.path)]
    assert messages == ["old", "old", *(f"message {n}" for n in range(40))]


def test_the_worker_writes_while_a_large_file_is_compressed(tmp_path):
    file = LogFile(tmp_path / "x.log", max_bytes=3_000_000, backup_count=2, compress=True)
    line = os.urandom(1000).hex().encode() + b"\n"
    assert file.write([line] * 1600) == (1600, None)
    steps = 0
    while file.step():
        steps += 1
        assert file.write([b"in between\n"]) == (1, None)
    assert steps > 5
    assert (tmp_path / "x.log.1.gz").exists()
    file.close()


def _append(path: Path, name: int) -> None:
    file = LogFile(path, max_bytes=4000, backup_count=1000, compress=True)
    for number in range(300):
        written, error = file.write([json.dumps({"message": f"{name}-{number}"}).encode() + b"\n"])
        assert (written, error) == (1, None)
        file.step()
    while file.step():
        pass
    file.close()


def test_several_writers_share_a_file(tmp_path):
    # Locks belong to the open file, so writers in threads stand for processes.
    path = tmp_path / "ffe.log"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(_append, [path] * 3, range(3)))
    messages = [line["message"] for line in all_lines(path)]
    assert len(messages) == 900
    for name in range(3):
        mine = [text for text in messages if text.startswith(f"{name}-")]
        assert mine == [f"{name}-{number}" for number in range(300)]


def test_a_line_that_went_to_a_file_being_rolled_over_is_written_again(tmp_path, monkeypatch):
    # Another process holds the lock, and rolls over between our look and our append.
    path = tmp_path / "ffe.log"
    file = LogFile(path, max_bytes=4000, backup_count=3, compress=False)
    assert file.write([b"first\n"]) == (1, None)
    append = descriptors.append_all

    def roll_over_first(file: Descriptor, data: bytes) -> None:
        if not path.with_name("ffe.log.1").exists():
            path.rename(path.with_name("ffe.log.1"))
        append(file, data)

    monkeypatch.setattr(descriptors, "append_all", roll_over_first)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert file.write([b"second\n"]) == (1, None)
    assert path.read_bytes() == b"second\n"
    file.close()


def test_a_lock_that_somebody_holds_is_not_had(tmp_path):
    path = tmp_path / "x"
    path.touch()
    mine, other = Descriptor.open(path, os.O_RDONLY), Descriptor.open(path, os.O_RDONLY)
    assert descriptors.lock(other)
    assert not descriptors.lock(mine, wait_seconds=0.01)
    descriptors.unlock(other)
    assert descriptors.lock(mine)
    for each in (mine, other):
        each.close()


def test_no_byte_of_a_secret_reaches_the_disk(start, logger):
    bench = start(rotation=SMALL)
    for number in range(50):
        logger.info("key %s", SECRET, extra={"header": {"auth": [SECRET]}, SECRET: number})
        try:
            fail(SECRET)
        except ValueError:
            logger.exception("with %s", SECRET)
    bench.capture()
    lines = all_lines(bench.path)
    assert len(lines) == 100
    assert SECRET not in json.dumps(lines)
    assert "[redacted:planted]" in json.dumps(lines)


def test_a_failing_redactor_lets_nothing_out(start, logger, capsys):
    def broken(line):
        raise RuntimeError(f"cannot read {line}")

    bench = start(redactor=broken, console=True)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    for _ in range(3):
        logger.info("key %s", SECRET)
    lines = bench.lines()
    assert [line["message"] for line in lines] == ["[redacted:redaction-failed]"] * 3
    assert SECRET not in bench.text()
    said = capsys.readouterr().err
    assert SECRET not in said
    assert said.count("could not be redacted") == 1
