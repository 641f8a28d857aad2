# SPDX-License-Identifier: Apache-2.0
"""Cycles as the HTTP API answers them: believable, and the same in every run.

Spans are told here; depth, self time, critical path and the row of the list are worked
out by the code that works them out for the real API.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ffe_otel import semconv as s
from ffe_otel.correlation import correlation_id
from ffe_otel.observe.cycles import STATUS_ERROR, SpanFacts, Started, TraceTotals, summarise
from ffe_otel.observe.trace_view import Span, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

MS = 1_000_000
SECOND = 1_000 * MS
SEVERITY = {"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}
ASSETS = (["BTCUSD"], ["ETHUSD"], ["BTCUSD", "ETHUSD"], ["EURUSD"])
KINDS = ("executed", "rejected", "no_trade", "executed", "executed", "failed", "no_trade")
REASONS = {
    "executed": None,
    "rejected": "RISK_REJECTED",
    "no_trade": "LOW_CONFIDENCE",
    "failed": "DEBATE_PROVIDERS_FAILED",
}
LEVERAGE = "Leverage limit exceeded: 5.20 > 3.00"
LOADING = "model is loading, 503 (status code: 503)"
STACK = f"""Traceback (most recent call last):
  File "/app/finance_feedback_engine/decision_engine/local_llm_provider.py", line 943, in query
    response = self._client.generate(model=model, prompt=prompt, options=options)
  File "/app/.venv/lib/python3.13/site-packages/ollama/_client.py", line 181, in _request_raw
    raise ResponseError(e.response.text, e.response.status_code) from None
ollama._types.ResponseError: {LOADING}"""


class Open:
    """A span that is being told."""

    def __init__(self, span_id: int, attributes: Json) -> None:
        self.span_id = span_id
        self.attributes = attributes
        self.error = ""
        self.events: list[Json] = []
        self.links: list[Json] = []


class Teller:
    """Tells one trace: a clock in ns, spans that last while their ``with`` block runs."""

    def __init__(self, rng: random.Random, trace_id: str, start: int) -> None:
        self.rng, self.trace_id, self.start = rng, trace_id, start
        self.now = start
        self.spans: list[Span] = []
        self.logs: list[Json] = []
        self.stack: list[int] = []
        self.ids = 0

    def wait(self, low: float, high: float) -> None:
        """Let between ``low`` and ``high`` milliseconds pass."""
        self.now += int(self.rng.uniform(low, high) * MS)

    @contextmanager
    def span(
        self, name: str, attributes: Json | None = None, kind: int = 1, scope: str = s.SCOPE
    ) -> Iterator[Open]:
        """A span around the block; OTLP's span kinds: 1 internal, 3 client."""
        self.ids += 1
        told = Open((self.ids << 48) | int(self.trace_id[:12], 16), dict(attributes or {}))
        parent, began = self.stack[-1] if self.stack else None, self.now
        self.stack.append(told.span_id)
        yield told
        self.stack.pop()
        self.spans.append(
            Span(
                told.span_id, parent, name, kind, s.DEFAULT_SERVICE_NAME, scope, began,
                self.now - began, STATUS_ERROR if told.error else 0, told.error,
                told.attributes, told.events, told.links,
            )
        )  # fmt: skip
        self.wait(0.1, 0.6)

    def event(self, told: Open, name: str, **attributes: Any) -> None:
        """A span event now."""
        told.events.append({"name": name, "ns": self.now, "attributes": attributes})

    def log(self, severity: str, logger: str, body: str, exception: Json | None = None) -> None:
        """A log line under the innermost open span."""
        self.logs.append(
            {
                "unix_nano": str(self.now),
                "offset_ns": self.now - self.start,
                "severity": severity,
                "severity_number": SEVERITY[severity],
                "logger": f"finance_feedback_engine.{logger}",
                "body": body,
                "attributes": {"module": logger.rpartition(".")[2], "thread": "MainThread"},
                "trace_id": self.trace_id,
                "span_id": f"{self.stack[-1]:016x}",
                "event_name": None,
                "exception": exception,
            }
        )
        self.now += 20_000

    def answer(self, cycle: Json | None = None, **how: Any) -> Json:
        """What ``/api/v1/traces/<id>`` says; ``how`` goes to ``trace_view.rows``."""
        return {
            "trace_id": self.trace_id,
            "correlation_id": correlation_id(int(self.trace_id, 16)),
            "cycle": cycle,
            "start_unix_nano": str(self.start),
            "duration_ns": self.now - self.start,
            "spans": rows(self.spans, **how),
            "logs": self.logs,
        }

    def row(self, started: Started | None = None) -> Json:
        """The cycle's row in the list."""
        facts = [
            SpanFacts(
                p.span_id, p.parent_id, p.name, p.start_ns, p.duration_ns,
                p.status == STATUS_ERROR, p.attributes,
            )
            for p in self.spans
        ]  # fmt: skip
        totals = TraceTotals(self.start, self.now, len(self.spans), len(self.logs))
        return summarise(self.trace_id, totals, facts, started)


