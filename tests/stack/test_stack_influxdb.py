# SPDX-License-Identifier: Apache-2.0
"""The committed InfluxDB file, in the real program."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
from typing import TYPE_CHECKING

import pytest
from stack_backend import ADMIN, Influx, basic
from stack_server import CONFIG, get, program, status

if TYPE_CHECKING:
    from collections.abc import Iterator
pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FILE = CONFIG / "influxdb" / "influxdb.conf"


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    with Influx(tmp_path_factory.mktemp("influxdb")) as found:
        name, password = ADMIN
        # The one statement that an InfluxDB without users takes from anybody.
        found.query(f"CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES", None)
        database = "CREATE DATABASE ffe_metrics WITH DURATION 7d REPLICATION 1 NAME hot"
        found.query(database, ADMIN)
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
        _write(influx, _trades(first, first + batch))

    found = influx.query("SELECT count(confidence) FROM ffe_metrics.hot.trade_executions", ADMIN)

    assert found[0][1] == rows
    index = list(influx.folder.glob("data/ffe_metrics/hot/*/index"))
    assert index, "no index on the disk"


def _write(influx: Influx, lines: str) -> None:
    get(f"{influx.url}/write?db=ffe_metrics&precision=s", basic(ADMIN), lines.encode())


def _trades(first: int, end: int) -> str:
    now = int(time.time())
    return "\n".join(
        f"trade_executions,action=BUY,asset_pair=BTCUSD,platform=mock,decision_id=d{n} "
        f"confidence=0.5 {now - n}"
        for n in range(first, end)
    )


def test_a_readers_statement_is_not_logged(influx):
    influx.query("SELECT * FROM ffe_metrics.hot.trade_executions WHERE action = 'x' LIMIT 1", ADMIN)

    assert "Executing query" not in influx.log()
    assert ADMIN[1] not in influx.log()
