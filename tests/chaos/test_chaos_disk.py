# SPDX-License-Identifier: Apache-2.0
"""Disks that are full or read-only, files of other versions, damaged files, shared folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chaos_engine import DRAIN, spool_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaos_endpoint import Endpoint
    from conftest import Start

FAILS = "Telemetry cannot be written to the spool"


@pytest.mark.parametrize(
    ("options", "reason"), [("size=256k", "no space left"), ("ro,size=1m", "read-only file system")]
)
def test_capture_goes_on_in_memory(
    endpoint: Endpoint, start: Start, small_disk: Callable[[str], Path], options: str, reason: str
) -> None:
    engine = start(
        state=small_disk(options),
        body="""
        for number in range(30):
            mark(number, "x" * 8000)
            time.sleep(0.05)
        say("full")
        sys.stdin.readline()
        """,
    )
    engine.wait_for_lines(31)
    endpoint.up()
    assert engine.wait_after("\n") == ""
    assert engine.marks() - endpoint.marks() == set()
    assert engine.messages.count(FAILS) == 1, engine.messages
    assert reason in engine.messages


def test_memory_is_bounded_and_what_it_loses_is_counted(
    start: Start, small_disk: Callable[[str], Path]
) -> None:
    engine = start(
        state=small_disk("ro,size=1m"),
        body="""
        for number in range(300):
            mark(number, "x" * 8000)
        handle.tracer_provider.force_flush()
        dropped = handle.stats.snapshot().dropped
        say(dropped["traces", "memory_full"] + handle.outbox.waiting()["traces"].items)
        say(handle.outbox.waiting()["traces"].bytes <= 200_000)
        """,
        FFE_OTEL__SPOOL__MEMORY_BYTES="200000",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
    )
    *_, total, bounded = engine.wait().splitlines()
    assert (total, bounded) == ("300", "True")


def spoiled(state: Path, signal: str) -> list[Path]:
    return list((state / "spool").glob(f"{signal}-*/*-*/*.spool"))


def test_a_torn_end_is_cut_off_and_the_rest_is_sent(
    endpoint: Endpoint, start: Start, tmp_path: Path
) -> None:
    engine = start()
    engine.wait_for_lines(15)
    killed = engine.kill()
    for path in spoiled(tmp_path, "traces"):
        with path.open("ab") as file:
            file.write(b"\x10\0\0\0\x07\0\0\0 half of a record"[:20])
    endpoint.up()
    other = start(body=DRAIN + 'say(handle.stats.snapshot().dropped["traces", "corrupt"])')
    assert other.wait().split() == ["flushed", "True", "7"]
    assert other.messages.count("had a damaged end") == 1
    assert engine.marks(before=killed - 0.25) - endpoint.marks() == set()
    assert spool_files(tmp_path) == []


@pytest.mark.parametrize("version", [0, 9])
def test_a_file_of_another_version_is_set_aside_once(
    endpoint: Endpoint, start: Start, tmp_path: Path, version: int
) -> None:
    engine = start()
    engine.wait_for_lines(10)
    killed = engine.kill()
    [other] = spoiled(tmp_path, "traces")
    foreign = other.with_name("000000000001.spool")
    foreign.write_bytes(other.read_bytes()[:8] + bytes([version]) + b"in another format")
    endpoint.up()
    messages = []
    for _ in range(3):
        successor = start(body=DRAIN)
        successor.wait()
        messages.append(successor.messages.count("A file of the spool cannot be used"))
    assert messages == [1, 0, 0]
    assert engine.marks(before=killed - 0.25) - endpoint.marks() == set()
    [kept] = spool_files(tmp_path)
    assert "/aside/" in kept


def test_somebody_deletes_the_spool(endpoint: Endpoint, start: Start, tmp_path: Path) -> None:
    engine = start(
        body="""
        import shutil
        mark(0)
        handle.tracer_provider.force_flush()
        shutil.rmtree(os.path.join(os.environ["FFE_OTEL__STATE_DIR"], "spool"))
        mark(1)
        handle.flush(0.1)
        say("gone")
        sys.stdin.readline()
        say(f"flushed {handle.flush(30)}")
        """
    )
    engine.wait_for_lines(3)
    endpoint.up()
    assert engine.wait_after("\n") == "flushed True\n"
    assert {"span engine0 0", "span engine0 1"} <= endpoint.marks()


def test_nobody_else_can_read_it(start: Start, tmp_path: Path) -> None:
    engine = start()
    engine.wait_for_lines(5)
    engine.kill()
    for path in (tmp_path / "spool", *(tmp_path / "spool").rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_two_processes_keep_apart(endpoint: Endpoint, start: Start, tmp_path: Path) -> None:
    engines = [start(), start()]
    for engine in engines:
        engine.wait_for_lines(10)
    killed = engines[0].kill()
    engines[1].wait_for_lines(20)
    endpoint.up()
    engines[1].terminate()
    start(body=DRAIN).wait()
    wanted = engines[0].marks(before=killed - 0.25) | engines[1].marks()
    assert wanted - endpoint.marks() == set()
    assert spool_files(tmp_path) == []
    spans = [s.name for s in endpoint.spans() if s.name.startswith("span ")]
    assert len(spans) == len(set(spans))


def test_a_forked_child_has_a_spool_of_its_own(
    endpoint: Endpoint, start: Start, tmp_path: Path
) -> None:
    engine = start(
        body="""
        mark("before")
        handle.flush(0.1)
        pid = os.fork()
        mark("child" if pid == 0 else "parent")
        if pid == 0:
            handle.tracer_provider.force_flush()
            handle.log_capture.flush(5)
            handle.logger_provider.force_flush()
            os._exit(0)
        os.waitpid(pid, 0)
        mark("after")
        """
    )
    engine.wait()
    assert len({path.split("/")[2] for path in spool_files(tmp_path)}) >= 2
    endpoint.up()
    start(body=DRAIN).wait()
    marks = [f"{kind} {engine.name} {number}" for kind in ("span", "log")
             for number in ("before", "child", "parent", "after")]  # fmt: skip
    assert set(marks) == endpoint.marks()
    arrived = [s.name for s in endpoint.spans() if s.name.startswith("span ")]
    assert sorted(arrived) == sorted(marks[:4])
    assert spool_files(tmp_path) == []
