# SPDX-License-Identifier: Apache-2.0
"""Sends a prompt to the configured kind of provider: one model, several, a debate, a command."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from finance_feedback_engine.monitoring import prometheus
from finance_feedback_engine.observability import instruments

from .cli_provider import query_cli
from .ensemble_manager import EnsembleDecisionManager
from .local_llm_provider import LocalLLMProvider
from .policy import HOLD
from .prompts import role_suffix

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

Decision = dict[str, Any]
_ATTEMPTS = 2


class AIDecisionManager:
    """Owns the providers.

    Args:
        config: ``decision_engine.ai_provider`` (local, ensemble, cli or mock), ``ensemble``,
            ``cli_arguments``, ``stats``, and what ``LocalLLMProvider`` needs.
        backtest_mode: Recorded for others to read; nothing differs here.
    """

    def __init__(self, config: dict[str, Any], backtest_mode: bool = False) -> None:
        self.config = config
        self.backtest_mode = backtest_mode
        self.ai_provider = str(config.get("decision_engine", {}).get("ai_provider", "local"))
        self.ensemble_manager = EnsembleDecisionManager(config)
        self.ensemble_timeout = float(config.get("api_timeouts", {}).get("ensemble", 120))
        self._local = LocalLLMProvider(config)
        self._stats = config.get("stats")

    async def query_ai(
        self,
        prompt: str,
        asset_pair: str | None = None,
        market_data: dict[str, Any] | None = None,
        provider_override: str | None = None,
        market_regime: str | None = None,
    ) -> Decision:
        """Return a decision of the configured provider, or of the one that overrides it.

        Raises:
            RuntimeError: Providers failed and no fallback decision makes sense.
        """
        provider = provider_override or self.ai_provider
        logger.info("Querying AI provider: %s", provider)
        if provider == "ensemble":
            return await self._ensemble_ai_inference(prompt, asset_pair, market_data, market_regime)
        single: dict[str, Callable[[str], Any]] = {
            "local": self._local_ai_inference,
            "cli": self._cli_ai_inference,
            "codex": self._codex_ai_inference,
            "gemini": self._gemini_ai_inference,
            "mock": self._mock_ai_inference,
        }
        if provider not in single:
            raise ValueError(f"unknown AI provider {provider!r}; there are: {', '.join(single)}")
        decision: Decision = await single[provider](prompt)
        return decision

    async def _query_single_provider(
        self,
        provider_name: str,
        prompt: str,
        request_label: str | None = None,
        request_timeout_s: float | None = None,
    ) -> Decision:
        return await self._local_ai_inference(
            prompt, provider_name, request_label, request_timeout_s
        )

    async def _query_single_provider_raw(
        self,
        provider_name: str,
        prompt: str,
        system_prompt: str | None = None,
        response_format: str | None = "json",
    ) -> str:
        return await self._local_ai_raw_inference(
            prompt, provider_name, system_prompt, response_format
        )

    async def _local_ai_inference(
        self,
        prompt: str,
        model_name: str | None = None,
        request_label: str | None = None,
        request_timeout_s: float | None = None,
    ) -> Decision:
        began = time.perf_counter()
        decision = await asyncio.to_thread(
            self._local.query, prompt, model_name, request_label, request_timeout_s
        )
        status = "failure" if decision.get("decision_origin") == "fallback" else "success"
        instruments.provider_query.record(
            time.perf_counter() - began,
            {"provider": model_name or self._local.model_name, "status": status},
        )
        return {**decision, "model_name": model_name or self._local.model_name}

    async def _local_ai_raw_inference(
        self,
        prompt: str,
        model_name: str | None = None,
        system_prompt: str | None = None,
        response_format: str | None = "json",
    ) -> str:
        return await asyncio.to_thread(
            self._local.raw_query, prompt, model_name, system_prompt, response_format
        )

    async def _ensemble_ai_inference(
        self,
        prompt: str,
        asset_pair: str | None = None,
        market_data: dict[str, Any] | None = None,
        market_regime: str | None = None,
    ) -> Decision:
        del asset_pair, market_data
        if self.ensemble_manager.debate_mode:
            return await self._debate_mode_inference(prompt, market_regime)
        return await self._simple_parallel_ensemble(prompt)

    async def _simple_parallel_ensemble(self, prompt: str) -> Decision:
        names = self.ensemble_manager.enabled_providers
        logger.info("Using simple parallel ensemble with %d providers", len(names))
        tasks = [asyncio.create_task(self._query_single_provider(name, prompt)) for name in names]
        async with asyncio.timeout(self.ensemble_timeout):
            answers = await asyncio.gather(*tasks)
        good: dict[str, Decision] = {}
        failed: list[str] = []
        for name, answer in zip(names, answers, strict=True):
            valid = self.ensemble_manager._is_valid_provider_response(answer, name)  # noqa: SLF001
            prometheus.increment_provider_request(name, "success" if valid else "failure")
            if valid:
                good[name] = answer
            else:
                failed.append(name)
        if not good:
            logger.error("All providers failed in parallel ensemble")
            raise RuntimeError(f"all {len(names)} ensemble providers failed: {', '.join(failed)}")
        return await self.ensemble_manager.aggregate_decisions(good, failed)

    async def _debate_mode_inference(
        self, prompt: str, market_regime: str | None = None
    ) -> Decision:
        seats = self.ensemble_manager.debate_providers
        logger.info("Using debate mode ensemble")
        began = time.perf_counter()
        bull, bear = await asyncio.gather(
            *(
                self._query_debate_role(
                    role,
                    seats[role],
                    role_suffix(role),
                    prompt,
                    prometheus.increment_provider_request,
                )
                for role in ("bull", "bear")
            )
        )
        judge: Decision | None = None
        if bull["case"] and bear["case"]:
            suffix = role_suffix("judge", {"bull": bull["case"], "bear": bear["case"]})
            judge = await self._query_single_provider(
                seats["judge"], prompt + suffix, request_label="debate:judge"
            )
            valid = self.ensemble_manager._is_valid_provider_response(  # noqa: SLF001
                judge, seats["judge"]
            )
            status = "success" if valid else "failure"
            prometheus.increment_provider_request(seats["judge"], status)
            judge = judge if valid else None
        if judge is None:
            said = {"bull": bull["case"], "bear": bear["case"], "judge": judge}
            missing = ", ".join(role for role, case in said.items() if not case)
            logger.error("Debate mode: Critical debate providers failed")
            raise RuntimeError(f"debate mode failed, nothing usable from: {missing}")
        logger.info("DEBATE timing: total_s=%.4f", time.perf_counter() - began)
        state = "flat"
        for line in prompt.splitlines():
            if line.startswith("Position State:"):
                state = line.partition(":")[2].strip()
        return self.ensemble_manager.debate_decisions(
            bull_case=bull["case"],
            bear_case=bear["case"],
            judge_decision=judge,
            position_state=state,
            market_regime=market_regime,
        )

    async def _query_debate_role(
        self,
        role: str,
        provider: str,
        prompt_suffix: str,
        base_prompt: str,
        increment_provider_request: Callable[[str, str], None],
    ) -> dict[str, Any]:
        began = time.perf_counter()
        full_prompt = base_prompt + prompt_suffix
        failed: list[str] = []
        case: Decision | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            case = await self._query_single_provider(
                provider, full_prompt, request_label=f"debate:{role}", request_timeout_s=30
            )
            if case.get("decision_origin") != "fallback":
                increment_provider_request(provider, "success")
                break
            logger.warning(
                "DEBATE role fallback rejected: role=%s provider=%s attempt=%d/%d reason=%s",
                role,
                provider,
                attempt,
                _ATTEMPTS,
                case.get("filtered_reason_code"),
            )
            increment_provider_request(provider, "failure")
            case = None
        else:
            failed.append(provider)
        elapsed = time.perf_counter() - began
        logger.info(
            "DEBATE role done: role=%s provider=%s elapsed_s=%.4f prompt_chars=%d failed=%s",
            role,
            provider,
            elapsed,
            len(full_prompt),
            bool(failed),
        )
        return {
            "case": case,
            "failed": failed,
            "elapsed_s": elapsed,
            "prompt_chars": len(full_prompt),
        }

    async def _cli_ai_inference(self, prompt: str) -> Decision:
        if self._stats is not None:
            self._stats.count("cli_calls")
        decision = await query_cli(prompt, self.config.get("cli_arguments", ()), 30)
        return {"decision_origin": "cli", **decision}

    async def _codex_ai_inference(self, prompt: str) -> Decision:
        return await self._mock_ai_inference(prompt)

    async def _gemini_ai_inference(self, prompt: str) -> Decision:
        return await self._mock_ai_inference(prompt)

    async def _mock_ai_inference(self, prompt: str) -> Decision:
        logger.info("No model is asked; holding (%d characters unread)", len(prompt))
        return {
            "action": HOLD,
            "policy_action": HOLD,
            "confidence": 50,
            "reasoning": "no model was asked",
            "amount": 0.0,
        }
