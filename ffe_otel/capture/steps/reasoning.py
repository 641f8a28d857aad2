# SPDX-License-Identifier: Apache-2.0
"""Reasoning: decisions, the debate behind them, and the vote."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ffe_otel import semconv
from ffe_otel.capture.steps.arguments import number, optional_text, text
from ffe_otel.capture.steps.base import Step, cycle_of, fields_of, guarded, with_fields
from ffe_otel.capture.steps.cycle import NO_TRADE
from ffe_otel.capture.steps.requests import UNKNOWN

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from ffe_otel.capture.runtime import Runtime


class Decision(Step):
    """The generation of one decision."""

    def __init__(self, asset_pair: str, provider: str | None = None) -> None:
        super().__init__(semconv.SPAN_DECISION)
        self._asset_pair = text(asset_pair, "decision")
        self._provider = optional_text(provider, "decision")
        self.attributes[semconv.ASSET_PAIR] = self._asset_pair
        if self._provider:
            self.attributes[semconv.DECISION_PROVIDER] = self._provider

    def _reset(self) -> None:
        super()._reset()
        self._decider: str | None = None

    @guarded
    def result(
        self,
        action: str | None,
        confidence: float | None,
        *,
        decision_id: str | None = None,
        provider: str | None = None,
        origin: str | None = None,
        market_regime: str | None = None,
        reasoning: str | None = None,
        reason_code: str | None = None,
    ) -> None:
        """Say what was decided; ``confidence`` is 0 to 100."""
        rt = self._runtime
        if rt is None:
            return
        said = functools.partial(optional_text, where="Decision.result")
        confidence = number(confidence, "Decision.result")
        action, decision_id, reason_code = said(action), said(decision_id), said(reason_code)
        self._decider = said(provider)
        self.set(
            {
                semconv.DECISION_ACTION: action,
                semconv.DECISION_CONFIDENCE: confidence,
                semconv.DECISION_ID: decision_id,
                semconv.DECISION_PROVIDER: self._decider or self._provider,
                semconv.DECISION_ORIGIN: said(origin),
                semconv.DECISION_MARKET_REGIME: said(market_regime),
                semconv.DECISION_REASONING: said(reasoning) if rt.capture_content else None,
                semconv.RISK_REASON_CODE: reason_code,
            }
        )
        fields = fields_of()
        if fields is not None and decision_id:
            fields["decision_id"] = decision_id
        if action and confidence is not None:
            rt.instruments.record(
                semconv.DECISION_CONFIDENCE_GAUGE, confidence, self._asset_pair, action
            )
        cycle = cycle_of()
        if cycle is not None:
            cycle.decided(self._asset_pair, action, confidence, decision_id)
            if action and "HOLD" in action.upper():
                cycle.outcome(NO_TRADE, reason_code or "hold")

    def _context(self, context: Context) -> Context:
        return with_fields(context, asset_pair=self._asset_pair)

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        del error
        seconds = self.duration_ns / 1e9
        provider = self._decider or self._provider or UNKNOWN
        rt.instruments.record(semconv.DECISION_LATENCY, seconds, provider, self._asset_pair)
        rt.instruments.record(semconv.DECISION_GENERATION, seconds, provider, "total")


class DebateRole(Step):
    """One role's case in a debate."""

    def __init__(self, role: str, provider: str | None = None) -> None:
        super().__init__(semconv.SPAN_DEBATE_ROLE)
        self.attributes[semconv.DEBATE_ROLE] = text(role, "debate_role")
        if asked := optional_text(provider, "debate_role"):
            self.attributes[semconv.LLM_PROVIDER] = asked

    def failed(self, reason: str) -> None:
        """The role gave no usable case."""
        self.set({semconv.DEBATE_FAILED: True})
        self.fail(reason)


class Ensemble(Step):
    """The aggregation of several providers' decisions."""

    def __init__(self) -> None:
        super().__init__(semconv.SPAN_ENSEMBLE)
