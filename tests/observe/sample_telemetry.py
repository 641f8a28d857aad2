# SPDX-License-Identifier: Apache-2.0
"""Fill a running ``ffe-otel serve`` with believable telemetry of a trading agent.

Run ``python tests/observe/sample_telemetry.py http://127.0.0.1:4318`` for 200 finished
cycles with their logs and metrics over the last hundred minutes; ``--live 60`` then
plays cycles in real time for a minute, each span sent when it ends, so that a running
cycle can be watched. Everything is OTLP/JSON made by hand, as a foreign sender would.
"""

from __future__ import annotations

import argparse
import bisect
import json
import random
import time
import urllib.request
from typing import TYPE_CHECKING

from sample_cycles import make_cycle
from sample_records import SECOND, Json, attributes

from ffe_otel import semconv as s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sample_records import Cycle


def resource() -> Json:
    """The resource everything here belongs to."""
    return {
        "attributes": attributes(
            {
                "service.name": s.DEFAULT_SERVICE_NAME,
                "service.instance.id": "sample-1",
                "service.version": "1.0",
                "deployment.environment.name": "demo",
            }
        )
    }


def post(base: str, signal: str, payload: Json) -> Json:
    """Send one OTLP/JSON request; the decoded answer."""
    request = urllib.request.Request(
        f"{base.rstrip('/')}/v1/{signal}",
        json.dumps(payload).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: Json = json.loads(answer.read())
    return body


def send_spans(base: str, spans: list[Json]) -> None:
    """Send spans under this project's scope."""
    scope = {"scope": {"name": s.SCOPE}, "spans": spans}
    post(base, "traces", {"resourceSpans": [{"resource": resource(), "scopeSpans": [scope]}]})


def send_logs(base: str, logs: list[Json]) -> None:
    """Send log records, each under the scope of its logger."""
    scopes: dict[str, list[Json]] = {}
    for record in logs:
        bare = {k: v for k, v in record.items() if k != "logger"}
        scopes.setdefault(record["logger"], []).append(bare)
    groups = [{"scope": {"name": k}, "logRecords": v} for k, v in scopes.items()]
    post(base, "logs", {"resourceLogs": [{"resource": resource(), "scopeLogs": groups}]})


class Meter:
    """Cumulative metrics of the told cycles, as a periodic reader would export them."""

    def __init__(self, rng: random.Random, start: int) -> None:
        self.rng, self.start = rng, start
        self.sums: dict[tuple[s.Metric, tuple[tuple[str, str], ...]], float] = {}
        self.histograms: dict[tuple[s.Metric, tuple[tuple[str, str], ...]], list[float]] = {}
        self.portfolio = 10_000.0

    def add(self, metric: s.Metric, amount: float, **labels: str) -> None:
        """Add to a counter."""
        key = (metric, tuple(labels.items()))
        self.sums[key] = self.sums.get(key, 0.0) + amount

    def record(self, metric: s.Metric, value: float, **labels: str) -> None:
        """Record into a histogram."""
        self.histograms.setdefault((metric, tuple(labels.items())), []).append(value)

    def observe(self, span: Json) -> None:
        """Count what one span stands for."""
        name, attrs = span["name"], {a["key"]: a["value"] for a in span["attributes"]}
        seconds = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / SECOND
        if name == s.SPAN_CYCLE:
            self.record(s.CYCLE_DURATION, seconds)
        elif name.startswith(s.SPAN_PHASE_PREFIX):
            state = name.removeprefix(s.SPAN_PHASE_PREFIX).upper()
            self.record(s.PHASE_DURATION, seconds, state=state)
        elif name == s.SPAN_DATA_FETCH:
            endpoint = attrs[s.DATA_ENDPOINT]["stringValue"]
            self.record(s.API_CALL_DURATION, seconds, service="alpha_vantage", endpoint=endpoint)
        elif name == s.SPAN_RISK_CHECK:
            verdict = attrs[s.RISK_VERDICT]["stringValue"]
            code = attrs.get(s.RISK_REASON_CODE, {"stringValue": "ok"})["stringValue"]
            self.add(s.RISK_CHECK_RESULT, 1, result=verdict, reason=code)
        elif name.startswith("chat "):
            provider = attrs[s.GEN_AI_PROVIDER]["stringValue"]
            model = attrs[s.GEN_AI_REQUEST_MODEL]["stringValue"]
            cost = attrs[s.LLM_COST_USD]["doubleValue"]
            self.add(s.LLM_COST_TOTAL, cost, provider=provider, model=model)
            for key, way in ((s.GEN_AI_INPUT_TOKENS, "input"), (s.GEN_AI_OUTPUT_TOKENS, "output")):
                tokens = int(attrs[key]["intValue"])
                self.add(s.LLM_TOKENS_TOTAL, tokens, provider=provider, model=model, direction=way)
            status = attrs[s.LLM_STATUS]["stringValue"]
            self.add(s.PROVIDER_REQUESTS, 1, provider=provider, status=status)
        elif name == s.SPAN_DEBATE_ROLE:
            role = attrs[s.DEBATE_ROLE]["stringValue"]
            provider = "openai" if role == "judge" else "ollama"
            self.record(s.DECISION_GENERATION, seconds, provider=provider, phase=role)
        elif name == s.SPAN_TRADE_OUTCOME:
            pnl, pair = (
                attrs[s.TRADE_PNL_DOLLARS]["doubleValue"],
                attrs[s.ASSET_PAIR]["stringValue"],
            )
            outcome = attrs[s.TRADE_OUTCOME]["stringValue"]
            self.portfolio += pnl
            self.add(s.TRADE_PNL_SUM, pnl, asset_pair=pair)
            self.add(s.TRADE_PNL_COUNT, 1, asset_pair=pair)
            self.add(s.TRADES_CLOSED, 1, asset_pair=pair, outcome=outcome)
            self.record(s.TRADE_PNL_ABS, abs(pnl), asset_pair=pair, outcome=outcome)

    def point(self, now: int, labels: Sequence[tuple[str, str]]) -> Json:
        """What every data point starts with."""
        return {
            "startTimeUnixNano": str(self.start),
            "timeUnixNano": str(now),
            "attributes": attributes(dict(labels)),
        }

    def families(self, now: int) -> list[Json]:
        """All metrics as of ``now`` ns."""
        self.add(s.PROCESS_CPU, self.rng.uniform(0.5, 2.5))
        out = [
            self.family(metric, "sum", {**self.point(now, labels), "asDouble": value})
            for (metric, labels), value in self.sums.items()
        ]
        for (metric, labels), values in self.histograms.items():
            bounds = list(metric.buckets or ())
            counts = [0] * (len(bounds) + 1)
            for value in values:
                counts[bisect.bisect_left(bounds, value)] += 1
            out.append(
                self.family(
                    metric,
                    "histogram",
                    {
                        **self.point(now, labels),
                        "count": str(len(values)),
                        "sum": sum(values),
                        "explicitBounds": bounds,
                        "bucketCounts": [str(n) for n in counts],
                    },
                )
            )
        gauges: list[tuple[s.Metric, float, dict[str, str]]] = [
            (s.PORTFOLIO_VALUE, self.portfolio, {"platform": "paper"}),
            (s.ACTIVE_TRADES, self.rng.randint(0, 3), {"platform": "paper"}),
            (s.AGENT_STATE_GAUGE, self.rng.choice((0, 2, 3, 4, 5)), {}),
            (s.BREAKER_STATE_GAUGE, 0, {"service": "alpha_vantage"}),
            (s.PROCESS_MEMORY, 180e6 + self.rng.gauss(0, 2e6), {}),
            (s.PROCESS_THREADS, 14, {}),
        ]
        for metric, value, labels in gauges:
            point = {**self.point(now, tuple(labels.items())), "asDouble": float(value)}
            out.append(self.family(metric, "gauge", point))
        return out

    @staticmethod
    def family(metric: s.Metric, kind: str, point: Json) -> Json:
        """One metric with one data point."""
        data: Json = {"dataPoints": [point]}
        if kind != "gauge":
            data["aggregationTemporality"] = 2
        if kind == "sum":
            data["isMonotonic"] = metric.kind is not s.Kind.UP_DOWN_COUNTER
        return {
            "name": metric.name,
            "unit": metric.unit,
            "description": metric.description,
            kind: data,
        }


def send_metrics(base: str, families: list[Json]) -> None:
    """Send metrics under this project's scope."""
    scope = {"scope": {"name": s.SCOPE}, "metrics": families}
    post(base, "metrics", {"resourceMetrics": [{"resource": resource(), "scopeMetrics": [scope]}]})


def fill(base: str, cycles: int, rng: random.Random, interval: float = 30.0) -> list[str]:
    """Send finished cycles up to now; their trace ids, oldest first."""
    start = time.time_ns() - int((cycles + 1) * interval * SECOND)
    meter, made = Meter(rng, start), []
    spans: list[Json] = []
    logs: list[Json] = []
    families: list[Json] = []
    for number in range(1, cycles + 1):
        cycle = make_cycle(rng, start + int(number * interval * SECOND), number)
        made.append(cycle.trace_id)
        spans += cycle.spans
        logs += cycle.logs
        for span in cycle.spans:
            meter.observe(span)
        families += meter.families(cycle.now)
        if number % 20 == 0 or number == cycles:
            send_spans(base, spans)
            send_logs(base, logs)
            send_metrics(base, families)
            spans, logs, families = [], [], []
    return made


def play(base: str, cycle: Cycle) -> None:
    """Send one cycle in real time: each record when it happens."""
    records = [(int(r["endTimeUnixNano"]), "span", r) for r in cycle.spans]
    records += [(int(r["timeUnixNano"]), "log", r) for r in cycle.logs]
    for at, kind, record in sorted(records, key=lambda r: r[0]):
        time.sleep(max(0.0, (at - time.time_ns()) / SECOND))
        if kind == "span":
            send_spans(base, [record])
        else:
            send_logs(base, [record])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint", help="OTLP/HTTP base URL, for example http://127.0.0.1:4318")
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--live", type=float, default=0.0, help="seconds of live cycles after it")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    made = fill(arguments.endpoint, arguments.cycles, rng) if arguments.cycles else []
    print(f"sent {len(made)} cycles, the last one is {made[-1] if made else None}")
    end, number = time.monotonic() + arguments.live, len(made)
    while time.monotonic() < end:
        number += 1
        play(arguments.endpoint, make_cycle(rng, time.time_ns(), number))
        time.sleep(1.0)


if __name__ == "__main__":
    main()
