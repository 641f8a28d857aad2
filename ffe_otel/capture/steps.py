# SPDX-License-Identifier: Apache-2.0
"""What happens inside a phase: data fetches, decisions, LLM calls, risk checks, trades."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from ffe_otel import semconv
from ffe_otel.capture import runtime
from ffe_otel.capture.cycle import EXECUTED, FAILED, NO_TRADE, REJECTED
from ffe_otel.capture.step import Step, cycle_of, fields_of, with_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from ffe_otel.capture.runtime import Runtime

UNKNOWN = "unknown"
SUCCESS, FAILURE, TIMEOUT = "success", "failure", "timeout"


def _is_timeout(error: BaseException | None) -> bool:
    return isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower()


def _known(value: object) -> str:
    return str(value) if value not in (None, "") else UNKNOWN


class Fetch(Step):
    """A call to a data or trading API."""

    def __init__(
        self, service: str, endpoint: str, *, method: str = "GET", asset_pair: str | None = None
    ) -> None:
        super().__init__(semconv.SPAN_DATA_FETCH)
        self._service, self._endpoint, self._method = service, endpoint, method
        self._status: int | None = None
        self._cached = False
        self.attributes.update(
            {semconv.DATA_SERVICE: service, semconv.DATA_ENDPOINT: endpoint}
            | ({semconv.ASSET_PAIR: asset_pair} if asset_pair else {})
        )

    def status(self, code: int) -> None:
        """HTTP status of the answer; 400 and above is a failure."""
        self._status = code
        self.set({semconv.HTTP_STATUS: code})
        if code >= 400 and self.failure is None:
            self.fail(f"HTTP {code}")

    def stale(self, stale: bool, age_seconds: float | None = None) -> None:
        """Say whether the data is stale, and the age of its newest datum in seconds."""
        self.set({semconv.DATA_STALE: stale, semconv.DATA_AGE_SECONDS: age_seconds})

    def cached(self, hit: bool = True) -> None:
        """The answer came from a cache: no API call is counted."""
        self._cached = hit

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        if self._cached:
            return
        rt.instruments.record(
            semconv.API_CALL_DURATION, self.duration_ns / 1e9, self._service, self._endpoint
        )
        outcome = SUCCESS if self.failure is None else TIMEOUT if _is_timeout(error) else FAILURE
        rt.instruments.record(semconv.PROVIDER_REQUESTS, 1, self._service, outcome)
        rt.emit(
            semconv.EVENT_API_LATENCY,
            {
                "service": self._service,
                "endpoint": self._endpoint,
                "method": self._method,
                "duration_ms": self.duration_ns / 1e6,
                "status_code": self._status
                if self._status is not None
                else (200 if self.failure is None else 0),
            },
        )


class Decision(Step):
    """The generation of one decision."""

    def __init__(self, asset_pair: str, provider: str | None = None) -> None:
        super().__init__(semconv.SPAN_DECISION)
        self._asset_pair, self._provider = asset_pair, provider
        self.attributes[semconv.ASSET_PAIR] = asset_pair
        if provider:
            self.attributes[semconv.DECISION_PROVIDER] = provider

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
        self._provider = provider or self._provider
        self.set(
            {
                semconv.DECISION_ACTION: action,
                semconv.DECISION_CONFIDENCE: confidence,
                semconv.DECISION_ID: decision_id,
                semconv.DECISION_PROVIDER: self._provider,
                semconv.DECISION_ORIGIN: origin,
                semconv.DECISION_MARKET_REGIME: market_regime,
                semconv.DECISION_REASONING: reasoning if rt.capture_content else None,
                semconv.RISK_REASON_CODE: reason_code,
            }
        )
        fields = fields_of()
        if fields is not None and decision_id:
            fields["decision_id"] = decision_id
        if action and confidence is not None:
            rt.instruments.record(
                semconv.DECISION_CONFIDENCE_GAUGE, float(confidence), self._asset_pair, action
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
        seconds, provider = self.duration_ns / 1e9, _known(self._provider)
        rt.instruments.record(semconv.DECISION_LATENCY, seconds, provider, self._asset_pair)
        rt.instruments.record(semconv.DECISION_GENERATION, seconds, provider, "total")


class DebateRole(Step):
    """One role's case in a debate."""

    def __init__(self, role: str, provider: str | None = None) -> None:
        super().__init__(semconv.SPAN_DEBATE_ROLE)
        self.attributes[semconv.DEBATE_ROLE] = role
        if provider:
            self.attributes[semconv.LLM_PROVIDER] = provider

    def failed(self, reason: str) -> None:
        """The role gave no usable case."""
        self.set({semconv.DEBATE_FAILED: True})
        self.fail(reason)


