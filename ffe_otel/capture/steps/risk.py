# SPDX-License-Identifier: Apache-2.0
"""Risk: checks, their rules, and vetoes of other layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel import semconv
from ffe_otel.capture import runtime
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
        self._layer, self._rule, self._asset_pair = layer, rule, asset_pair
        given = {
            semconv.RISK_LAYER: layer,
            semconv.RISK_RULE: rule,
            semconv.ASSET_PAIR: asset_pair,
        }
        self.attributes.update({k: v for k, v in given.items() if v is not None})

    def _context(self, context: Context) -> Context:
        return with_fields(context, asset_pair=self._asset_pair)

    def approve(self, reason: str | None = None) -> None:
        """The check lets the trade pass."""
        self._verdict("approved", "allow", "passed", reason)

    def reject(self, reason: str, code: str) -> None:
        """The check stops the trade; ``code`` is the bounded reason."""
        self._verdict("rejected", "deny", code, reason)
        cycle = cycle_of()
        if cycle is not None and self._rule is None:
            cycle.outcome(REJECTED, code)

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
                semconv.RISK_REASON: reason,
            }
        )
        if self._rule is None:
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
        rt.instruments.record(semconv.RISK_CHECK_RESULT, 1, "rejected", code)
        cycle = cycle_of()
        if cycle is not None:
            cycle.event(
                semconv.SPAN_EVENT_RISK_VETO,
                {
                    semconv.RISK_LAYER: layer,
                    semconv.RISK_REASON_CODE: code,
                    semconv.RISK_REASON: reason,
                    semconv.ASSET_PAIR: asset_pair,
                },
            )
            cycle.outcome(REJECTED, code)
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed("risk_veto")
