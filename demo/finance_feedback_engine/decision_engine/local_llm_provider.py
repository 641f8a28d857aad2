# SPDX-License-Identifier: Apache-2.0
"""Language models behind an Ollama server."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import ollama

from .policy import ACTIONS, HOLD

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_LLM_ERRORS = (ollama.ResponseError, ConnectionError, TimeoutError, httpx.HTTPError)


def fallback_decision(reasoning: str, reason_code: str) -> dict[str, Any]:
    """Return the decision to hold that stands in for an answer that could not be had."""
    return {
        "action": HOLD,
        "policy_action": HOLD,
        "candidate_actions": [HOLD],
        "confidence": 50,
        "reasoning": reasoning,
        "amount": 0.0,
        "decision_origin": "fallback",
        "filtered_reason_code": reason_code,
    }


def parse_decision(text: str) -> dict[str, Any] | None:
    """Return the decision in a model's answer, or None when there is no usable one."""
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    if not isinstance(answer, dict) or answer.get("action") not in ACTIONS:
        return None
    try:
        confidence = max(0, min(100, int(answer.get("confidence", 50))))
        amount = float(answer.get("amount") or 0.1)
    except (TypeError, ValueError):
        return None
    action = str(answer["action"])
    return {
        "action": action,
        "policy_action": action,
        "candidate_actions": answer.get("candidate_actions") or [action],
        "confidence": confidence,
        "reasoning": str(answer.get("reasoning", "")),
        "amount": amount,
    }


class LocalLLMProvider:
    """Asks models one prompt at a time.

    Args:
        config: ``decision_engine`` with ``ollama_host``, ``model_name``, ``max_retries`` (tries in
            all) and ``retry_delay`` (seconds); ``api_timeouts.llm_query`` (seconds); ``stats``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        settings = config.get("decision_engine", {})
        self.config = config
        self.model_name = str(settings.get("model_name", "llama3.1:8b"))
        self._tries = int(settings.get("max_retries", 2))
        self._retry_delay = float(settings.get("retry_delay", 0.1))
        self._timeout = float(config.get("api_timeouts", {}).get("llm_query", 30))
        self._stats = config.get("stats")
        self._host = settings.get("ollama_host")
        self.ollama_client = ollama.Client(host=self._host, timeout=self._timeout + 5)
        self._models: frozenset[str] = frozenset()

    def ensure_connection(self) -> None:
        """Ask the server for its models.

        Raises:
            ConnectionError: The server does not answer.
        """
        try:
            listed = self.ollama_client.list().models
        except _LLM_ERRORS as error:
            raise ConnectionError(f"Failed to connect to Ollama at {self._host}") from error
        self._models = frozenset(str(item.model) for item in listed)

    def check_connection_health(self) -> bool:
        """Tell whether the server answers."""
        try:
            self.ensure_connection()
        except ConnectionError:
            return False
        return True

    def _is_model_available(self, model_name: str) -> bool:
        return model_name in self._models

    def raw_query(
        self,
        prompt: str,
        model_name: str | None = None,
        system_prompt: str | None = None,
        response_format: str | None = "json",
        request_timeout_s: float | None = None,
    ) -> str:
        """Return a model's answer as it came.

        Raises:
            ConnectionError: The server does not answer.
            ollama.ResponseError: The server refused.
            TimeoutError: The answer took too long.
        """
        self.ensure_connection()
        text = f"{system_prompt}\n\n{prompt}" if system_prompt else prompt
        model = self._choose(model_name)
        return self._generate(model, text, response_format, request_timeout_s)

    def query(
        self,
        prompt: str,
        model_name: str | None = None,
        request_label: str | None = None,
        request_timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Return a model's decision; one to hold, marked as fallback, when there is none."""
        label = request_label or "none"
        fallback = fallback_decision("no answer", "LLM_ERROR")
        for attempt in range(1, self._tries + 1):
            if attempt > 1:
                time.sleep(self._retry_delay * (attempt - 1))
            began = time.perf_counter()
            try:
                self.ensure_connection()
                model = self._choose(model_name)
                logger.info("Querying local LLM: %s (attempt %d/%d)", model, attempt, self._tries)
                text = self._generate(model, prompt, "json", request_timeout_s)
            except TimeoutError:
                logger.error("Local LLM query timed out on attempt %d", attempt)  # noqa: TRY400
                fallback = fallback_decision("Local LLM timed out.", "LLM_TIMEOUT")
                continue
            except _LLM_ERRORS as error:
                logger.error("Local LLM error on attempt %d: %s", attempt, error)  # noqa: TRY400
                fallback = fallback_decision(f"Local LLM error: {error}", "LLM_ERROR")
                continue
            decision = parse_decision(text)
            if decision is None:
                logger.warning("LLM response is not a decision on attempt %d: %r", attempt, text)
                fallback = fallback_decision("Malformed answer.", "MALFORMED_PROVIDER_RESPONSE")
                continue
            logger.info(
                "Local LLM decision: %s (%d%%) | request_label=%s model=%s generate_s=%.3f",
                decision["action"],
                decision["confidence"],
                label,
                model,
                time.perf_counter() - began,
            )
            return decision
        return fallback

    def _choose(self, asked: str | None) -> str:
        """Return the asked model, or one that the server has."""
        model = asked or self.model_name
        if self._is_model_available(model) or not self._models:
            return model
        other = self.model_name if self.model_name in self._models else min(self._models)
        logger.warning("Model %s is not on the server, using %s", model, other)
        return other

    def _generate(
        self, model: str, prompt: str, response_format: str | None, timeout_s: float | None
    ) -> str:
        if self._stats is not None:
            self._stats.count("llm_calls")
        with ThreadPoolExecutor(max_workers=1) as executor:
            ask: Callable[..., Any] = self.ollama_client.generate
            future = executor.submit(
                ask,
                model=model,
                prompt=prompt,
                format=response_format,
                options={"temperature": 0.2},
            )
            response = future.result(timeout=timeout_s or self._timeout)
        return str(response["response"]).strip()