class Ensemble(Step):
    """The aggregation of several providers' decisions."""

    def __init__(self) -> None:
        super().__init__(semconv.SPAN_ENSEMBLE)


class LLMCall(Step):
    """A call to a model. The span follows the GenAI conventions (``chat {model}``)."""

    kind = SpanKind.CLIENT

    def __init__(
        self,
        provider: str,
        model: str,
        *,
        phase: str = "single",
        operation: str = semconv.GEN_AI_OPERATION_CHAT,
    ) -> None:
        super().__init__(f"{operation} {model}")
        self._provider, self._model, self._phase = provider, model, phase
        self._operation = operation
        self._tokens: tuple[int | None, int | None] = (None, None)
        self._timed_out = False
        self._answered: str | None = None
        self.attributes.update(
            {
                semconv.GEN_AI_OPERATION: operation,
                semconv.GEN_AI_PROVIDER: provider,
                semconv.GEN_AI_REQUEST_MODEL: model,
                semconv.LLM_PROVIDER: provider,
                semconv.LLM_PHASE: phase,
            }
        )

    def tokens(self, input: int | None, output: int | None) -> None:  # noqa: A002 - OTel's words
        """Tokens used; ``None`` where the provider does not say."""
        self._tokens = (input, output)
        self.set({semconv.GEN_AI_INPUT_TOKENS: input, semconv.GEN_AI_OUTPUT_TOKENS: output})

    def finish(self, reason: str | None) -> None:
        """Why the model stopped."""
        self.set({semconv.GEN_AI_FINISH_REASONS: [reason] if reason else None})

    def response_model(self, model: str | None) -> None:
        """The model that answered; its price holds where the one asked has none."""
        self._answered = model
        self.set({semconv.GEN_AI_RESPONSE_MODEL: model})

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

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        self._timed_out = self._timed_out or _is_timeout(error)
        status = TIMEOUT if self._timed_out else SUCCESS if self.failure is None else FAILURE
        known = [t for t in self._tokens if t is not None]
        total = sum(known) if known else None
        day = time.strftime("%Y-%m-%d", time.gmtime(rt.clock() / 1e9))
        cost = rt.prices.cost_usd(self._provider, self._model, self._tokens, day)
        if cost is None and self._answered is not None:
            cost = rt.prices.cost_usd(self._provider, self._answered, self._tokens, day)
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
        self._asset_pair, self._action, self._platform = asset_pair, action, platform
        self._decision_id, self._confidence = decision_id, confidence
        self._filled: Mapping[str, Any] | None = None
        given = {
            semconv.ASSET_PAIR: asset_pair,
            semconv.TRADE_ACTION: action,
            semconv.TRADE_PLATFORM: platform,
            semconv.DECISION_ID: decision_id,
            semconv.DECISION_CONFIDENCE: confidence,
        }
        self.attributes.update({k: v for k, v in given.items() if v is not None})

    def _context(self, context: Context) -> Context:
        return with_fields(context, asset_pair=self._asset_pair, decision_id=self._decision_id)

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
        self._platform = platform or self._platform
        self._filled = {
            semconv.TRADE_SUCCESS: True,
            semconv.TRADE_PLATFORM: self._platform,
            semconv.TRADE_ORDER_ID: order_id,
            semconv.TRADE_ORDER_STATUS: status,
            semconv.TRADE_FILL_PRICE: price,
            semconv.TRADE_FILLED_SIZE: size,
            semconv.TRADE_FEE: fee,
            semconv.TRADE_SLIPPAGE: slippage,
        }
        self.set(self._filled)

    def rejected(self, reason: str) -> None:
        """The platform, or what stands before it, refused the order."""
        self.set({semconv.TRADE_SUCCESS: False})
        self.fail(reason)

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        rt.instruments.record(
            semconv.TRADE_EXECUTION, self.duration_ns / 1e9, self._platform, self._action
        )
        cycle = cycle_of()
        if self.failure is not None:
            if cycle is not None:
                cycle.outcome(FAILED, type(error).__qualname__ if error else "execution_failed")
            return
        execution = {
            "asset_pair": self._asset_pair,
            "action": self._action,
            "platform": self._platform,
            "decision_id": self._decision_id,
            "duration_seconds": self.duration_ns / 1e9,
            "confidence": float(self._confidence) if self._confidence is not None else None,
        }
        rt.emit(semconv.EVENT_TRADE, execution)
        if cycle is not None:
            cycle.outcome(EXECUTED, "executed")
            cycle.decided(
                self._asset_pair, self._action, self._confidence, self._decision_id, rank=3
            )
            cycle.set(self._filled)


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
                "ffe.risk.veto",
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
        self._pnl = float(pnl_dollars)
        self._outcome = "win" if self._pnl > 0 else "loss" if self._pnl < 0 else "breakeven"
        self._asset_pair = asset_pair
        self._event = {
            "asset_pair": asset_pair,
            "action": action,
            "platform": platform,
            "decision_id": decision_id,
            "pnl_dollars": self._pnl,
            "duration_seconds": float(duration_seconds) if duration_seconds is not None else None,
            "confidence": float(confidence) if confidence is not None else None,
        }
        given = {
            semconv.ASSET_PAIR: asset_pair,
            semconv.TRADE_ACTION: action,
            semconv.TRADE_PLATFORM: platform,
            semconv.DECISION_ID: decision_id,
            semconv.TRADE_PNL_DOLLARS: self._pnl,
            semconv.TRADE_OUTCOME: self._outcome,
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
        action: side or action that closed the position.
        platform: trading platform.
        decision_id: decision that closed it.
        duration_seconds: how long the position was held.
        confidence: confidence of the decision, 0 to 100.
    """
    rt = runtime.get()
    try:
        step = Outcome(
            asset_pair,
            pnl_dollars,
            action=action,
            platform=platform,
            decision_id=decision_id,
            duration_seconds=duration_seconds,
            confidence=confidence,
        )
    except (TypeError, ValueError):
        if rt is not None:
            rt.failed("trade_outcome")
        return
    with step:
        pass


def _gauge(metric: semconv.Metric, value: float, label: str) -> None:
    rt = runtime.get()
    if rt is None:
        return
    try:
        rt.instruments.record(metric, value, label)
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed(metric.name)


def breaker_state(service: str, state: str) -> None:
    """Record a circuit breaker's state: ``closed``, ``open`` or ``half_open``."""
    _gauge(semconv.BREAKER_STATE_GAUGE, semconv.BREAKER_STATES.get(state, -1), service)


def portfolio(
    platform: str, *, value_dollars: float | None = None, active_trades: int | None = None
) -> None:
    """Record the portfolio's value in USD and the number of open positions."""
    if value_dollars is not None:
        _gauge(semconv.PORTFOLIO_VALUE, value_dollars, platform)
    if active_trades is not None:
        _gauge(semconv.ACTIVE_TRADES, active_trades, platform)


def cache(name: str, hit: bool) -> None:
    """Count a cache look-up."""
    rt = runtime.get()
    if rt is None:
        return
    try:
        rt.instruments.record(semconv.CACHE_REQUESTS, 1, name, "hit" if hit else "miss")
    except Exception:  # noqa: BLE001 - telemetry must not reach the engine
        rt.failed("cache")
