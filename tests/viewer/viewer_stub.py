# SPDX-License-Identifier: Apache-2.0
"""A small server that speaks the HTTP API with canned answers, for fast browser tests.

``python tests/viewer/viewer_stub.py`` serves it for a person to look at.
"""

from __future__ import annotations

import json
import math
import mimetypes
import queue
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import viewer_data
from ffe_otel import semconv
from ffe_otel.observe.viewer import CONTENT_SECURITY_POLICY, STATIC_DIR

Json = dict[str, Any]
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Stub:
    """The answers, and the switches a test turns."""

    def __init__(self, cycles: int = 120) -> None:
        self.told = viewer_data.cycles(cycles)
        self.rows: list[Json] = [c.row for c in self.told]
        self.traces: dict[str, Json] = {}
        self.by_id = {c.trace.trace_id: c for c in self.told}
        self.unauthorised = False
        self.gone = False
        self.streams: list[queue.Queue[str | None]] = []
        self.requests: list[str] = []
        self.extra_logs: list[Json] = []

    def publish(self, event: str, data: Json) -> None:
        """Send a server-sent event to every page."""
        for stream in list(self.streams):
            stream.put(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    def hang_up(self) -> None:
        """End every open stream."""
        for stream in list(self.streams):
            stream.put(None)

    def trace(self, wanted: str) -> Json | None:
        """A trace by trace id or correlation id."""
        key = wanted.replace("-", "")
        if key in self.traces:
            return self.traces[key]
        cycle = self.by_id.get(key)
        return cycle.answer() if cycle else None

    def list_cycles(self, q: dict[str, str]) -> Json:
        """One page of the list, filtered."""
        rows = [r for r in self.rows if self._passes(r, q)]
        if before := q.get("before"):
            rows = [r for r in rows if int(r["start_unix_nano"]) < int(before)]
        limit = int(q.get("limit", "50"))
        page = rows[:limit]
        return {"cycles": page, "next": page[-1]["start_unix_nano"] if len(rows) > limit else None}

    @staticmethod
    def _passes(row: Json, q: dict[str, str]) -> bool:
        text = json.dumps(row).lower()
        return (
            (not q.get("asset") or q["asset"] in row["asset_pairs"])
            and (not q.get("outcome") or row["outcome"] == q["outcome"])
            and (not q.get("errors") or row["errors"] > 0)
            and q.get("q", "").lower() in text
        )

    def logs(self, q: dict[str, str]) -> Json:
        """Newest log lines first."""
        lines = self.extra_logs + [log for c in self.told for log in c.trace.logs]
        lowest = {"INFO": 9, "WARN": 13, "ERROR": 17}.get(q.get("level", ""), 0)
        lines = [
            line for line in lines
            if line["severity_number"] >= lowest and q.get("q", "").lower() in line["body"].lower()
            and (not q.get("before") or int(line["unix_nano"]) < int(q["before"]))
        ]  # fmt: skip
        lines.sort(key=lambda line: -int(line["unix_nano"]))
        limit = int(q.get("limit", "100"))
        page = lines[:limit]
        return {"logs": page, "next": page[-1]["unix_nano"] if len(lines) > limit else None}

    def status(self) -> Json:
        """Agent, last cycle, store."""
        last = self.rows[0] if self.rows else None
        age = (time.time_ns() - int(last["start_unix_nano"])) / 1e9 if last else None
        return {
            "agent": {"id": "agent-1", "state": "IDLE", "state_since_unix_nano": None} if last else None,
            "last_cycle": last,
            "last_cycle_age_seconds": age,
            "backends": {"store": {"ok": True, "detail": ""}},
            "store": {"path": "/var/lib/ffe_otel/store.duckdb", "bytes": 48_381_952, "spans": 25_310,
                      "logs": 14_120, "metric_points": 88_120, "oldest_unix_nano": None},
            "ingest": {"spans": 25_310, "logs": 14_120, "metric_points": 88_120, "rejected": 0},
            "version": "0.1.0",
            "totals": {
                "pnl_today_dollars": 138.42, "pnl_total_dollars": 1204.9, "llm_cost_today_usd": 0.8123,
                "llm_cost_total_usd": 9.41, "errors_today": 12, "cycles_today": len(self.rows)},
        }  # fmt: skip

    def metrics(self) -> Json:
        """The catalogue: everything the project names."""
        return {"metrics": [
            {"name": m.name, "prometheus": m.prometheus, "kind": m.kind.value, "unit": m.unit,
             "description": m.description, "labels": {k: ["a", "b"] for k in m.labels}}
            for m in semconv.METRICS
        ]}  # fmt: skip

    def series(self, q: dict[str, str]) -> Json:
        """Smooth lines with a label per series."""
        seconds, step = int(q["range"]), int(q["step"])
        now = int(time.time())
        labels = _LABELS.get(q.get("by", ""), ["all"])
        shape = _SHAPES.get(q["name"], (2.0, 0.6))
        lines = []
        for i, label in enumerate(labels):
            points = []
            for at in range(now - seconds, now, step):
                wave = math.sin(at / (seconds / 9) + i * 1.7) + 0.35 * math.sin(at / (seconds / 47) + i)
                value = shape[0] + shape[1] * wave + i * shape[1] * 0.8
                if q["stat"] == "p95":
                    value *= 1.6
                if q["stat"] == "value" and shape[0] < 1:
                    value = shape[0] + (at - now + seconds) / seconds * shape[1] + shape[1] * wave / 12
                points.append([at * 1000, max(value, 0) if shape[0] >= 0 else value])
            lines.append({"labels": {q["by"]: label} if q.get("by") else {}, "points": points})
        return {"series": lines, "unit": ""}


_LABELS = {
    "state": ["PERCEPTION", "REASONING", "RISK_CHECK", "EXECUTION", "LEARNING"],
    "provider": ["debate", "ollama", "anthropic"], "service": ["coinbase", "alpha_vantage"],
    "status": ["success", "failure", "timeout"], "reason": ["approved", "leverage", "concentration"],
    "asset_pair": ["BTCUSD", "ETHUSD"], "platform": ["paper"], "direction": ["input", "output"],
    "model": ["claude-sonnet-4-5"], "signal": ["traces", "logs", "metrics"],
}  # fmt: skip
_SHAPES = {
    "ffe.ooda.cycle.duration": (4.2, 0.8), "ffe.agent.cycle.duration": (0.7, 0.3),
    "ffe.decision.latency": (3.1, 0.7), "ffe.api.call.duration": (0.32, 0.09),
    "ffe.provider.requests": (0.09, 0.03), "ffe.risk.check.result": (0.015, 0.006),
    "ffe.trade.pnl.dollars.summary.sum": (-0.01, 240.0), "ffe.portfolio.value.dollars": (10120.0, 60.0),
    "ffe.llm.tokens": (120.0, 40.0), "ffe.llm.cost.usd": (0.0, 0.9), "process.cpu": (0.11, 0.04),
    "process.resident_memory": (2.1e8, 9e6), "ffe.otel.queued": (14.0, 9.0), "ffe.otel.dropped": (0.0, 0.0),
}  # fmt: skip


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            target = urllib.parse.urlsplit(self.path)
            stub.requests.append(self.path)
            if stub.gone:
                self.close_connection = True
                return
            if not target.path.startswith("/api/"):
                self._static(target.path)
            elif stub.unauthorised:
                self._json({"error": "no valid token"}, 401)
            else:
                self._api(target.path.removeprefix("/api/v1/"), dict(urllib.parse.parse_qsl(target.query)))

        def _static(self, path: str) -> None:
            name = "index.html" if path == "/" else path.removeprefix("/static/")
            file = (STATIC_DIR / name).resolve()
            if not file.is_relative_to(STATIC_DIR) or not file.is_file():
                self._send(b"not here", 404, "text/plain")
                return
            kind = TYPES.get(file.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
            self._send(file.read_bytes(), 200, kind)

        def _api(self, path: str, q: dict[str, str]) -> None:
            if path == "live":
                self._stream()
            elif path.startswith("traces/"):
                trace = stub.trace(urllib.parse.unquote(path.removeprefix("traces/")))
                hint = "The store keeps 7 days."
                self._json(trace or {"error": "unknown id", "hint": hint}, 200 if trace else 404)
            else:
                routes = {"cycles": stub.list_cycles, "logs": stub.logs, "metrics/series": stub.series,
                          "status": lambda _: stub.status(), "metrics": lambda _: stub.metrics()}  # fmt: skip
                self._json(routes[path](q))

        def _stream(self) -> None:
            mine: queue.Queue[str | None] = queue.Queue()
            stub.streams.append(mine)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                self.wfile.write(b": connected\n\n")
                while (text := mine.get()) is not None:
                    self.wfile.write(text.encode())
            except OSError:
                pass
            finally:
                stub.streams.remove(mine)

        def _json(self, value: Json, status: int = 200) -> None:
            self._send(json.dumps(value).encode(), status, "application/json")

        def _send(self, body: bytes, status: int, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

    return Handler


class Server(ThreadingHTTPServer):
    """The stub on a free port of the loopback interface, as a context manager."""

    daemon_threads = True

    def __init__(self, stub: Stub, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _handler(stub))
        self.stub = stub
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.thread = threading.Thread(target=self.serve_forever, name="viewer-stub", daemon=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes a connection half way is no error."""

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stub.hang_up()
        self.shutdown()
        self.server_close()
        self.thread.join()


def new_id() -> str:
    """A trace id."""
    return uuid.uuid4().hex


if __name__ == "__main__":
    with Server(Stub(), 4390) as server:
        print(server.url)
        threading.Event().wait()
