# SPDX-License-Identifier: Apache-2.0
"""Calls to models, where they leave the process: the only place that knows the tokens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import provider_request
from ffe_otel.capture.hooks.facts import UNKNOWN, field, integer, number, text

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Body, Call
    from ffe_otel.capture.hooks.provider_request import Request
    from ffe_otel.capture.steps.llm import LLMCall

_PACKAGE: Final = "finance_feedback_engine.decision_engine"
_ASKED_AGAIN: Final = "unusable answer, the engine asked again"
_ENGINE_TIMEOUT_SECONDS: Final = 120.0


def _generate(call: Call) -> Generator[None, Any, None]:
    """Ollama's client, in a pool thread of the engine's local provider."""
    prompt = text(call.get("prompt"))
    if prompt is None:
        yield  # loads or unloads a model, asks nothing
        return
    # The engine records the model it was configured with; the argument is the one asked.
    model = text(call.get("model")) or UNKNOWN
    yield from _measured(provider_request.LOCAL, model, prompt, "response")


def _cli(provider: str) -> Body:
    """A provider behind a command, which alone knows its model until it answers."""

    def body(call: Call) -> Generator[None, Any, None]:
        yield from _measured(provider, provider, text(call.get("prompt")), "reasoning")

    return body


def _measured(
    provider: str, model: str, prompt: str | None, completion: str
) -> Generator[None, Any, None]:
    request = provider_request.current() or provider_request.Request("single")
    request.judge(_ASKED_AGAIN)
    request.calls += 1
    started = time.monotonic()
    try:
        with api.llm_call(provider, model, phase=request.phase) as step:
            if request.judged:
                step.await_verdict()
            answer = yield
            _describe(step, answer)
            step.content(prompt, text(field(answer, completion)))
            if _too_late(request, time.monotonic() - started):
                step.timeout()
                request.failed_calls += 1
    except BaseException:
        request.failed_calls += 1
        raise
    if step.is_answered:
        request.answered(step)


def _describe(step: LLMCall, answer: Any) -> None:
    usage = field(answer, "usage")
    tokens_in = integer(field(answer, "prompt_eval_count", field(usage, "input_tokens")))
    tokens_out = integer(field(answer, "eval_count", field(usage, "output_tokens")))
    step.tokens(tokens_in, tokens_out)
    step.finish(text(field(answer, "done_reason")))
    step.response_model(text(field(answer, "model", field(answer, "model_name"))))
    if provider_request.is_fallback(answer):
        step.failed(provider_request.fallback_reason(answer))


def _too_late(request: Request, seconds: float) -> bool:
    """Whether the engine gave up on the answer.

    It waits for its thread even so, and the call then ends as if nothing had happened.
    """
    return request.timeout_seconds is not None and seconds > request.timeout_seconds


def _local(call: Call) -> Request | None:
    """The request, which the local provider knows the deadline of."""
    request = provider_request.current()
    if request is not None:
        timeouts = field(getattr(call.instance, "config", None), "api_timeouts")
        request.timeout_seconds = (
            number(call.get("request_timeout_s"))
            or number(field(timeouts, "llm_query"))
            or _ENGINE_TIMEOUT_SECONDS
        )
    return request


def _local_raw_query(call: Call) -> Generator[None, Any, None]:
    _local(call)
    yield


def _local_query(call: Call) -> Generator[None, Any, None]:
    """It makes a decision of the text, asks again when it cannot, and gives up in the end."""
    request = _local(call)
    if request is None:
        yield
        return
    request.judged, unusable = True, None
    try:
        decision = yield
        if provider_request.is_fallback(decision):
            unusable = provider_request.fallback_reason(decision)
    finally:
        request.judged = False
        request.judge(unusable)


HOOKS: Final = (
    Hook("llm.ollama", "ollama", "Client.generate", _generate, ("model", "prompt")),
    *(
        Hook(
            f"llm.local.{method}",
            f"{_PACKAGE}.local_llm_provider",
            f"LocalLLMProvider.{method}",
            wrapper,
            ("request_timeout_s",),
        )
        for method, wrapper in (("query", _local_query), ("raw_query", _local_raw_query))
    ),
    *(
        Hook(
            f"llm.{provider}",
            f"{_PACKAGE}.ai_decision_manager",
            f"AIDecisionManager._{provider}_ai_inference",
            _cli(provider),
            ("prompt",),
        )
        for provider in ("cli", "codex", "gemini")
    ),
)
