# SPDX-License-Identifier: Apache-2.0
"""One request to an AI provider, from the engine's decision to ask until it has an answer.

The request is known where the engine chooses a provider, the call to the model where the
client sends it, which is another thread. What one knows of the other travels in the
OpenTelemetry context.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ffe_otel.capture import api
from ffe_otel.capture.hooks.facts import carrying, field, text

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.steps.llm import LLMCall

_REQUEST: Final = otel_context.create_key("ffe-otel-provider-request")
_CLI_PROVIDERS: Final = frozenset({"cli", "codex", "qwen", "gemini", "copilot"})
LOCAL: Final = "ollama"


@dataclasses.dataclass(slots=True)
class Request:
    """A request to a provider, filled in by the calls it leads to.

    Attributes:
        phase: what it is for: ``single``, ``ensemble``, ``pre_reason``, or a debate role.
        timeout_seconds: how long the engine waits for one call, ``None`` when not known.
        calls: calls to a model that were made for it.
        failed_calls: those of them that failed, or had no usable answer.
        judged: whether somebody is there to say which answers were of use.
    """

    phase: str
    timeout_seconds: float | None = None
    calls: int = 0
    failed_calls: int = 0
    judged: bool = False
    _answered: list[LLMCall] = dataclasses.field(default_factory=list)

    def answered(self, call: LLMCall) -> None:
        """A call has an answer that is still to be judged."""
        self._answered.append(call)
        if not self.judged:
            self.judge()  # whoever would have done so gave up in the meantime

    def judge(self, unusable: str | None = None) -> None:
        """Report what has been answered, as failed where the engine had no use for it."""
        with suppress(IndexError):
            while True:
                self._answered.pop().judge(unusable)
                self.failed_calls += unusable is not None


def current() -> Request | None:
    """The request that the current code works on."""
    found: Any = otel_context.get_value(_REQUEST)
    return found if isinstance(found, Request) else None


def is_fallback(answer: Any) -> bool:
    """Whether the engine made the answer up because the provider failed."""
    return bool(field(answer, "decision_origin") == "fallback")


def fallback_reason(answer: Any) -> str:
    """The engine's words for why it fell back."""
    return text(field(answer, "reasoning")) or text(field(answer, "filtered_reason_code")) or "?"


def vendor(provider: str) -> str:
    """Who runs the model: the engine names local providers by their model's tag."""
    return provider if provider in _CLI_PROVIDERS else LOCAL


def asking(
    provider: str, phase: str, *, timeout_seconds: float | None = None
) -> Generator[None, Any, Any]:
    """Stand around a request; its failure is seen even when no call was ever sent."""
    request = Request(phase, timeout_seconds)
    try:
        with carrying(_REQUEST, request):
            answer = yield
    except Exception as error:
        if not request.calls:
            _never_sent(provider, phase, error)
        raise
    if is_fallback(answer):
        _fell_back(provider, request, answer)
    return answer


def _fell_back(provider: str, request: Request, answer: Any) -> None:
    if not request.calls:
        _never_sent(provider, request.phase, fallback_reason(answer))
    elif not request.failed_calls:
        # The model answered, but nothing the engine could use.
        cycle = api.current_cycle()
        if cycle is not None:
            cycle.error(fallback_reason(answer), f"provider {provider}")


def _never_sent(provider: str, phase: str, why: BaseException | str) -> None:
    """Show a request that failed before its call, for example because nothing listens."""
    with api.llm_call(vendor(provider), provider, phase=phase) as step:
        step.fail(why)
