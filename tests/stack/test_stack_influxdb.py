# SPDX-License-Identifier: Apache-2.0
"""The committed InfluxDB file, in the real program."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
from servers import CONFIG, Server, free_port, get, program, running, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FILE = CONFIG / "influxdb" / "influxdb.conf"
ADMIN = {"Authorization": "Basic " + base64.b64encode(b"ffe_admin:trial").decode()}


class Influx:
    def __init__(self, url: str, folder: Path, server: Server) -> None:
        self.url = url
        self.folder = folder
        self.server = server

    def query(self, statement: str, headers: dict[str, str] | None = None) -> Any:
        body = urllib.parse.urlencode({"q": statement}).encode()
        answer = json.loads(get(f"{self.url}/query", headers or {}, body))
        assert "error" not in answer["results"][0], answer
        return answer["results"][0]

    def write(self, lines: str, headers: dict[str, str] | None = None) -> None:
        get(f"{self.url}/write?db=ffe_metrics&precision=s", headers or {}, lines.encode())


def _environ(folder: Path, port: int, backup: int) -> dict[str, str]:
    return {
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{backup}",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "INFLUXDB_META_DIR": f"{folder}/meta",
        "INFLUXDB_DATA_DIR": f"{folder}/data",
        "INFLUXDB_DATA_WAL_DIR": f"{folder}/wal",
    }


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    folder = tmp_path_factory.mktemp("influxdb")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = _environ(folder, port, free_port())
    command = [program("influxd"), "-config", FILE]
    with running(
        command, folder, environ=environ, ready=lambda: status(f"{url}/ping") == 204
    ) as server:
        found = Influx(url, folder, server)
        # The one statement that an InfluxDB without users takes from anybody.
        found.query("CREATE USER ffe_admin WITH PASSWORD 'trial' WITH ALL PRIVILEGES")
        found.query("CREATE DATABASE ffe_metrics WITH DURATION 7d REPLICATION 1 NAME hot", ADMIN)
        yield found


def test_influxd_reads_every_setting():
    """What it prints is what it will do; a misspelt key would be passed over in silence."""
    done = subprocess.run(
        [program("influxd"), "config", "-config", FILE],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    section, effective = "", {}
    for line in done.stdout.splitlines():
        if line.strip().startswith("["):
            section = line.strip().strip("[]")
        elif "=" in line:
            key, _, value = line.partition("=")
            effective[section, key.strip()] = value.strip()

    section = ""
    # Newer than Debian's 1.6 (flux-enabled, cache sizes with a unit are printed in bytes), or
    # called otherwise there (reporting-enabled).
    others = {
        "access-log-status-filters",
        "reporting-disabled",
        "flux-enabled",
        "cache-max-memory-size",
        "engine",
    }
    read = 0
    for line in FILE.read_text().splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text.strip("[]")
        elif "=" in text and not text.startswith("#"):
            key, _, value = text.partition("=")
            if key.strip() in others:
                continue
            assert _same(effective[section, key.strip()], value.strip()), text
            read += 1
    assert read > 25
    assert effective["data", "cache-max-memory-size"] == str(512 * 1024**2)


def _same(printed: str, written: str) -> bool:
    """Whether two values agree; durations are printed in full: 30m as 30m0s, 60s as 1m0s."""
    return _plain(printed) == _plain(written)


def _plain(value: str) -> str | int:
    value = value.strip('"')
    units = {"h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"(\d+)([hms])", value)
    if value and "".join(number + unit for number, unit in parts) == value:
        return sum(int(number) * units[unit] for number, unit in parts)
    return value


@pytest.mark.parametrize("path", ["query?q=SHOW+DATABASES", "write?db=ffe_metrics"])
def test_nobody_gets_in_without_a_password(influx, path):
    data = b"agent_states,agent_id=a state_value=1i" if path.startswith("write") else None

    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{influx.url}/{path}", data=data)

    assert refused.value.code == 401


def test_health_and_metrics_need_no_password(influx):
    """The container's health check and Prometheus ask without one."""
    assert status(f"{influx.url}/ping") == 204
    assert b"go_goroutines" in get(f"{influx.url}/metrics")


def test_it_takes_more_decisions_than_the_default_allows(influx):
    """decision_id is a tag; with the index in memory the 100,001st value is refused."""
    rows, batch = 105_000, 15_000
    for first in range(0, rows, batch):
        influx.write(_trades(first, first + batch), ADMIN)

    found = influx.query("SELECT count(confidence) FROM ffe_metrics.hot.trade_executions", ADMIN)

    assert found["series"][0]["values"][0][1] == rows
    index = list(influx.folder.glob("data/ffe_metrics/hot/*/index"))
    assert index, "no index on the disk"


def _trades(first: int, end: int) -> str:
    now = int(time.time())
    return "\n".join(
        f"trade_executions,action=BUY,asset_pair=BTCUSD,platform=mock,decision_id=d{n} "
        f"confidence=0.5 {now - n}"
        for n in range(first, end)
    )


def test_a_readers_statement_is_not_logged(influx):
    influx.query("SELECT * FROM ffe_metrics.hot.trade_executions WHERE action = 'x' LIMIT 1", ADMIN)

    assert "Executing query" not in influx.server.text()
    assert "trial" not in influx.server.text()