class Cycle(Teller):
    """A debate-mode cycle of one of ``KINDS``."""

    def __init__(self, rng: random.Random, start: int, number: int, kind: str, assets: list[str]):
        super().__init__(rng, f"{rng.getrandbits(128) | 1 << 127:032x}", start)
        self.number, self.kind, self.assets, self.asset = number, kind, assets, assets[0]
        holds = kind in {"no_trade", "failed"}
        self.action = "HOLD" if holds else rng.choice(("BUY", "SELL"))
        self.confidence = rng.randint(45, 68) if kind == "no_trade" else rng.randint(58, 91)
        self._tell()
        self.list_row = self.row()

    def _tell(self) -> None:
        said = {s.AGENT_ID: "agent-1", s.CYCLE_NUMBER: self.number, s.ASSET_PAIRS: self.assets}
        with self.span(s.SPAN_CYCLE, said) as root:
            root.links.append({"trace_id": "4bf92f" * 5 + "00", "span_id": "00f067aa0ba902b7",
                               "attributes": {}})  # fmt: skip
            self.log("INFO", "agent.trading_loop_agent", f"Starting cycle {self.number}")
            self._perceive()
            self._reason()
            if self.kind in {"executed", "rejected"}:
                self._check()
            if self.kind == "executed":
                self._execute()
                self._learn()
            self.log("INFO", "agent.trading_loop_agent", f"Cycle {self.number} ended: {self.kind}")
            root.attributes[s.CYCLE_OUTCOME] = self.kind
            if REASONS[self.kind]:
                root.attributes[s.CYCLE_REASON] = REASONS[self.kind]
            if self.kind == "failed":
                root.error = "REASONING: Debate mode: Critical debate providers failed"

    def _phase(self, name: str) -> Any:
        return self.span(f"{s.SPAN_PHASE_PREFIX}{name}", {s.PHASE: name})

    def _perceive(self) -> None:
        with self._phase("perception"):
            for service, endpoint, low, high in (
                ("coinbase", "candles", 60, 320),
                ("alpha_vantage", "NEWS_SENTIMENT", 180, 900),
                ("alpha_vantage", "DIGITAL_CURRENCY_DAILY", 120, 600),
            ):
                said = {s.DATA_SERVICE: service, s.DATA_ENDPOINT: endpoint, s.DATA_STALE: False}
                with self.span(s.SPAN_DATA_FETCH, {**said, s.ASSET_PAIR: self.asset}):
                    address = f"api.{service.replace('_', '')}.com"
                    wire = {
                        s.HTTP_METHOD: "GET",
                        s.HTTP_STATUS: 200,
                        s.SERVER_ADDRESS: address,
                        "url.full": f"https://{address}/query?apikey=[redacted:query-key]",
                    }
                    with self.span("GET", wire, kind=3):
                        self.wait(low, high)
                    self.log(
                        "DEBUG", f"data_providers.{service}", f"{endpoint}: 300 rows, 41.5 s old"
                    )
            if self.kind == "rejected":
                line = "Correlation warning: BTCUSD/ETHUSD 0.83 over 30 days"
                self.log("WARN", "monitoring.context_provider", line)

    def _reason(self) -> None:
        with self._phase("reasoning"), self.span(s.SPAN_DECISION) as decision:
            line = f"Calling DecisionEngine for {self.asset} (90s timeout)..."
            self.log("INFO", "decision_engine.engine", line)
            self._chat("deepseek-r1:8b", "pre_reason", 240, 700)
            began = self.now
            self._role("bull", "llama3.1:8b")
            ended, self.now = self.now, began
            self._role("bear", "claude-sonnet-4-5")
            self.now = max(self.now, ended)
            self.event(decision, "debate.finished", roles=2)
            decision.attributes |= {
                s.ASSET_PAIR: self.asset,
                s.DECISION_ID: f"dec-{self.number}",
                s.DECISION_ACTION: self.action,
                s.DECISION_CONFIDENCE: self.confidence,
                s.DECISION_MARKET_REGIME: "trending",
                s.DECISION_ORIGIN: "fallback" if self.kind == "failed" else "judge",
            }
            if self.kind == "failed":
                decision.error = "Debate mode: Critical debate providers failed"
                known = {"type": "RuntimeError", "message": "no case", "stacktrace": STACK}
                self.log("ERROR", "decision_engine.ai_decision_manager", decision.error, known)
                return
            self._chat("gemma2:9b", "judge", 500, 1600)
            with self.span(s.SPAN_ENSEMBLE, {s.ENSEMBLE_AGREEMENT: 0.67}):
                self.wait(0.3, 0.6)
            line = f"Decision for {self.asset}: {self.action} ({self.confidence}%)"
            self.log("INFO", "decision_engine.engine", line)

    def _role(self, role: str, model: str) -> None:
        with self.span(s.SPAN_DEBATE_ROLE, {s.DEBATE_ROLE: role}) as told:
            failed = self.kind == "failed" and role == "bear"
            self._chat(model, role, 700, 2400, failed=failed)
            if failed:
                told.error = "no usable case"
            self.log(
                "INFO", "decision_engine.ai_decision_manager", f"Debate mode: {role} case ready"
            )

    def _chat(
        self, model: str, phase: str, low: float, high: float, *, failed: bool = False
    ) -> None:
        local = ":" in model
        said: Json = {
            s.GEN_AI_OPERATION: "chat",
            s.GEN_AI_PROVIDER: "ollama" if local else "anthropic",
            s.GEN_AI_REQUEST_MODEL: model,
            s.LLM_PHASE: phase,
            s.LLM_STATUS: "failure" if failed else "success",
        }
        if not failed:
            said[s.GEN_AI_INPUT_TOKENS] = self.rng.randint(900, 2600)
            said[s.GEN_AI_OUTPUT_TOKENS] = self.rng.randint(120, 520)
            said[s.LLM_COST_USD] = 0.0 if local else round(self.rng.uniform(0.006, 0.014), 4)
        with self.span(f"chat {model}", said, kind=3) as call:
            self.wait(low, high)
            if failed:
                call.error = LOADING
                call.attributes[s.ERROR_TYPE] = "ResponseError"
                known = {"type": "ResponseError", "message": LOADING, "stacktrace": STACK}
                self.event(call, "exception", **{f"exception.{k}": v for k, v in known.items()})
                line = f"Local LLM error on attempt 2: {LOADING}"
                self.log("ERROR", "decision_engine.local_llm_provider", line)

    def _check(self) -> None:
        rejected = self.kind == "rejected"
        said = {s.RISK_VERDICT: "rejected" if rejected else "approved", s.RISK_LAYER: "gatekeeper"}
        if rejected:
            said |= {s.RISK_REASON: LEVERAGE, s.RISK_REASON_CODE: "LEVERAGE"}
        with self._phase("risk_check"):
            with self.span(s.SPAN_RISK_CHECK, said):
                for rule in ("market_hours", "correlation", "var", "leverage_and_concentration"):
                    bad = rejected and rule.startswith("leverage")
                    verdict = "rejected" if bad else "approved"
                    with self.span(s.SPAN_RISK_RULE, {s.RISK_RULE: rule, s.RISK_VERDICT: verdict}):
                        self.wait(0.1, 4.5)
                if rejected:
                    self.log("WARN", "risk.gatekeeper", LEVERAGE)
            if rejected:
                line = f"Trade for {self.asset} is rejected: {LEVERAGE}."
                self.log("INFO", "agent.trading_loop_agent", line)

    def _execute(self) -> None:
        said = {
            s.TRADE_PLATFORM: "paper",
            s.TRADE_ACTION: self.action,
            s.ASSET_PAIR: self.asset,
            s.TRADE_ORDER_ID: f"ord-{self.number:06d}",
            s.TRADE_ORDER_STATUS: "filled",
            s.TRADE_FILL_PRICE: round(self.rng.uniform(60_000, 64_000), 2),
            s.TRADE_FILLED_SIZE: 0.0125,
            s.TRADE_FEE: 0.4683,
            s.TRADE_SLIPPAGE: 0.00042,
        }
        with self._phase("execution"), self.span(s.SPAN_TRADE_EXECUTE, said) as trade:
            self.wait(20, 140)
            self.event(trade, "order.accepted")
            self.wait(40, 280)
            self.event(trade, "order.filled", price=said[s.TRADE_FILL_PRICE])
            line = f"Trade executed on paper: {self.action} {self.asset} (latency: 0.21s)"
            self.log("INFO", "trading_platforms.base_platform", line)

    def _learn(self) -> None:
        pnl = round(self.rng.gauss(4, 22), 2)
        said = {s.TRADE_PNL_DOLLARS: pnl, s.TRADE_OUTCOME: "win" if pnl > 0 else "loss"}
        with self._phase("learning"), self.span(s.SPAN_TRADE_OUTCOME, said):
            self.wait(4, 30)
            line = f"Recorded outcome for {self.asset}: {pnl:+.2f} USD"
            self.log("INFO", "monitoring.trade_outcome_recorder", line)


