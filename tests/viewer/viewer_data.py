# SPDX-License-Identifier: Apache-2.0
"""Cycles as the HTTP API answers them: believable, and the same in every run."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

MS = 1_000_000
SECOND = 1_000 * MS
ASSETS = (["BTCUSD"], ["ETHUSD"], ["BTCUSD", "ETHUSD"], ["EURUSD"])
LOGGERS = "finance_feedback_engine."
STACK = '''Traceback (most recent call last):
  File "/app/finance_feedback_engine/decision_engine/local_llm_provider.py", line 943, in query
    response = self._client.generate(model=model, prompt=prompt, options=options)
  File "/app/.venv/lib/python3.13/site-packages/ollama/_client.py", line 181, in _request_raw
    raise ResponseError(e.response.text, e.response.status_code) from None
ollama._types.ResponseError: model is loading (status code: 503)'''

Json = dict[str, Any]


@dataclass
class Trace:
    """A trace under construction; times are ns from its start."""

    trace_id: str
    start: int
    rng: random.Random
    service: str = "finance_feedback_engine"
    spans: list[Json] = field(default_factory=list)
    logs: list[Json] = field(default_factory=list)
    ids: int = 0

    def span(self, parent: Json | None, name: str, start: int, end: int, **more: Any) -> Json:
        """Add a span; ``attributes``, ``events``, ``error`` and the API's own keys."""
        self.ids += 1
        error = more.pop("error", None)
        row = {
            "span_id": f"{self.ids:04x}{self.trace_id[:12]}",
            "parent_span_id": parent["span_id"] if parent else None,
            "depth": parent["depth"] + 1 if parent else 0,
            "name": name,
            "kind": "internal",
            "service": self.service,
            "scope": "ffe_otel",
            "start_unix_nano": str(self.start + start),
            "offset_ns": start,
            "duration_ns": end - start,
            "self_ns": end - start,
            "status": "error" if error else "unset",
            "status_message": error or "",
            "attributes": {},
            "events": [],
            "links": [],
            "children": 0,
            "critical": False,
            "running": False,
            "missing": False,
            **more,
        }
        self.spans.append(row)
        if parent:
            parent["children"] += 1
            parent["self_ns"] = max(0, parent["self_ns"] - (end - start))
        return row

    def log(
        self, span: Json | None, at: int, severity: str, logger: str, body: str, **more: Any
    ) -> None:
        """Add a log line written ``at`` ns after the start."""
        number = {"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}[severity]
        self.logs.append(
            {
                "unix_nano": str(self.start + at),
                "offset_ns": at,
                "severity": severity,
                "severity_number": number,
                "logger": LOGGERS + logger,
                "body": body,
                "attributes": {"module": logger.split(".")[-1], "line": 100 + at % 900},
                "trace_id": self.trace_id,
                "span_id": span["span_id"] if span else None,
                "event_name": None,
                "exception": None,
                **more,
            }
        )

    def answer(self, cycle: Json | None = None, duration: int | None = None) -> Json:
        """What ``/api/v1/traces/<id>`` says."""
        ends = [s["offset_ns"] + s["duration_ns"] for s in self.spans]
        return {
            "trace_id": self.trace_id,
            "correlation_id": str(uuid.UUID(self.trace_id)),
            "cycle": cycle,
            "start_unix_nano": str(self.start),
            "duration_ns": max(ends) if duration is None else duration,
            "spans": depth_first(self.spans),
            "logs": sorted(self.logs, key=lambda log: log["offset_ns"]),
        }


def depth_first(spans: list[Json]) -> list[Json]:
    """The order the API promises."""
    below: dict[str | None, list[Json]] = {}
    for span in sorted(spans, key=lambda s: s["offset_ns"]):
        below.setdefault(span["parent_span_id"], []).append(span)
    out, stack = [], list(reversed(below.get(None, [])))
    while stack:
        span = stack.pop()
        out.append(span)
        stack.extend(reversed(below.get(span["span_id"], [])))
    return out


@dataclass
class Cycle:
    """A cycle told once, with its trace and its row in the list."""

    number: int
    start: int
    kind: str
    assets: list[str]
    rng: random.Random
    trace: Trace = field(init=False)
    row: Json = field(init=False)

    def __post_init__(self) -> None:
        trace_id = f"{self.rng.getrandbits(128) | 1 << 127:032x}"
        self.trace = Trace(trace_id, self.start, self.rng)
        self.asset = self.assets[0]
        self.action = self.rng.choice(["BUY", "SELL"])
        if self.kind in ("no_trade", "failed"):
            self.action = "HOLD"
        self.confidence = self.rng.randint(58, 91)
        self.phases: list[Json] = []
        self.row = {}
        self._tell()

    def answer(self) -> Json:
        """What the API says about the trace."""
        return self.trace.answer(self.row)

    def _ms(self, low: float, high: float) -> int:
        return int(self.rng.uniform(low, high) * MS)

    def _phase(self, root: Json, name: str, start: int, end: int) -> Json:
        span = self.trace.span(
            root, f"ffe.phase.{name}", start, end, attributes={"ffe.phase": name}, critical=True
        )
        self.phases.append({"name": name, "offset_ns": start, "duration_ns": end - start, "errors": 0})
        return span

    def _tell(self) -> None:
        t = self.trace
        root = t.span(None, "ffe.cycle", 0, 0, critical=True)
        t.log(root, self._ms(0.1, 0.4), "INFO", "agent.trading_loop_agent", f"Starting cycle {self.number}")
        at = self._perceive(root, self._ms(0.6, 1.4))
        at = self._reason(root, at)
        if self.kind in ("executed", "rejected"):
            at = self._check(root, at)
        if self.kind == "executed":
            at = self._execute(root, at)
            at = self._learn(root, at)
        end = at + self._ms(0.8, 2.0)
        t.log(root, end - 200_000, "INFO", "agent.trading_loop_agent",
              "Cycle phase durations (s): " + " ".join(
                  f"{p['name'].upper()}={p['duration_ns'] / SECOND:.4f}" for p in self.phases))  # fmt: skip
        root.update(duration_ns=end, self_ns=end - sum(p["duration_ns"] for p in self.phases))
        self._summarise(root, end)

    def _perceive(self, root: Json, start: int) -> int:
        t = self.trace
        phase = self._phase(root, "perception", start, start)
        at = start + self._ms(0.2, 0.9)
        for service, endpoint, low, high in (
            ("coinbase", "candles", 60, 320), ("alpha_vantage", "NEWS_SENTIMENT", 180, 900),
            ("alpha_vantage", "DIGITAL_CURRENCY_DAILY", 120, 600),
        ):  # fmt: skip
            length = self._ms(low, high)
            fetch = t.span(phase, "ffe.data.fetch", at, at + length, critical=True, attributes={
                "ffe.data.service": service, "ffe.data.endpoint": endpoint,
                "ffe.asset_pair": self.asset, "ffe.data.stale": False, "ffe.data.age_seconds": 41.5,
            })  # fmt: skip
            t.span(fetch, "GET", at + 300_000, at + length - 250_000, kind="client", critical=True,
                   scope="opentelemetry.instrumentation.requests", attributes={
                       "http.request.method": "GET", "http.response.status_code": 200,
                       "server.address": f"api.{service.replace('_', '')}.com", "server.port": 443,
                       "url.full": f"https://api.{service.replace('_', '')}.com/query?function={endpoint}"
                                   "&apikey=[redacted:url-query-key]"})  # fmt: skip
            t.log(fetch, at + length - 120_000, "DEBUG", f"data_providers.{service}",
                  f"{endpoint} for {self.asset}: 300 rows, newest 41.5 s old")  # fmt: skip
            at += length + self._ms(0.3, 2)
        if self.kind == "rejected":
            t.log(phase, at - 100_000, "WARN", "monitoring.context_provider",
                  "Correlation warning: BTCUSD/ETHUSD 0.83 over 30 days")  # fmt: skip
        self._close(phase, at)
        return at + self._ms(0.2, 0.6)

    def _close(self, phase: Json, end: int) -> None:
        length = end - phase["offset_ns"]
        inner = sum(s["duration_ns"] for s in self.trace.spans if s["parent_span_id"] == phase["span_id"])
        phase.update(duration_ns=length, self_ns=max(0, length - inner))
        self.phases[-1]["duration_ns"] = length

    def _chat(self, parent: Json, start: int, length: int, model: str, role: str, cost: float) -> Json:
        tokens = (self.rng.randint(900, 2600), self.rng.randint(120, 520))
        provider = "ollama" if ":" in model else "anthropic"
        return self.trace.span(parent, f"chat {model}", start, start + length, kind="client", critical=True, attributes={
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": provider,
            "gen_ai.request.model": model, "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": tokens[0],
            "gen_ai.usage.output_tokens": tokens[1], "ffe.llm.cost_usd": cost, "ffe.llm.phase": role,
            "ffe.llm.status": "success", "ffe.llm.tokens": sum(tokens), "server.address": "127.0.0.1",
            "server.port": 11434})  # fmt: skip

    def _reason(self, root: Json, start: int) -> int:
        t = self.trace
        phase = self._phase(root, "reasoning", start, start)
        at = start + self._ms(0.4, 1.2)
        decision = t.span(phase, "ffe.decision.generate", at, at, critical=True)
        t.log(decision, at + 90_000, "INFO", "decision_engine.engine",
              f"Calling DecisionEngine for {self.asset} (90s timeout)...")  # fmt: skip
        at += self._ms(2, 9)
        length = self._ms(240, 700)
        self._chat(decision, at, length, "deepseek-r1:8b", "pre_reason", 0.0)
        at += length + self._ms(0.3, 0.9)
        debate = at
        ends = []
        for role, model in (("bull", "llama3.1:8b"), ("bear", "claude-sonnet-4-5")):
            length = self._ms(700, 2400)
            ends.append(debate + length)
            span = t.span(decision, "ffe.debate.role", debate, debate + length, critical=False,
                          attributes={"ffe.debate.role": role, "ffe.debate.failed": False})  # fmt: skip
            if self.kind == "failed" and role == "bear":
                self._fail_role(span, debate, length)
            else:
                self._chat(span, debate + 400_000, length - 900_000, model, role, 0.0 if ":" in model else 0.0093)
            t.log(span, debate + length - 200_000, "INFO", "decision_engine.ai_decision_manager",
                  f"Debate mode: {role} case ready ({length / MS:.0f} ms)")  # fmt: skip
        longest = max(ends)
        for span in t.spans:
            role = span["attributes"].get("ffe.debate.role")
            if role:
                span["critical"] = span["offset_ns"] + span["duration_ns"] == longest
        at = longest + self._ms(0.3, 0.8)
        if self.kind != "failed":
            length = self._ms(500, 1600)
            self._chat(decision, at, length, "gemma2:9b", "judge", 0.0)
            at += length + self._ms(0.2, 0.6)
            t.span(decision, "ffe.ensemble.aggregate", at, at + 412_345, attributes={
                "ffe.ensemble.agreement_score": 0.67, "ffe.ensemble.voting_strategy": "debate"}, critical=True)  # fmt: skip
            at += 600_000
        attributes = {
            "ffe.asset_pair": self.asset, "ffe.decision.id": str(uuid.UUID(int=self.rng.getrandbits(128))),
            "ffe.decision.action": self.action, "ffe.decision.confidence": self.confidence,
            "ffe.decision.provider": "debate", "ffe.decision.market_regime": "trending",
            "ffe.decision.origin": "fallback" if self.kind == "failed" else "judge",
        }  # fmt: skip
        decision.update(duration_ns=at - decision["offset_ns"], attributes=attributes)
        decision["events"] = [{"name": "ffe.debate.finished", "offset_ns": longest, "attributes": {"roles": 2}}]
        if self.kind == "failed":
            decision.update(status="error", status_message="Debate mode: Critical debate providers failed")
            t.log(decision, at - 300_000, "ERROR", "decision_engine.ai_decision_manager",
                  "Debate mode: Critical debate providers failed: bear",
                  exception={"type": "RuntimeError", "message": "bear gave no case", "stacktrace": STACK})  # fmt: skip
            self.phases[-1]["errors"] = 3
        else:
            t.log(decision, at - 300_000, "INFO", "decision_engine.engine",
                  f"Decision for {self.asset}: {self.action} ({self.confidence}%)")  # fmt: skip
        if self.kind == "no_trade":
            t.log(phase, at, "INFO", "agent.trading_loop_agent",
                  f"Decision to {self.action} {self.asset} filtered: confidence {self.confidence} below 70 (LOW_CONFIDENCE).")  # fmt: skip
        self._close(phase, at + self._ms(0.2, 0.5))
        return at + self._ms(0.6, 1.1)

    def _fail_role(self, span: Json, start: int, length: int) -> None:
        call = self._chat(span, start + 400_000, length - 900_000, "claude-sonnet-4-5", "bear", 0.0)
        for gone in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "ffe.llm.cost_usd"):
            del call["attributes"][gone]
        call["attributes"].update({"ffe.llm.status": "failure", "error.type": "ResponseError"})
        call.update(status="error", status_message="model is loading, 503 (status code: 503)")
        call["events"] = [{"name": "exception", "offset_ns": start + length - 700_000, "attributes": {
            "exception.type": "ollama._types.ResponseError",
            "exception.message": "model is loading (status code: 503)", "exception.stacktrace": STACK}}]  # fmt: skip
        span.update(status="error", status_message="no usable case")
        self.trace.log(call, start + length - 600_000, "ERROR", "decision_engine.local_llm_provider",
                       "Local LLM error on attempt 2: model is loading, 503 (status code: 503)")  # fmt: skip

    def _check(self, root: Json, start: int) -> int:
        t = self.trace
        phase = self._phase(root, "risk_check", start, start)
        rejected = self.kind == "rejected"
        at = start + self._ms(0.3, 0.8)
        verdict = {"ffe.risk.verdict": "rejected" if rejected else "approved", "ffe.risk.layer": "gatekeeper",
                   "ffe.risk.action": "deny" if rejected else "allow", "ffe.asset_pair": self.asset}  # fmt: skip
        if rejected:
            verdict |= {"ffe.risk.reason": "Leverage limit exceeded: 5.20 > 3.00", "ffe.risk.reason_code": "LEVERAGE"}
        check = t.span(phase, "ffe.risk.check", at, at, attributes=verdict, critical=True)
        for rule in ("market_hours", "correlation", "var", "leverage_and_concentration"):
            length = self._ms(0.12, 4.5)
            bad = rejected and rule.startswith("leverage")
            t.span(check, "ffe.risk.rule", at + 50_000, at + length, critical=True, attributes={
                "ffe.risk.rule": rule, "ffe.risk.verdict": "rejected" if bad else "approved"})  # fmt: skip
            at += length + 30_000
        check["duration_ns"] = at - check["offset_ns"]
        if rejected:
            t.log(check, at - 60_000, "WARN", "risk.gatekeeper", "Leverage limit exceeded: 5.20 > 3.00")
            t.log(phase, at + 150_000, "INFO", "agent.trading_loop_agent",
                  f"Trade for {self.asset} is rejected: Leverage limit exceeded: 5.20 > 3.00.")  # fmt: skip
        self._close(phase, at + 400_000)
        return at + self._ms(0.6, 1.0)

    def _execute(self, root: Json, start: int) -> int:
        t = self.trace
        phase = self._phase(root, "execution", start, start)
        length = self._ms(60, 420)
        self.fill = self.rng.uniform(60_000, 64_000)
        trade = t.span(phase, "ffe.trade.execute", start + 300_000, start + length, critical=True, attributes={
            "ffe.trade.platform": "paper", "ffe.trade.action": self.action, "ffe.asset_pair": self.asset,
            "ffe.trade.success": True, "ffe.trade.order_id": f"ord-{self.number:06d}",
            "ffe.trade.order_status": "filled", "ffe.trade.fill_price": round(self.fill, 2),
            "ffe.trade.filled_size": 0.0125, "ffe.trade.fee": 0.4683, "ffe.trade.slippage": 0.00042})  # fmt: skip
        trade["events"] = [
            {"name": "order.accepted", "offset_ns": start + length // 3, "attributes": {"latency_ms": length / 3 / MS}},
            {"name": "order.filled", "offset_ns": start + length - 900_000, "attributes": {}},
        ]
        t.log(trade, start + length - 400_000, "INFO", "trading_platforms.base_platform",
              f"Trade executed on paper: {self.action} {self.asset} (latency: {length / SECOND:.2f}s)")  # fmt: skip
        self._close(phase, start + length + 500_000)
        return start + length + self._ms(0.7, 1.3)

    def _learn(self, root: Json, start: int) -> int:
        t = self.trace
        phase = self._phase(root, "learning", start, start)
        end = start + self._ms(4, 30)
        self.pnl = round(self.rng.gauss(4, 22), 2)
        t.span(phase, "ffe.trade.outcome", start + 400_000, end, critical=True, attributes={
            "ffe.trade.pnl_dollars": self.pnl, "ffe.trade.outcome": "win" if self.pnl > 0 else "loss",
            "ffe.asset_pair": self.asset, "ffe.trade.platform": "paper"},
            links=[{"trace_id": f"{self.rng.getrandbits(128):032x}", "span_id": "00f067aa0ba902b7",
                    "attributes": {"ffe.link": "the cycle that opened the position"}}])  # fmt: skip
        t.log(phase, end - 300_000, "INFO", "monitoring.trade_outcome_recorder",
              f"Recorded outcome for {self.asset}: {self.pnl:+.2f} USD")  # fmt: skip
        self._close(phase, end + 300_000)
        return end + self._ms(0.5, 0.9)

    def _summarise(self, root: Json, end: int) -> None:
        calls = [s["attributes"] for s in self.trace.spans if "gen_ai.request.model" in s["attributes"]]
        outcome, reason = {
            "executed": ("executed", None), "rejected": ("rejected", "RISK_REJECTED"),
            "no_trade": ("no_trade", "LOW_CONFIDENCE"), "failed": ("failed", "DEBATE_PROVIDERS_FAILED"),
        }[self.kind]  # fmt: skip
        errors = sum(s["status"] == "error" for s in self.trace.spans)
        root["attributes"] = {
            "ffe.agent.id": "agent-1", "ffe.cycle.number": self.number, "ffe.asset_pairs": self.assets,
            "ffe.cycle.outcome": outcome, "ffe.cycle.errors": errors,
            "ffe.correlation_id": str(uuid.UUID(self.trace.trace_id)),
        }  # fmt: skip
        if reason:
            root["attributes"]["ffe.cycle.reason"] = reason
        root["links"] = [{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7",
                          "attributes": {}}]  # fmt: skip
        if errors:
            root.update(status="error", status_message="a failure was swallowed by the engine")
        self.row = {
            "trace_id": self.trace.trace_id,
            "correlation_id": str(uuid.UUID(self.trace.trace_id)),
            "agent_id": "agent-1",
            "number": self.number,
            "asset_pairs": self.assets,
            "start_unix_nano": str(self.start),
            "duration_ns": end,
            "state": "ended",
            "outcome": outcome,
            "reason": reason,
            "action": self.action,
            "confidence": self.confidence,
            "verdict": {"executed": "approved", "rejected": "rejected"}.get(self.kind),
            "pnl_dollars": getattr(self, "pnl", None),
            "cost_usd": sum(c.get("ffe.llm.cost_usd", 0) for c in calls),
            "tokens": sum(c.get("ffe.llm.tokens", 0) for c in calls),
            "errors": errors,
            "phases": self.phases,
            "spans": len(self.trace.spans),
            "logs": len(self.trace.logs),
        }


KINDS = ("executed", "executed", "rejected", "no_trade", "executed", "failed", "no_trade", "executed")


def cycles(count: int, now: int | None = None, seed: int = 7) -> list[Cycle]:
    """``count`` cycles a minute apart, newest first; the sixth newest failed."""
    rng = random.Random(seed)
    newest = (now or time.time_ns()) - 20 * SECOND
    return [
        Cycle(1000 - i, newest - i * 60 * SECOND - rng.randrange(SECOND), KINDS[i % len(KINDS)],
              ASSETS[i % len(ASSETS)], rng)
        for i in range(count)
    ]  # fmt: skip


def running(start: int, trace_id: str, number: int = 1001) -> tuple[Json, Json]:
    """Row and trace of a cycle that is in its second phase."""
    trace = Trace(trace_id, start, random.Random(1))
    root = trace.span(None, "ffe.cycle", 0, 900 * MS, running=True)
    trace.span(root, "ffe.phase.perception", 1 * MS, 500 * MS, attributes={"ffe.phase": "perception"})
    trace.span(root, "ffe.phase.reasoning", 501 * MS, 900 * MS, running=True)
    trace.log(root, 2 * MS, "INFO", "agent.trading_loop_agent", f"Starting cycle {number}")
    row = {
        "trace_id": trace_id, "correlation_id": str(uuid.UUID(trace_id)), "agent_id": "agent-1",
        "number": number, "asset_pairs": ["BTCUSD"], "start_unix_nano": str(start), "duration_ns": None,
        "state": "running", "outcome": None, "reason": None, "action": None, "confidence": None,
        "verdict": None, "pnl_dollars": None, "cost_usd": None, "tokens": 0, "errors": 0, "spans": 3, "logs": 1,
        "phases": [{"name": "perception", "offset_ns": 1 * MS, "duration_ns": 499 * MS, "errors": 0}],
    }  # fmt: skip
    return row, {**trace.answer(row), "duration_ns": None}


def wide_trace(trace_id: str, spans: int, start: int) -> Json:
    """A trace of ``spans`` spans, for the windowed list."""
    trace = Trace(trace_id, start, random.Random(3))
    root = trace.span(None, "batch.import", 0, spans * MS, critical=True)
    group = root
    for i in range(1, spans):
        if i % 50 == 1:
            group = trace.span(root, f"batch.page {i // 50}", i * MS, min(i + 50, spans) * MS)
        else:
            trace.span(group, f"batch.row {i}", i * MS, i * MS + MS // 2 + i,
                       error="bad row" if i == spans - 2 else None)  # fmt: skip
    return trace.answer()
