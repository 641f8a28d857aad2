# SPDX-License-Identifier: Apache-2.0
"""Canned answers of the HTTP API, and the switches a browser test turns."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import viewer_data

from ffe_otel import semconv

if TYPE_CHECKING:
    from queue import Queue

Json = dict[str, Any]

LABELS = {
    "state": ["PERCEPTION", "REASONING", "RISK_CHECK", "EXECUTION", "LEARNING"],
    "provider": ["debate", "ollama", "anthropic"],
    "service": ["coinbase", "alpha_vantage"],
    "status": ["success", "failure", "timeout"],
    "reason": ["approved", "leverage", "concentration"],
    "asset_pair": ["BTCUSD", "ETHUSD"],
    "platform": ["paper"],
    "direction": ["input", "output"],
    "model": ["claude-sonnet-4-5"],
    "outcome": ["win", "loss"],
    "signal": ["traces", "logs", "metrics"],
}
# Middle and swing of each metric's line, or its growth where it only grows.
WAVES = {
    "ffe.ooda.cycle.duration": (4.2, 0.8),
    "ffe.agent.cycle.duration": (0.7, 0.3),
    "ffe.decision.latency": (3.1, 0.7),
    "ffe.api.call.duration": (0.32, 0.09),
    "ffe.provider.requests": (0.09, 0.03),
    "ffe.risk.check.result": (0.015, 0.006),
    "ffe.portfolio.value.dollars": (10120.0, 60.0),
    "ffe.llm.tokens": (120.0, 40.0),
    "process.cpu": (0.11, 0.04),
    "process.resident_memory": (2.1e8, 9e6),
    "ffe.otel.queued": (14.0, 9.0),
    "ffe.otel.dropped": (0.0, 0.0),
}
GROWTH = {"ffe.trade.pnl.dollars.summary.sum": 240.0, "ffe.llm.cost.usd": 0.9}
LEVELS = {"INFO": 9, "WARN": 13, "ERROR": 17}


class Stub:
    """What the server behind the page knows, and how it behaves."""

    def __init__(self, cycles: int = 120) -> None:
        self.told = viewer_data.cycles(cycles)
        self.rows: list[Json] = [c.list_row for c in self.told]
        self.by_id = {c.trace_id: c for c in self.told}
        self.traces: dict[str, Json] = {}
        self.extra_logs: list[Json] = []
        self.missing_metrics: set[str] = set()
        self.with_totals = True
        self.data_since = 0.0
        self.rejected = 0
        self.agent_state = "IDLE"
        self.backends: Json = {"store": {"ok": True, "detail": ""}}
        self.unauthorised = False
        self.gone = False
        self.streams: list[Queue[str | None]] = []
        self.requests: list[str] = []

    def publish(self, event: str, data: Json) -> None:
        """Send a server-sent event to every page."""
        for stream in list(self.streams):
            stream.put(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    def hang_up(self) -> None:
        """End every open stream."""
        for stream in list(self.streams):
            stream.put(None)

    def answer(self, path: str, q: dict[str, str]) -> tuple[int, Json]:
        """Status and body for a path below ``/api/v1/``."""
        if path.startswith("traces/"):
            trace = self._trace(path.removeprefix("traces/"))
            missing = {"error": "unknown id", "hint": "The store keeps 7 days."}
            return (200, trace) if trace else (404, missing)
        routes = {
            "cycles": self._cycles,
            "logs": self._logs,
            "metrics": self._metrics,
            "metrics/series": self._series,
            "status": self._status,
        }
        return 200, routes[path](q)

    def _trace(self, wanted: str) -> Json | None:
        key = wanted.replace("-", "")
        if key in self.traces:
            return self.traces[key]
        cycle = self.by_id.get(key)
        return cycle.answer(cycle.list_row) if cycle else None

    def _cycles(self, q: dict[str, str]) -> Json:
        found = [r for r in self.rows if _passes(r, q)]
        return _page(found, q, "cycles", "start_unix_nano")

    def _logs(self, q: dict[str, str]) -> Json:
        lowest, text = LEVELS.get(q.get("level", ""), 0), q.get("q", "").lower()
        lines = self.extra_logs + [log for c in self.told for log in c.logs]
        found = [x for x in lines if x["severity_number"] >= lowest and text in x["body"].lower()]
        found.sort(key=lambda x: -int(x["unix_nano"]))
        return _page(found, q, "logs", "unix_nano")

    def _status(self, _: dict[str, str]) -> Json:
        last = self.rows[0] if self.rows else None
        age = (time.time_ns() - int(last["start_unix_nano"])) / 1e9 if last else None
        totals = {
            "pnl_today_dollars": 138.42,
            "pnl_total_dollars": 1204.9,
            "llm_cost_today_usd": 0.8123,
            "llm_cost_total_usd": 9.41,
            "errors_today": 12,
            "cycles_today": len(self.rows),
        }
        return {
            "agent": {"id": "agent-1", "state": self.agent_state if last else None},
            "last_cycle": last,
            "last_cycle_age_seconds": age,
            "backends": self.backends,
            "store": {"bytes": 48_381_952, "spans": 25_310, "logs": 14_120},
            "ingest": {"spans": 25_310, "logs": 14_120, "rejected": self.rejected},
            "version": "0.1.0",
            **({"totals": totals} if self.with_totals else {}),
        }

    def _metrics(self, _: dict[str, str]) -> Json:
        known = [m for m in semconv.METRICS if m.name not in self.missing_metrics]
        return {
            "metrics": [
                {
                    "name": m.name,
                    "prometheus": m.prometheus,
                    "kind": m.kind.value,
                    "unit": m.unit,
                    "description": m.description,
                    "labels": {k: LABELS.get(k, []) for k in m.labels},
                }
                for m in known
            ]
        }

    def _series(self, q: dict[str, str]) -> Json:
        seconds, step, now = int(q["range"]), int(q["step"]), int(time.time())
        times = [t for t in range(now - seconds, now, step) if t >= self.data_since]
        by, lines = q.get("by"), []
        for i, label in enumerate(LABELS.get(by or "", ["all"])):
            points = [[at * 1000, _value(q, i, (at - now + seconds) / seconds)] for at in times]
            lines.append({"labels": {by: label} if by else {}, "points": points})
        return {"series": lines, "unit": ""}


def _value(q: dict[str, str], line: int, share: float) -> float:
    wave = math.sin(share * 9 + line * 1.7) + 0.35 * math.sin(share * 47 + line)
    if q["name"] in GROWTH:
        return GROWTH[q["name"]] * (share + 0.05 * wave)
    middle, swing = WAVES.get(q["name"], (2.0, 0.6))
    value = middle + swing * (wave + 0.8 * line)
    return max(0.0, value * (1.6 if q["stat"] == "p95" else 1.0))


def _passes(row: Json, q: dict[str, str]) -> bool:
    return (
        (not q.get("asset") or q["asset"] in row["asset_pairs"])
        and (not q.get("outcome") or row["outcome"] == q["outcome"])
        and (not q.get("errors") or row["errors"] > 0)
        and (not q.get("q") or q["q"].lower() in json.dumps(row).lower())
    )


def _page(rows: list[Json], q: dict[str, str], name: str, key: str) -> Json:
    if before := q.get("before"):
        rows = [r for r in rows if int(r[key]) < int(before)]
    page = rows[: int(q["limit"])]
    return {name: page, "next": page[-1][key] if len(rows) > len(page) else None}
