# SPDX-License-Identifier: Apache-2.0
"""A language model server that speaks Ollama's protocol and needs no model."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import rules

if TYPE_CHECKING:
    from .http import Reply

MODELS = ("deepseek-r1:8b", "gemma2:9b", "llama3.1:8b")
FAILING_MODEL = "llama3.1:8b"
SLOW_FACTOR = 20
_CHARACTERS_PER_TOKEN = 4


class OllamaService:
    """Answers ``/api/tags`` and ``/api/generate`` by the rule in ``rules``.

    Args:
        seed: What the models' own minds depend on.
        faults: Names of the faults that are on.
        latency: Seconds that a short answer takes; longer prompts take a little longer.
    """

    def __init__(
        self, seed: int, faults: frozenset[str] = frozenset(), latency: float = 0.03
    ) -> None:
        self._seed = seed
        self._faults = faults
        self._latency = latency * (SLOW_FACTOR if "slow_provider" in faults else 1)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        """Return the list of models or a generated text; see ``Service``."""
        del query
        if path == "/api/tags" and method == "GET":
            return 200, {"models": [_described(name) for name in MODELS]}
        if path == "/api/generate" and method == "POST" and isinstance(body, dict):
            return self._generate(str(body.get("model", "")), str(body.get("prompt", "")))
        return 404, {"error": f"there is nothing at {path}"}

    def _generate(self, model: str, prompt: str) -> Reply:
        if model not in MODELS:
            return 404, {"error": f"model '{model}' not found"}
        began = time.perf_counter_ns()
        time.sleep(self._latency * (1 + len(prompt) / 8000 + 0.5 * MODELS.index(model)))
        if "failing_provider" in self._faults and model == FAILING_MODEL:
            return 500, {"error": "llama runner process has terminated"}
        text = rules.reply(prompt, model, self._seed)
        if "bad_llm_json" in self._faults:
            text = "I would say the trend is my friend, but please ask me again tomorrow"
        spent = time.perf_counter_ns() - began
        return 200, {
            "model": model,
            "created_at": datetime.now(UTC).isoformat(),
            "response": text,
            "done": True,
            "done_reason": "stop",
            "total_duration": spent,
            "load_duration": spent // 20,
            "prompt_eval_count": max(1, len(prompt) // _CHARACTERS_PER_TOKEN),
            "prompt_eval_duration": spent // 4,
            "eval_count": max(1, len(text) // _CHARACTERS_PER_TOKEN),
            "eval_duration": spent // 2,
        }


def _described(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-01-01T00:00:00Z",
        "size": 1,
        "digest": "0" * 64,
        "details": {"family": name.split(":", maxsplit=1)[0]},
    }
