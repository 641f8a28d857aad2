# SPDX-License-Identifier: Apache-2.0
"""What stands behind the Collector: `ffe-otel serve`, and a real InfluxDB behind that."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from servers import CONFIG, program
from stack_processes import Server, fetch, free_ports

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = ("ffe_admin", "trial-admin")
WRITER = ("ffe_writer", "trial-writer")
READER = ("ffe_reader", "trial-reader")


class Influx(Server):
    """influxd with config/influxdb/influxdb.conf, on free ports."""

    def __init__(self, folder: Path) -> None:
        port, backup = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        env = {
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{backup}",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
            "INFLUXDB_META_DIR": f"{folder}/meta",
            "INFLUXDB_DATA_DIR": f"{folder}/data",
            "INFLUXDB_DATA_WAL_DIR": f"{folder}/wal",
        }
        command = [program("influxd"), "-config", str(CONFIG / "influxdb" / "influxdb.conf")]
        super().__init__(command, folder / "influxd.log", env)

    def run(self) -> Influx:
        self.start(lambda: fetch(f"{self.url}/ping") is not None)
        return self

    def query(self, statement: str) -> list[list[Any]]:
        """The rows of a statement, of all its series, as the reader."""
        body = urllib.parse.urlencode({"q": statement, "db": "ffe_metrics"}).encode()
        token = base64.b64encode(":".join(READER).encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/query", body, {"Authorization": f"Basic {token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            (result,) = json.load(response)["results"]
        assert "error" not in result, result
        return [row for series in result.get("series", []) for row in series["values"]]


class Serve(Server):
    """`ffe-otel serve` on free ports, that writes to an InfluxDB."""

    def __init__(self, folder: Path, influx: Influx) -> None:
        page, otlp = free_ports(2)
        self.page, self.otlp_http = f"http://127.0.0.1:{page}", f"http://127.0.0.1:{otlp}"
        self.token = "trial-token"
        self.settings = {
            "FFE_OTEL__STATE_DIR": str(folder / "state"),
            "FFE_OTEL__SERVE__TOKEN": self.token,
            "FFE_OTEL__METRICS__INFLUXDB__URL": influx.url,
            "FFE_OTEL__METRICS__INFLUXDB__USERNAME": WRITER[0],
            "FFE_OTEL__METRICS__INFLUXDB__PASSWORD": WRITER[1],
            "FFE_OTEL__METRICS__INFLUXDB__FLUSH_INTERVAL_SECONDS": "0.2",
        }
        command = [
            sys.executable, "-m", "ffe_otel.cli", "serve", "--port", str(page),
            "--otlp-http-port", str(otlp), "--otlp-grpc-port", "-1",
        ]  # fmt: skip
        super().__init__(command, folder / "serve.log", self.settings)

    def run(self) -> Serve:
        self.start(self._answers)
        return self

    def _answers(self) -> bool:
        try:
            return bool(self.get("/api/v1/status"))
        except OSError:
            return False

    def get(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.page}{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            body = response.read()
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
