# SPDX-License-Identifier: Apache-2.0
"""A program that closes every number it does not know, and opens files of its own there."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING

import pytest
from otlp_sink import attributes
from programs import run

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

PROGRAM = """
import atexit, json, logging, os, sqlite3, time, urllib.request
from pathlib import Path

DAEMON = False
own = {}

def identity(number):
    found = os.fstat(number)
    return found.st_dev, found.st_ino

def check(when):
    "Every number of the program's means what it meant, and every file has what it wrote."
    for number, (known, path) in own.items():
        try:
            assert identity(number) == known, f"{when}: {number} is another file"
        except OSError:
            raise AssertionError(f"{when}: {number} was closed") from None
        assert os.lseek(number, 0, os.SEEK_CUR) == 4000, f"{when}: {number} was moved"
        assert path.read_bytes() == b"own " * 1000, f"{when}: {path.name} was written to"
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

def last():
    check("at exit")
    rows = db.execute("SELECT count(*) FROM trades").fetchone()[0]
    Path("unfinished").write_text(json.dumps({"files": len(own), "rows": rows}))
    os.rename("unfinished", "result.json")

atexit.register(last)  # runs after ours
import ffe_otel
handle = ffe_otel.install()
log = logging.getLogger("engine")
log.setLevel("INFO")

def work(name):
    for number in range(20):
        log.info("%s %d %s", name, number, "x" * 100)
    with ffe_otel.cycle([name]):
        pass
    log.info("%s is done", name)

work("BEFORE")
assert handle.flush(20)
page = handle.page.address if handle.page else None
if not DAEMON:
    work("WAITS")  # in files that are about to be closed

if DAEMON:
    if os.fork():
        os._exit(0)
    os.setsid()
    page = None
    work("CHILD")
    handle.flush(20)

open_before = [int(n) for n in os.listdir("/proc/self/fd") if int(n) > 2]
os.closerange(3, 8192)
db = sqlite3.connect("own.db")
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE trades (number INTEGER)")
taken = {int(n) for n in os.listdir("/proc/self/fd")}

for number in open_before:
    if number in taken:
        continue
    path = Path(f"own-{number}").absolute()
    opened = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(opened, b"own " * 1000)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    own[number] = identity(number), path

def trade(number):
    db.execute("INSERT INTO trades VALUES (?)", (number,))
    db.commit()

check("before anything")
for number in range(3):
    trade(number)
    work(f"AFTER{number}")
    handle.flush(20)
    check("after a flush")
if page:
    deadline = time.monotonic() + 20
    while True:
        try:
            assert b"ffe_" in urllib.request.urlopen(handle.page.address, timeout=5).read()
            break
        except (OSError, TypeError, ValueError):
            assert time.monotonic() < deadline, "the page is gone"
            time.sleep(0.05)
    check("after the page")
if os.fork() == 0:
    work("FORKED")
    handle.flush(20)
    check("in a child")
    handle.uninstall()
    check("in a child, uninstalled")
    os._exit(0)
os.wait()
check("after a child")
handle.uninstall()
check("uninstalled")
"""


@pytest.mark.parametrize("daemon", [False, True], ids=["in place", "as a daemon"])
def test_what_the_program_opens_is_its_own(tmp_path: Path, sink: Sink, daemon: bool) -> None:
    run(
        PROGRAM.replace("DAEMON = False", f"DAEMON = {daemon}"),
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__STATE_DIR=str(tmp_path / "state"),
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
        FFE_OTEL__LOGGING__ROTATION__MAX_BYTES="4000",
        FFE_OTEL__LOGGING__OUTPUTS__SYSLOG__ENABLED="true",
        FFE_OTEL__LOGGING__OUTPUTS__SYSLOG__ADDRESS="127.0.0.1:9",
        FFE_OTEL__METRICS__INTERVALS__RESOURCE_METRICS="0.2",
    )
    result = result_of(tmp_path)
    assert result["rows"] == 3
    assert result["files"] >= 4
    wanted = {"BEFORE", "AFTER0", "AFTER1", "AFTER2", "FORKED", "CHILD" if daemon else "WAITS"}
    assets = [attributes(span)["ffe.asset_pairs"][0] for span in sink.spans()]
    assert set(assets) == wanted
    bodies = [record.body.string_value for record in sink.logs()]
    for name in wanted:
        assert f"{name} is done" in bodies
        assert any(f"{name} is done" in line for line in log_lines(tmp_path / "state/logs"))


def result_of(tmp_path: Path) -> dict[str, int]:
    deadline = time.monotonic() + 40
    path = tmp_path / "result.json"
    while not path.exists():
        assert time.monotonic() < deadline, "the program failed"
        time.sleep(0.02)
    found: dict[str, int] = json.loads(path.read_text())
    return found


def log_lines(folder: Path) -> list[str]:
    lines: list[str] = []
    for path in folder.iterdir():
        data = path.read_bytes()
        lines += (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    return lines
