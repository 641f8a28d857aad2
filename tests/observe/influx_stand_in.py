# SPDX-License-Identifier: Apache-2.0
"""A server that answers writes as InfluxDB 1 does, and fails when it is told to."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlparse

from loopback import Asked, Endpoint, Reply


class Influx:
    """Keeps the lines it took.

    Attributes:
        failing: status and words of every answer while it is set.
        refused: a piece of text; a line with it is refused, its neighbours are written.
        requests: parameters and headers of each write.
    """

    def __init__(self, port: int = 0) -> None:
        self.failing: tuple[int, str] | None = None
        self.refused = "\0"
        self.written: set[str] = set()
        self.batches: list[int] = []
        self.requests: list[tuple[dict[str, list[str]], dict[str, str]]] = []
        self._endpoint = Endpoint(self._reply, port)
        self._endpoint.up()
        self.port, self.url = self._endpoint.port, self._endpoint.url

    def _reply(self, asked: Asked) -> Reply:
        self.requests.append((parse_qs(urlparse(asked.path).query), dict(asked.headers)))
        status, text = self.take(asked.body.decode().split("\n"))
        body = json.dumps({"error": text}).encode() if text else b""
        return Reply(status, body, {"X-Influxdb-Version": "1.6.7"})

    def take(self, lines: list[str]) -> tuple[int, str]:
        if self.failing:
            return self.failing
        self.batches.append(len(lines))
        good = [line for line in lines if self.refused not in line]
        self.written.update(good)
        if len(good) == len(lines):
            return 204, ""
        return 400, f"partial write: field type conflict: dropped={len(lines) - len(good)}"

    def close(self) -> None:
        self._endpoint.down()
