# SPDX-License-Identifier: Apache-2.0
"""What stands behind the Collector: `ffe-otel serve`, and a real InfluxDB behind that."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.parse
from typing import TYPE_CHECKING, Any

from loopback import free_ports
from stack_server import CONFIG, Server, get, program, status

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = ("ffe_admin", "trial-admin")
WRITER = ("ffe_writer", "trial-writer")
READER = ("ffe_reader", "trial-reader")


def basic(user: tuple[str, str] | None) -> dict[str, str]:
    """The header of a user with a password."""
    if user is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(user).encode()).decode()}


class Influx(Server):
    """influxd with config/influxdb/influxdb.conf, on free ports."""

    def __init__(self, folder: Path) -> None:
        port, backup = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        env = {
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{backup}",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
            "INFLUXDB_META_DIR": f"{folder}/meta",
            "INFLUXDB_DATA_DIR": f"{folder}/data",
            "INFLUXDB_DATA_WAL_DIR": f"{folder}/wal",
        }
        super().__init__(
            [program("influxd"), "-config", CONFIG / "influxdb" / "influxdb.conf"],
            folder / "influxd.log",
            env=env,
            ready=lambda: status(f"{self.url}/ping") == 204,
        )

    def backup(self, target: Path) -> None:
        command = [program("influxd"), "backup", "-portable", "-database", "ffe_metrics"]
        address = self.env["INFLUXDB_BIND_ADDRESS"]
        subprocess.run([*command, "-host", address, target], check=True, capture_output=True)

    def query(self, statement: str, user: tuple[str, str] | None = READER) -> list[list[Any]]:
        """The rows of a statement, of all its series."""
        body = urllib.parse.urlencode({"q": statement, "db": "ffe_metrics"}).encode()
        (result,) = json.loads(get(f"{self.url}/query", basic(user), body))["results"]
        assert "error" not in result, result
        return [row for series in result.get("series", []) for row in series["values"]]


class Serve(Server):
    """`ffe-otel serve` on free ports, that writes to an InfluxDB."""

    def __init__(self, folder: Path, influx_url: str) -> None:
        page, otlp = free_ports(2)
        self.page, self.otlp_http = f"http://127.0.0.1:{page}", f"http://127.0.0.1:{otlp}"
        self.token = "trial-token"
        self.settings = {
            "FFE_OTEL__STATE_DIR": str(folder / "state"),
            "FFE_OTEL__SERVE__TOKEN": self.token,
            "FFE_OTEL__METRICS__INFLUXDB__URL": influx_url,
            "FFE_OTEL__METRICS__INFLUXDB__USERNAME": WRITER[0],
            "FFE_OTEL__METRICS__INFLUXDB__PASSWORD": WRITER[1],
            "FFE_OTEL__METRICS__INFLUXDB__FLUSH_INTERVAL_SECONDS": "0.2",
        }
        command = [
            sys.executable, "-m", "ffe_otel.cli", "serve", "--port", str(page),
            "--otlp-http-port", str(otlp), "--otlp-grpc-port", "-1",
        ]  # fmt: skip
        super().__init__(
            command,
            folder / "serve.log",
            env=self.settings,
            ready=lambda: self.get("/api/v1/status"),
        )

    def get(self, path: str) -> Any:
        body = get(f"{self.page}{path}", {"Authorization": f"Bearer {self.token}"})
        return json.loads(body) if path.startswith("/api") else body.decode()

    def init_influx(self) -> None:
        """What an operator runs once, before the first start."""
        subprocess.run(
            [sys.executable, "-m", "ffe_otel.cli", "influx", "init", "--admin-user", ADMIN[0]],
            env=os.environ
            | self.settings
            | {
                "INFLUXDB_ADMIN_PASSWORD": ADMIN[1],
                "FFE_OTEL__METRICS__INFLUXDB__READER_USERNAME": READER[0],
                "FFE_OTEL__METRICS__INFLUXDB__READER_PASSWORD": READER[1],
            },
            check=True,
            capture_output=True,
            text=True,
        )
