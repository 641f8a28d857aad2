# SPDX-License-Identifier: Apache-2.0
"""Execution and learning: orders, and what closed positions earned."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from ffe_otel import semconv
from ffe_otel.capture.steps.arguments import number, optional_text, text
from ffe_otel.capture.steps.base import Aborted, Step, cycle_of, guarded, with_fields
from ffe_otel.capture.steps.cycle import EXECUTED, FAILED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from ffe_otel.capture.runtime import Runtime


class Trade(Step):
    """One order, from sending it to the platform's answer."""

    kind = SpanKind.CLIENT

    def __init__(
        self,
        asset_pair: str,
        action: str,
        platform: str,
        *,
        decision_id: str | None = None,
        confidence: float | None = None,
    ) -> None:
        super().__init__(semconv.SPAN_TRADE_EXECUTE)
        self._asset_pair = text(asset_pair, "trade")
        self._action = text(action, "trade")
        self._platform = text(platform, "trade")
        self._decision_id = optional_text(decision_id, "trade")
        self._confidence = number(confidence, "trade")
        given = {
            semconv.ASSET_PAIR: self._asset_pair,
            semconv.TRADE_ACTION: self._action,
            semconv.TRADE_PLATFORM: self._platform,
            semconv.DECISION_ID: self._decision_id,
            semconv.DECISION_CONFIDENCE: self._confidence,
        }
        self.attributes.update({k: v for k, v in given.items() if v is not None})

    def _reset(self) -> None:
        super()._reset()
        self._filled: Mapping[str, Any] | None = None
        self._taken_by: str | None = None

    def _context(self, context: Context) -> Context:
        return with_fields(context, asset_pair=self._asset_pair, decision_id=self._decision_id)

    @guarded
    def routed(self, platform: str) -> None:
        """The venue that the order goes to, where that is known only after it was sent."""
        self._taken_by = text(platform, "Trade.routed")
        self.set({semconv.TRADE_PLATFORM: self._taken_by})

    @guarded
    def filled(
        self,
        *,
        order_id: str | None = None,
        status: str | None = None,
        price: float | None = None,
        size: float | None = None,
        fee: float | None = None,
        slippage: float | None = None,
        platform: str | None = None,
    ) -> None:
        """The platform took the order. Prices and fees in account currency."""
        said = functools.partial(optional_text, where="Trade.filled")
        amount = functools.partial(number, where="Trade.filled")
        self._taken_by = said(platform) or self._taken_by
        self._filled = {
            semconv.TRADE_SUCCESS: True,
            semconv.TRADE_PLATFORM: self._taken_by or self._platform,
            semconv.TRADE_ORDER_ID: said(order_id),
            semconv.TRADE_ORDER_STATUS: said(status),
            semconv.TRADE_FILL_PRICE: amount(price),
            semconv.TRADE_FILLED_SIZE: amount(size),
            semconv.TRADE_FEE: amount(fee),
            semconv.TRADE_SLIPPAGE: amount(slippage),
        }
        self.set(self._filled)

    def rejected(self, reason: str) -> None:
        """The platform, or what stands before it, refused the order."""
        self.set({semconv.TRADE_SUCCESS: False})
        self.fail(reason)

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        platform = self._taken_by or self._platform
        rt.instruments.record(
            semconv.TRADE_EXECUTION, self.duration_ns / 1e9, platform, self._action
        )
        cycle = cycle_of()
        left = isinstance(error, Aborted) or (error is not None and self.failure is None)
        if left and self._filled is None:
            return  # before the platform's answer: nobody knows
        if self.failure is not None and not left:
            if cycle is not None:
                cycle.outcome(FAILED, type(error).__qualname__ if error else "execution_failed")
            return
        execution = {
            "asset_pair": self._asset_pair,
            "action": self._action,
            "platform": platform,
            "decision_id": self._decision_id,
            "duration_seconds": self.duration_ns / 1e9,
            "confidence": self._confidence,
        }
        rt.emit(semconv.EVENT_TRADE, execution)
        if cycle is not None:
            cycle.outcome(EXECUTED, "executed")
            cycle.traded()
            cycle.decided(
                self._asset_pair, self._action, self._confidence, self._decision_id, rank=3
            )
            cycle.set(self._filled)


class Outcome(Step):
    """A closed trade's profit or loss."""

    def __init__(
        self,
        asset_pair: str,
        pnl_dollars: float,
        *,
        action: str,
        platform: str,
        decision_id: str | None = None,
        duration_seconds: float | None = None,
        confidence: float | None = None,
    ) -> None:
        super().__init__(semconv.SPAN_TRADE_OUTCOME)
        said = functools.partial(optional_text, where="trade_outcome")
        label = functools.partial(text, where="trade_outcome")
        amount = functools.partial(number, where="trade_outcome")
        self._pnl = pnl_dollars
        self._outcome = "win" if self._pnl > 0 else "loss" if self._pnl < 0 else "breakeven"
        self._asset_pair = label(asset_pair)
        self._event = {
            "asset_pair": self._asset_pair,
            "action": label(action),
            "platform": label(platform),
            "decision_id": said(decision_id),
            "pnl_dollars": self._pnl,
            "confidence": amount(confidence),
        }
        given = {
            semconv.ASSET_PAIR: self._asset_pair,
            semconv.TRADE_ACTION: self._event["action"],
            semconv.TRADE_PLATFORM: self._event["platform"],
            semconv.DECISION_ID: self._event["decision_id"],
            semconv.TRADE_PNL_DOLLARS: self._pnl,
            semconv.TRADE_OUTCOME: self._outcome,
            semconv.TRADE_HELD_SECONDS: amount(duration_seconds),
        }
        self.attributes.update({k: v for k, v in given.items() if v is not None})

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        del error
        record, pair = rt.instruments.record, self._asset_pair
        record(semconv.TRADE_PNL_SUM, self._pnl, pair)
        record(semconv.TRADE_PNL_COUNT, 1, pair)
        record(semconv.TRADE_PNL_ABS, abs(self._pnl), pair, self._outcome)
        record(semconv.TRADES_CLOSED, 1, pair, self._outcome)
        rt.emit(semconv.EVENT_TRADE, self._event)
        cycle = cycle_of()
        if cycle is not None:
            cycle.earned(self._pnl)


def trade_outcome(
    asset_pair: str,
    pnl_dollars: float,
    *,
    action: str,
    platform: str,
    decision_id: str | None = None,
    duration_seconds: float | None = None,
    confidence: float | None = None,
) -> None:
    """Record a closed trade: span, metrics and event.

    Args:
        asset_pair: instrument.
        pnl_dollars: realised profit or loss after fees, USD.
        action: ``CLOSE_LONG`` or ``CLOSE_SHORT``, which tells the event from an order's.
        platform: trading platform.
        decision_id: decision that closed it.
        duration_seconds: how long the position was held; on the span only, since the
            duration of a ``trade_executions`` event is that of an order.
        confidence: confidence of the decision, 0 to 100.
    """
    # A missing amount is as wrong as one that is no number; the text says it is none.
    pnl = number("" if pnl_dollars is None else pnl_dollars, "trade_outcome")
    if pnl is None:
        return
    with Outcome(
        asset_pair,
        pnl,
        action=action,
        platform=platform,
        decision_id=decision_id,
        duration_seconds=duration_seconds,
        confidence=confidence,
    ):
        pass
