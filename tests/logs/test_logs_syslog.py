# SPDX-License-Identifier: Apache-2.0
"""Syslog as a destination."""

from __future__ import annotations

import json
import os
import re
import socket

import pytest

from ffe_otel.capture.logs.syslog import Syslog
from ffe_otel.config.model import LogFile, LogOutputs
from ffe_otel.config.model import Syslog as SyslogSection


def outputs(address: str) -> LogOutputs:
    return LogOutputs(
        console=False,
        file=LogFile(enabled=False),
        syslog=SyslogSection(enabled=True, address=address),
        otlp=True,
    )


def test_rfc_5424_over_udp(start, logger):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        bench = start(outputs=outputs(f"localhost:{daemon.getsockname()[1]}"))
        logger.error("trouble")
        logger.debug("detail")
        first, second = daemon.recv(65536).decode(), daemon.recv(65536).decode()
        bench.capture()
    head = re.match(r"<(\d+)>1 (\S+) \S+ ffe_otel (\d+) - - (\{.*\})$", first)
    assert head
    line = json.loads(head[4])
    assert (int(head[1]), int(head[3])) == (8 + 3, os.getpid())
    assert (line["message"], line["timestamp"]) == ("trouble", head[2])
    assert second.startswith("<15>1 ")


def test_the_local_form_over_a_socket_file(start, logger, tmp_path):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(10)
        start(outputs=outputs(path), format="text")
        logger.info("hello")
        message = daemon.recv(65536).decode()
    assert re.match(rf"<14>ffe_otel\[{os.getpid()}\]: .*INFO .*hello$", message)


def test_a_daemon_that_is_away_is_said_once_and_counted(start, logger, tmp_path, capsys):
    path = str(tmp_path / "log")
    bench = start(outputs=outputs(path))
    for _ in range(5):
        logger.info("lost")
    assert len(bench.records()) == 5
    assert bench.losses["logs", "syslog"] == 5
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert path in said
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(10)
        logger.info("found")
        assert "found" in daemon.recv(65536).decode()


def test_a_bad_address_costs_syslog_only(start, logger, capsys):
    bench = start(outputs=outputs("nowhere"))
    logger.info("x")
    assert len(bench.records()) == 1
    assert "logging.outputs.syslog.address" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["", "host", "host:", ":514", "host:x", "host:²"])
def test_addresses_that_are_none(address):
    with pytest.raises(ValueError, match=re.escape(repr(address))):
        Syslog(address)
