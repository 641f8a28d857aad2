# SPDX-License-Identifier: Apache-2.0
"""Risk: checks, their rules, and vetoes of other layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel import semconv
from ffe_otel.capture import runtime
from ffe_otel.capture.steps.arguments import optional_text, text
from ffe_otel.capture.steps.base import Step, cycle_of, guarded, with_fields
from ffe_otel.capture.steps.cycle import REJECTED

if TYPE_CHECKING:
    from opentelemetry.context import Context


class Risk(Step):
    """A risk check, or one rule of it."""

    def __init__(
        self, name: str, layer: str, asset_pair: str | None = None, rule: str | None = None
    ) -> None:
        super().__init__(name)
        where = "risk_check" if name == semconv.SPAN_RISK_CHECK else "risk_rule"
        self._is_rule = name == semconv.SPAN_RISK_RULE
        self._asset_pair = optional_text(asset_pair, where)
        given = {
            semconv.RISK_LAYER: text(layer, where),
            semconv.RISK_RULE: text(rule, where) if self._is_rule else None,
            semconv.ASSET_PAIR: self._asset_pair,
        }
        self.attributes.update({k: v for k, v in given.items() if v is not None})

    def _context(self, context: Context) -> Context:
        return with_fields(context, asset_pair=self._asset_pair)

    def approve(self, reason: str | None = None) -> None:
        """The check lets the trade pass."""
        self._verdict("approved", "allow", "passed", reason)

    @guarded
    def reject(self, reason: str, code: str) -> None:
        """The check stops the trade; ``code`` is the bounded reason."""
        known = text(code, "Risk.reject")
        self._verdict("rejected", "deny", known, reason)
        cycle = cycle_of()
        if cycle is not None and not self._is_rule:
            cycle.outcome(REJECTED, known)

    @guarded
    def _verdict(self, verdict: str, action: str, code: str, reason: str | None) -> None:
        rt = self._runtime
        if rt is None:
            return
        self.set(
            {
                semconv.RISK_VERDICT: verdict,
                semconv.RISK_ACTION: action,
                semconv.RISK_REASON_CODE: code,
                semconv.RISK_REASON: optional_text(reason, "Risk verdict"),
            }
        )
        if not self._is_rule:
            rt.instruments.record(semconv.RISK_CHECK_RESULT, 1, verdict, code)


def risk_veto(layer: str, code: str, reason: str, asset_pair: str | None = None) -> None:
    """Record a rejection that did not come from the gatekeeper.

    Args:
        layer: who vetoed, for example ``performance`` or ``execution_gate``.
        code: bounded reason code, the label of ``ffe_risk_check_result_total``.
        reason: the layer's own words.
        asset_pair: instrument of the decision.
    """
    rt = runtime.get()
    if rt is None:
        return
    try:
        known = text(code, "risk_veto")
        rt.instruments.record(semconv.RISK_CHECK_RESULT, 1, "rejected", known)
        cycle = cycle_of()
        if cycle is not None:
            cycle.event(
                semconv.SPAN_EVENT_RISK_VETO,
                {
                    semconv.RISK_LAYER: text(layer, "risk_veto"),
                    semconv.RISK_REASON_CODE: known,
                    semconv.RISK_REASON: optional_text(reason, "risk_veto"),
                    semconv.ASSET_PAIR: optional_text(asset_pair, "risk_veto"),
                },
            )
            cycle.outcome(REJECTED, known)
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed("risk_veto")