def cycles(count: int, now: int | None = None, seed: int = 11) -> list[Cycle]:
    """``count`` cycles a minute apart, newest first; the sixth newest failed."""
    rng = random.Random(seed)
    newest = (now or time.time_ns()) - 20 * SECOND
    return [
        Cycle(
            rng, newest - i * 60 * SECOND - rng.randrange(SECOND), 1000 - i,
            KINDS[i % len(KINDS)], ASSETS[i % len(ASSETS)],
        )
        for i in range(count)
    ]  # fmt: skip


def running(start: int, trace_id: str, number: int = 1001) -> tuple[Json, Json]:
    """Row and trace of a cycle that is in its second phase."""
    said = {s.AGENT_ID: "agent-1", s.CYCLE_NUMBER: number, s.ASSET_PAIRS: ["BTCUSD"]}
    told = Teller(random.Random(1), trace_id, start)
    root = Span(77, None, s.SPAN_CYCLE, 1, s.DEFAULT_SERVICE_NAME, s.SCOPE, start, 0, 0, "", said,
                [], [])  # fmt: skip
    told.stack.append(root.span_id)
    told.log("INFO", "agent.trading_loop_agent", f"Starting cycle {number}")
    with told.span(f"{s.SPAN_PHASE_PREFIX}perception", {s.PHASE: "perception"}):
        told.wait(500, 500)
    row = told.row(Started(start, said))
    return row, told.answer(row, started=root, running=True, last_ns=told.now)


def wide_trace(trace_id: str, spans: int, start: int) -> Json:
    """A trace of ``spans`` spans in groups of fifty; the last but one failed."""
    told = Teller(random.Random(3), trace_id, start)
    with told.span("batch.import"):
        for page in range((spans - 1 + 49) // 50):
            with told.span(f"batch.page {page}"):
                for i in range(page * 50 + 2, min(page * 50 + 51, spans)):
                    with told.span(f"batch.row {i}") as row:
                        told.wait(0.4, 0.6)
                        row.error = "bad row" if i == spans - 2 else ""
    return told.answer()
