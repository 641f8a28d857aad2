# SPDX-License-Identifier: Apache-2.0
"""One OODA cycle's work as the engine does it: 20 spans, 40 log lines, 60 metric recordings.

The work goes through what the engine calls, OpenTelemetry's API and ``logging``, so every
candidate runs the same lines. No text is the same twice.
"""

from __future__ import annotations

import logging
import random
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "finance_feedback_engine"
SPANS, LOGS, RECORDINGS = 20, 40, 60
LOGS_A_PHASE, RECORDINGS_A_PHASE = LOGS // 5, RECORDINGS // 5
WORDS = [
    "price", "volume", "trend", "support", "resistance", "momentum", "risk", "leverage", "candle",
    "order", "fill", "the", "of", "a", "is", "above", "below", "average", "range", "session",
    "EURUSD", "BTCUSD", "hold", "because", "while", "therefore",
]  # fmt: skip
LABELS = [
    {"service": "agent", "endpoint": endpoint, "status": status}
    for endpoint in ("pricing", "orders", "llm", "risk", "news")
    for status in ("ok", "error")
]


class NoSpan:
    """A span that is not there."""

    def set_attributes(self, attributes: Any) -> None:
        pass


NO_SPAN = nullcontext(NoSpan())


def nothing(*_args: Any) -> None:
    """Record nothing."""


@dataclass
class Surface:
    """What a candidate offers: OpenTelemetry's calls, and how to wait for everything sent."""

    span: Callable[[str], Any] = lambda _name: NO_SPAN
    counters: list[Callable[[float, dict[str, str]], None]] = field(
        default_factory=lambda: [nothing] * 6
    )
    histograms: list[Callable[[float, dict[str, str]], None]] = field(
        default_factory=lambda: [nothing] * 6
    )
    flush: Callable[[], Any] = lambda: None
    steps: Any = None
    """Our own API, for the row that uses it."""


class Engine:
    """Does one cycle's work after the other."""

    def __init__(self, surface: Surface, seed: int = 7) -> None:
        rng = random.Random(seed)
        self._pool = " ".join(
            f"{rng.choice(WORDS)} {rng.random():.5f}" if index % 9 == 0 else rng.choice(WORDS)
            for index in range(50_000)
        )
        self._surface = surface
        self._number = 0
        package = logging.getLogger(PACKAGE)
        package.setLevel(logging.INFO)
        package.propagate = False
        package.addHandler(logging.NullHandler())
        self._log = package.getChild("core")

    def cycle(self) -> None:
        """Do the work of one cycle."""
        if self._surface.steps is not None:
            self._by_steps(self._surface.steps)
        else:
            self._by_spans(self._surface.span)

    def _by_spans(self, span: Callable[[str], Any]) -> None:
        with span("ffe.cycle") as root:
            root.set_attributes({"cycle.number": self._number, "agent": "a1", "mode": "live"})
            with span("perception") as phase:
                self._phase(phase, "perception")
                for _ in range(6):
                    with span("GET") as call:
                        call.set_attributes(self._http())
            with span("reasoning") as phase:
                self._phase(phase, "reasoning")
                for _ in range(4):
                    with span("chat model-x") as call:
                        call.set_attributes(self._chat())
            with span("risk") as phase:
                self._phase(phase, "risk")
                for _ in range(3):
                    with span("risk.check") as check:
                        check.set_attributes(self._check())
            with span("execution") as phase:
                self._phase(phase, "execution")
                with span("trade.execute") as order:
                    order.set_attributes(self._order())
            with span("learning") as phase:
                self._phase(phase, "learning")

    def _by_steps(self, steps: Any) -> None:
        """The same work by the manual API, whose steps record metrics and events as well."""
        with steps.cycle(["EURUSD"], number=self._number) as cycle:
            cycle.set({"mode": "live"})
            with steps.phase("perception") as phase:
                self._phase(phase, "perception")
                for _ in range(6):
                    with steps.data_fetch("oanda", "pricing") as call:
                        call.set(self._http())
            with steps.phase("reasoning") as phase:
                self._phase(phase, "reasoning")
                for _ in range(4):
                    with steps.llm_call("ollama", "model-x") as call:
                        call.set(self._chat())
            with steps.phase("risk_check") as phase:
                self._phase(phase, "risk")
                with steps.risk_check("EURUSD") as check:
                    check.set(self._check())
                for rule in ("drawdown", "exposure"):
                    with steps.risk_rule(rule) as check:
                        check.set(self._check())
            with steps.phase("execution") as phase:
                self._phase(phase, "execution")
                with steps.trade("EURUSD", "BUY", "oanda") as order:
                    order.set(self._order())
            with steps.phase("learning") as phase:
                self._phase(phase, "learning")

    def _phase(self, span: Any, name: str) -> None:
        number = self._next()
        attributes = {"phase": name, "inputs": number, "outputs": 3, "ok": True}
        (span.set if self._surface.steps else span.set_attributes)(attributes)
        for index in range(LOGS_A_PHASE):
            number = self._next()
            self._log.info(
                "order %s: %s",
                f"ord-{number:08x}",
                self._text(90),
                extra={
                    "symbol": "EURUSD",
                    "price": 1.08 + index / 1000,
                    "qty": number,
                    "order_id": f"ord-{number:08x}",
                    "latency": 41.2,
                },
            )
        counters, histograms = self._surface.counters, self._surface.histograms
        for index in range(0, RECORDINGS_A_PHASE, 2):
            counters[index % 6](1, LABELS[index % 10])
            histograms[index % 6](12.5 + index, LABELS[(index + number) % 10])

    def _http(self) -> dict[str, Any]:
        number = self._next()
        return {
            "http.request.method": "GET",
            "url.full": f"https://api.example.com/v3/pricing?instruments=EURUSD&since={number}",
            "http.response.status_code": 200,
            "server.address": "api.example.com",
            "server.port": 443,
            "http.response.body.size": 4000 + number,
            "network.protocol.version": "1.1",
            "rows": 240,
        }

    def _chat(self) -> dict[str, Any]:
        number = self._next()
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "local",
            "gen_ai.request.model": "model-x",
            "gen_ai.response.model": "model-x-1",
            "gen_ai.usage.input_tokens": 1412 + number,
            "gen_ai.usage.output_tokens": 311,
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 2048,
            "gen_ai.response.id": f"msg_{number:016x}",
            "cost_usd": number / 1e6,
            "prompt": self._text(2000),
            "completion": self._text(2000),
        }

    def _check(self) -> dict[str, Any]:
        return {
            "risk.rule": "max_drawdown",
            "risk.value": self._next() / 1e7,
            "risk.limit": 0.05,
            "risk.passed": True,
            "risk.account": "main",
            "risk.reason": self._text(60),
        }

    def _order(self) -> dict[str, Any]:
        number = self._next()
        return {
            "order.id": f"ord-{number:08x}",
            "order.side": "buy",
            "order.quantity": 1000,
            "order.type": "market",
            "order.price": 1.08342,
            "order.filled": True,
            "order.latency": 41.2,
            "order.venue": "oanda",
        }

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _text(self, length: int) -> str:
        start = (self._next() * 7919) % (len(self._pool) - length)
        return self._pool[start : start + length]
