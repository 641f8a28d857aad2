# SPDX-License-Identifier: Apache-2.0
"""Loopback stand-ins for what the real engine asks: Coinbase, Alpha Vantage, Ollama."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

MODELS = ("deepseek-r1:8b", "gemma2:9b", "llama3.1:8b")
SECONDS = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "SIX_HOUR": 21600,
    "ONE_DAY": 86400,
}
POSITION = re.compile(
    r"(?:currently have a|Position State:|Status:.*?)\s*\b(FLAT|LONG|SHORT)\b", re.IGNORECASE
)
ANALYST = "You are a market analyst"
ACTIONS = {
    "BULLISH": {"flat": "OPEN_SMALL_LONG", "long": "HOLD", "short": "CLOSE_SHORT"},
    "BEARISH": {"flat": "OPEN_SMALL_SHORT", "long": "REDUCE_LONG", "short": "HOLD"},
    "": {"flat": "OPEN_SMALL_LONG", "long": "ADD_SMALL_LONG", "short": "CLOSE_SHORT"},
}
BRIEF = {
    "regime": "trending_up",
    "regime_confidence": 82,
    "key_support": 49000.0,
    "key_resistance": 52000.0,
    "momentum": "bullish",
    "momentum_detail": "higher highs",
    "volatility_percentile": 40,
    "volume_context": "normal",
    "actionable": True,
    "skip_reason": None,
    "key_question": "does support hold?",
    "reasoning": "A brief of a market that rises, long enough to be taken seriously.",
}


class Services:
    """The services, and what goes wrong with them.

    Every third decision to hold a long position closes it, so that trades are closed.
    """

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self._decisions = 0
        services = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(*services.get(urlparse(self.path)))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                self._answer(*services.post(self.path, body))

            def _answer(self, code: int, reply: Any) -> None:
                data = json.dumps(reply).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def get(self, url: Any) -> tuple[int, Any]:
        if url.path == "/api/tags":
            return 200, {"models": [{"name": name, "model": name} for name in MODELS]}
        if url.path.endswith("/candles"):
            if self.fault == "coinbase_502":
                return 502, {"error": "bad gateway"}
            return 200, {"candles": candles(url)}
        if url.path == "/query":
            return 200, {"feed": [{"overall_sentiment_score": 0.2, "topics": []}]}
        return 200, {"products": [], "price": "50000"}

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path != "/api/generate":
            return 200, {"status": "success"}
        if self.fault == "ollama_503":
            return 503, {"error": "model is loading"}
        prompt = body["prompt"]
        text = json.dumps(BRIEF if ANALYST in prompt else self.decide(prompt))
        return 200, {
            "model": body["model"],
            "created_at": "2026-01-01T00:00:00Z",
            "response": text,
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": len(prompt) // 4,
            "eval_count": len(text) // 4,
        }

    def decide(self, prompt: str) -> dict[str, Any]:
        found = POSITION.search(prompt)
        position = found.group(1).lower() if found else "flat"
        role = next((r for r in ("BULLISH", "BEARISH") if f"DEBATE ROLE: {r}" in prompt), "")
        action = ACTIONS[role][position]
        if not role:
            self._decisions += 1
            if position == "long" and self._decisions % 3 == 0:
                action = "CLOSE_LONG"
        others = ["HOLD"] if action != "HOLD" else ["OPEN_SMALL_LONG"]
        return {
            "action": action,
            "policy_action": action,
            "candidate_actions": [action, *others],
            "confidence": 93,
            "reasoning": f"made up for a position that is {position}",
            "amount": 0.1,
        }


def candles(url: Any) -> list[dict[str, str]]:
    """300 candles of a price that rises a little and swings a little."""
    step = SECONDS[parse_qs(url.query).get("granularity", ["ONE_HOUR"])[0]]
    base = 50000.0 if "BTC" in url.path else 3000.0
    end = int(time.time())
    made = []
    for i in range(300):
        price = base * (1 + 1e-6 * i + 5e-4 * math.sin(i / 7))
        made.append(
            {
                "start": str(end - (299 - i) * step),
                "low": str(price * 0.9998),
                "high": str(price * 1.0002),
                "open": str(price * 0.99995),
                "close": str(price),
                "volume": "12.5",
            }
        )
    return made
