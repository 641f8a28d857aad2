# SPDX-License-Identifier: Apache-2.0
"""Several commands beside one server: the last one ends it, however the others ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys

import psutil
import pytest

from ffe_otel.cli import backend
from ffe_otel.cli.client import UnreachableError, find_server
from ffe_otel.config import load_config

# Says where it sends, and sends something for every line it reads.
SENDING = """
import os, sys, urllib.request
url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
print(os.getpid(), url, flush=True)
for line in sys.stdin:
    kind = {"Content-Type": "application/x-protobuf"}
    ask = urllib.request.Request(url + "/v1/traces", b"", kind)
    print(urllib.request.urlopen(ask).status, flush=True)
"""


@pytest.fixture
def beside(start, any_ports):
    """Start a command with a server beside it and wait until it runs."""

    def _beside(*, wait: bool = True) -> subprocess.Popen:
        command = (sys.executable, "-c", SENDING)
        process = start("run", "--serve", "--", *command, stdin=subprocess.PIPE)
        if wait:
            where(process)
        return process

    return _beside


def where(process) -> str:
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line.split()[1]


def sends(process) -> bool:
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline() == "200\n"


def end(process) -> str:
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return err


def server_pid() -> int:
    return find_server(load_config().config).pid


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_server_stays_for_the_second_command_and_ends_with_it(beside):
    first, second = beside(), beside()
    server = server_pid()

    assert "page stays up" in end(first)
    assert sends(second)
    assert "page stays up" not in end(second)

    assert gone(server)


def test_the_starter_may_end_last(beside):
    first, second = beside(), beside()
    server = server_pid()

    end(second)
    assert sends(first)
    end(first)

    assert gone(server)


def test_a_starter_that_is_killed_takes_nothing_from_the_second(beside):
    first, second = beside(), beside()
    server = server_pid()

    first.kill()
    first.wait()
    assert sends(second)
    end(second)

    assert gone(server)


def test_a_killed_user_is_not_waited_for(beside):
    first, second = beside(), beside()
    server = server_pid()

    second.kill()
    second.wait()
    end(first)

    assert gone(server)


def test_a_server_whose_only_user_is_killed_ends_by_itself(beside, until):
    only = beside()
    server = server_pid()

    only.kill()

    until(lambda: gone(server))
    with pytest.raises(UnreachableError):
        find_server(load_config().config)


def test_a_server_whose_starter_is_killed_before_it_is_up_ends_by_itself(beside, until):
    only = beside(wait=False)
    [server] = until(lambda: psutil.Process(only.pid).children())

    only.kill()

    until(lambda: gone(server.pid), 40)


def test_a_command_that_starts_again_in_time_finds_its_server(beside):
    first = beside()
    server = server_pid()

    first.kill()
    second = beside()

    assert server_pid() == server
    assert sends(second)
    end(second)
    assert gone(server)


def test_two_that_start_at_once_share_a_server(beside):
    both = [beside(wait=False), beside(wait=False)]

    addresses = {where(process) for process in both}
    server = server_pid()

    assert len(addresses) == 1
    assert all(map(sends, both))
    for process in both:
        end(process)
    assert gone(server)


def test_a_new_server_replaces_one_that_was_killed(beside):
    first = beside()
    killed = server_pid()
    os.kill(killed, signal.SIGKILL)

    second = beside()
    server = server_pid()

    assert server != killed
    assert sends(second)
    end(second)
    assert not gone(server)
    end(first)
    assert gone(server)


def test_a_server_started_by_hand_is_left_alone(beside, start):
    by_hand = start("serve")
    assert by_hand.stdout.readline()

    error = end(beside())

    assert "was running already" in error
    assert by_hand.poll() is None


def test_whoever_comes_waits_until_a_server_has_ended(beside, home, until):
    folder = home / "state" / "ffe_otel" / "lease"
    folder.mkdir(parents=True)
    with (folder / "change").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting, interrupted = beside(wait=False), beside(wait=False)
        for process in (waiting, interrupted):
            until(lambda process=process: _has_open(process.pid, folder / "users"))

        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(30) == 128 + signal.SIGINT
        assert waiting.poll() is None

    assert where(waiting)
    end(waiting)


def test_nobody_is_signalled_who_has_the_id_of_a_server_that_ended(monkeypatch):
    signalled = []
    monkeypatch.setattr(os, "kill", lambda *arguments: signalled.append(arguments))

    backend._end(4711, lambda: True)

    assert signalled == []


def _has_open(pid: int, path) -> bool:
    with contextlib.suppress(psutil.Error):
        return str(path) in {file.path for file in psutil.Process(pid).open_files()}
    return False
