# SPDX-License-Identifier: Apache-2.0
"""Reasoning: calls to models."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, Status, StatusCode

from ffe_otel import semconv
from ffe_otel.capture.steps.arguments import optional_text, text, whole
from ffe_otel.capture.steps.base import Step, cycle_of, guarded
from ffe_otel.capture.steps.requests import FAILURE, SUCCESS, TIMEOUT, is_timeout

if TYPE_CHECKING:
    from types import TracebackType

    from ffe_otel.capture.runtime import Runtime


class _Answered(NamedTuple):
    """When a call was answered that is still to be judged, and how long it took."""

    at: int
    duration_ns: int


class LLMCall(Step):
    """A call to a model. The span follows the GenAI conventions (``chat {model}``).

    Whether an answer is of use is often known only after the call. A call that is told to
    ``await_verdict`` is reported by ``judge``, as of the moment it was answered, and as it is
    when the process goes down before.
    """

    kind = SpanKind.CLIENT

    def __init__(
        self,
        provider: str,
        model: str,
        *,
        phase: str = "single",
        operation: str = semconv.GEN_AI_OPERATION_CHAT,
    ) -> None:
        self._provider = text(provider, "llm_call")
        self._model = text(model, "llm_call")
        self._phase = text(phase, "llm_call")
        self._operation = text(operation, "llm_call")
        super().__init__(f"{self._operation} {self._model}")
        self.attributes.update(
            {
                semconv.GEN_AI_OPERATION: self._operation,
                semconv.GEN_AI_PROVIDER: self._provider,
                semconv.GEN_AI_REQUEST_MODEL: self._model,
                semconv.LLM_PROVIDER: self._provider,
                semconv.LLM_PHASE: self._phase,
            }
        )

    def _reset(self) -> None:
        super()._reset()
        self._tokens: tuple[int | None, int | None] = (None, None)
        self._timed_out = False
        self._answered_by: str | None = None
        self._awaits_verdict = False
        self._answered: _Answered | None = None

    @guarded
    def tokens(
        self,
        input: int | None = None,  # noqa: A002 - OpenTelemetry's word
        output: int | None = None,
    ) -> None:
        """Tokens used; ``None`` where the provider does not say."""
        asked, answered = whole(input, "LLMCall.tokens"), whole(output, "LLMCall.tokens")
        self._tokens = (asked, answered)
        self.set({semconv.GEN_AI_INPUT_TOKENS: asked, semconv.GEN_AI_OUTPUT_TOKENS: answered})

    @guarded
    def finish(self, reason: str | None) -> None:
        """Why the model stopped."""
        said = optional_text(reason, "LLMCall.finish")
        self.set({semconv.GEN_AI_FINISH_REASONS: [said] if said else None})

    @guarded
    def response_model(self, model: str | None) -> None:
        """The model that answered; its price holds where the one asked has none."""
        self._answered_by = optional_text(model, "LLMCall.response_model")
        self.set({semconv.GEN_AI_RESPONSE_MODEL: self._answered_by})

    def content(self, prompt: str | None, completion: str | None) -> None:
        """Prompt and completion; kept only when the configuration asks for content."""
        rt = self._runtime
        if rt is not None and rt.capture_content:
            self.set(
                {semconv.GEN_AI_INPUT_MESSAGES: prompt, semconv.GEN_AI_OUTPUT_MESSAGES: completion}
            )

    def failed(self, reason: str) -> None:
        """The call failed without raising."""
        self.fail(reason)

    def timeout(self) -> None:
        """The call ran into its deadline without raising."""
        self._timed_out = True
        self.fail("timeout")

    def await_verdict(self) -> None:
        """Report the call when it is judged; whoever says so must call ``judge``."""
        self._awaits_verdict = True

    def judge(self, unusable: str | None = None) -> None:
        """Report an answered call, as failed when its answer was not of use; any thread may."""
        rt, answered, self._answered = self._runtime, self._answered, None
        if rt is None or answered is None or not rt.closed(self):
            return
        token = otel_context.attach(self._inside or otel_context.get_current())
        try:
            self.duration_ns = answered.duration_ns
            if unusable is not None:
                self.fail(unusable)
            try:
                self._ended(rt, None)
            finally:
                self._end_at(answered.at)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed(f"end of {self.name}")
        finally:
            otel_context.detach(token)
            self._runtime = self._inside = None

    @property
    def is_answered(self) -> bool:
        """Whether the call is over and still to be judged."""
        return self._answered is not None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        rt = self._runtime
        verdict_is_due = self._awaits_verdict and error is None and self.failure is None
        if rt is None or not verdict_is_due or not self._was_answered(rt):
            super().__exit__(kind, error, traceback)
            return
        # It stays open, but is not current any more.
        self._step_out()

    def abort(self) -> None:
        """End the call because the process goes down; one that was answered is whole."""
        if self.is_answered:
            self.judge()
        else:
            super().abort()

    def _was_answered(self, rt: Runtime) -> bool:
        try:
            self._answered = _Answered(self._now(rt), rt.monotonic() - self._started)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed(f"end of {self.name}")
            return False
        return True

    def _end_at(self, at: int) -> None:
        if self.span.is_recording():
            if self.failure is not None:
                self.span.set_status(Status(StatusCode.ERROR, self.failure))
            self.span.end(at)

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        self._timed_out = self._timed_out or is_timeout(error)
        status = TIMEOUT if self._timed_out else SUCCESS if self.failure is None else FAILURE
        known = [t for t in self._tokens if t is not None]
        total = sum(known) if known else None
        day = time.strftime("%Y-%m-%d", time.gmtime(rt.clock() / 1e9))
        cost = rt.prices.cost_usd(self._provider, self._model, self._tokens, day)
        if cost is None and self._answered_by is not None:
            cost = rt.prices.cost_usd(self._provider, self._answered_by, self._tokens, day)
        self.set(
            {semconv.LLM_STATUS: status, semconv.LLM_TOKENS: total, semconv.LLM_COST_USD: cost}
        )
        self._record(rt, status, cost)
        rt.emit(
            semconv.EVENT_LLM_CALL,
            {
                "provider": self._provider,
                "model": self._model,
                "phase": self._phase,
                "duration_ms": self.duration_ns / 1e6,
                "tokens_used": total,
                "cost_usd": float(cost) if cost is not None else None,
                semconv.LLM_STATUS: status,
            },
        )
        cycle = cycle_of()
        if cycle is not None:
            cycle.spent(total, cost)

    def _record(self, rt: Runtime, status: str, cost: float | None) -> None:
        seconds, record = self.duration_ns / 1e9, rt.instruments.record
        record(semconv.PROVIDER_REQUESTS, 1, self._provider, status)
        record(semconv.DECISION_GENERATION, seconds, self._provider, self._phase)
        error_type = None if status == SUCCESS else status
        base = (self._operation, self._provider, self._model)
        record(semconv.GEN_AI_DURATION, seconds, *base, error_type)
        for direction, count in zip(("input", "output"), self._tokens, strict=True):
            if count is not None:
                record(semconv.LLM_TOKENS_TOTAL, count, self._provider, self._model, direction)
                record(semconv.GEN_AI_TOKEN_USAGE, count, *base, direction)
        if cost is not None:
            record(semconv.LLM_COST_TOTAL, cost, self._provider, self._model)
