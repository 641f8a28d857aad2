# SPDX-License-Identifier: Apache-2.0
"""Believable OODA cycles, told phase by phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sample_records import Cycle, exception_event

from ffe_otel import semconv as s

if TYPE_CHECKING:
    import random

ASSETS = ("BTCUSD", "ETHUSD", "EURUSD")
MODELS = (("ollama", "llama3.2:3b", 0.0, 0.0), ("openai", "gpt-4o-mini", 0.15, 0.6))
REJECTIONS = (
    ("max_drawdown", "Drawdown 6.1 % is above the limit of 5 %"),
    ("stale_data", "Market data is 412 s old"),
    ("correlation", "Two open positions are correlated at 0.91"),
    ("low_confidence", "Confidence 48 is under the threshold of 60"),
)


def perception(c: Cycle, asset: str) -> bool:
    """Fetch market data; whether it worked."""
    phase, start = c.new_id(), c.now
    c.state("PERCEPTION")
    fails = c.rng.random() < 0.05
    for endpoint in ("get_market_data", "get_sentiment", "get_technicals"):
        began, fetch, broken = c.tick(0.01, 0.05), c.new_id(), fails and endpoint == "get_sentiment"
        inner = c.tick(0.001, 0.01)
        c.tick(0.08, 0.6)
        events = exception_event(c.now, "HTTPError", "502 Bad Gateway") if broken else None
        c.span(
            "GET",
            inner,
            fetch,
            {
                s.HTTP_METHOD: "GET",
                s.HTTP_STATUS: 502 if broken else 200,
                s.SERVER_ADDRESS: "api.example.com",
            },
            kind=3,
            error="502" if broken else "",
        )
        c.span(
            s.SPAN_DATA_FETCH,
            began,
            phase,
            {
                s.DATA_SERVICE: "alpha_vantage",
                s.DATA_ENDPOINT: endpoint,
                s.ASSET_PAIR: asset,
                s.DATA_STALE: False,
            },
            span_id=fetch,
            error="HTTPError: 502 Bad Gateway" if broken else "",
            events=events,
        )
        if broken:
            c.log(
                fetch,
                "ERROR",
                "finance_feedback_engine.data_providers.alpha_vantage_provider",
                f"Sentiment fetch for {asset} failed: 502 Bad Gateway",
                attrs={
                    "exception.type": "HTTPError",
                    "exception.message": "502 Bad Gateway",
                    "exception.stacktrace": "Traceback ...\nHTTPError: 502",
                },
            )
    c.log(
        phase,
        "INFO",
        "finance_feedback_engine.agent.trading_loop_agent",
        f"Market data for {asset} complete",
    )
    c.span(
        s.SPAN_PHASE_PREFIX + "perception",
        start,
        c.root_id,
        {s.PHASE: "perception"},
        span_id=phase,
        error="data incomplete" if fails else "",
    )
    return not fails


def reasoning(c: Cycle, asset: str) -> tuple[str, float, str] | None:
    """Debate and decide; action, confidence and decision id, or None when the model failed."""
    phase, decision, start = c.new_id(), c.new_id(), c.now
    c.state("REASONING")
    began, failed = c.tick(0.001, 0.01), c.rng.random() < 0.06
    for role in ("bull", "bear", "judge"):
        provider, model, price_in, price_out = MODELS[role == "judge"]
        debate, role_start = c.new_id(), c.tick(0.001, 0.005)
        broken = failed and role == "judge"
        call_start, tokens_in = c.tick(0.001, 0.004), c.rng.randint(700, 2600)
        c.tick(0.4, 2.4)
        tokens_out = 0 if broken else c.rng.randint(80, 420)
        chat = c.span(
            f"chat {model}",
            call_start,
            debate,
            {
                s.GEN_AI_OPERATION: "chat",
                s.GEN_AI_PROVIDER: provider,
                s.GEN_AI_REQUEST_MODEL: model,
                s.GEN_AI_INPUT_TOKENS: tokens_in,
                s.GEN_AI_OUTPUT_TOKENS: tokens_out,
                s.LLM_PHASE: role,
                s.LLM_STATUS: "timeout" if broken else "success",
                s.LLM_COST_USD: (tokens_in * price_in + tokens_out * price_out) / 1e6,
            },
            kind=3,
            error="TimeoutError: no answer in 30 s" if broken else "",
            events=exception_event(c.now, "TimeoutError", "no answer") if broken else None,
        )
        c.log(
            chat,
            "INFO",
            s.SCOPE,
            f"LLM call {model}",
            attrs={
                "provider": provider,
                "model": model,
                "phase": role,
                "tokens_used": tokens_in,
                "duration_ms": (c.now - call_start) / 1e6,
                "cost_usd": 0.0,
            },
            event=s.EVENT_LLM_CALL,
        )
        c.span(
            s.SPAN_DEBATE_ROLE,
            role_start,
            decision,
            {s.DEBATE_ROLE: role, s.DEBATE_FAILED: broken},
            span_id=debate,
        )
    decision_id = f"{c.rng.getrandbits(32):08x}-{asset.lower()}-{c.number}"
    action = c.rng.choices(("HOLD", "BUY", "SELL"), (4, 3, 3))[0]
    confidence = round(c.rng.uniform(45, 95), 1)
    attrs = {
        s.ASSET_PAIR: asset,
        s.DECISION_ID: decision_id,
        s.DECISION_ORIGIN: "judge",
        s.DECISION_ACTION: action,
        s.DECISION_CONFIDENCE: confidence,
    }
    c.span(
        s.SPAN_DECISION,
        began,
        phase,
        {s.ASSET_PAIR: asset} if failed else attrs,
        span_id=decision,
        error="judge gave no answer" if failed else "",
    )
    if failed:
        c.log(
            phase,
            "ERROR",
            "finance_feedback_engine.decision_engine.engine",
            f"Debate for {asset} failed, no decision",
        )
    else:
        c.log(
            decision,
            "INFO",
            "finance_feedback_engine.decision_engine.engine",
            f"Decision for {asset}: {action} ({confidence} %)",
            attrs={s.DECISION_ID: decision_id},
        )
    c.span(
        s.SPAN_PHASE_PREFIX + "reasoning",
        start,
        c.root_id,
        {s.PHASE: "reasoning"},
        span_id=phase,
        error="no decision" if failed else "",
    )
    return None if failed else (action, confidence, decision_id)


def risk_check(c: Cycle, asset: str) -> str | None:
    """Ask the gatekeeper; None when it approved, else the reason code."""
    phase, check, start = c.new_id(), c.new_id(), c.now
    c.state("RISK_CHECK")
    began = c.tick(0.001, 0.004)
    code, reason = c.rng.choice(REJECTIONS) if c.rng.random() < 0.3 else (None, "all checks passed")
    for rule, _ in REJECTIONS:
        rule_start = c.now
        c.tick(0.001, 0.01)
        verdict = "rejected" if rule == code else "approved"
        c.span(s.SPAN_RISK_RULE, rule_start, check, {s.RISK_RULE: rule, s.RISK_VERDICT: verdict})
        if rule == code:
            break
    c.span(
        s.SPAN_RISK_CHECK,
        began,
        phase,
        {
            s.ASSET_PAIR: asset,
            s.RISK_LAYER: "gatekeeper",
            s.RISK_REASON: reason,
            s.RISK_VERDICT: "rejected" if code else "approved",
            s.RISK_REASON_CODE: code,
            s.RISK_ACTION: "deny" if code else "allow",
        },
        span_id=check,
    )
    if code:
        c.log(check, "WARNING", "finance_feedback_engine.risk.gatekeeper", f"Rejected: {reason}")
    c.span(
        s.SPAN_PHASE_PREFIX + "risk_check", start, c.root_id, {s.PHASE: "risk_check"}, span_id=phase
    )
    return code


def execution(c: Cycle, asset: str, action: str, decision_id: str) -> None:
    """Place the order and, now and then, close a trade with a profit or a loss."""
    phase, start = c.new_id(), c.now
    c.state("EXECUTION")
    began = c.tick(0.001, 0.01)
    c.tick(0.1, 0.5)
    order = f"ord-{c.rng.getrandbits(24):06x}"
    trade = c.span(
        s.SPAN_TRADE_EXECUTE,
        began,
        phase,
        {
            s.ASSET_PAIR: asset,
            s.TRADE_ACTION: action,
            s.TRADE_PLATFORM: "paper",
            s.TRADE_SUCCESS: True,
            s.TRADE_ORDER_ID: order,
            s.TRADE_ORDER_STATUS: "FILLED",
            s.DECISION_ID: decision_id,
            s.TRADE_FEE: 0.42,
            s.TRADE_SLIPPAGE: 0.0004,
            s.TRADE_FILL_PRICE: round(c.rng.uniform(100, 60000), 2),
        },
    )
    c.log(trade, "INFO", "finance_feedback_engine.trading_platforms.paper", f"Order {order} filled")
    c.span(
        s.SPAN_PHASE_PREFIX + "execution", start, c.root_id, {s.PHASE: "execution"}, span_id=phase
    )
    phase, start = c.new_id(), c.now
    c.state("LEARNING")
    began = c.tick(0.005, 0.02)
    if c.rng.random() < 0.5:
        pnl = round(c.rng.gauss(4, 30), 2)
        c.tick(0.001, 0.01)
        c.span(
            s.SPAN_TRADE_OUTCOME,
            began,
            phase,
            {
                s.ASSET_PAIR: asset,
                s.TRADE_PNL_DOLLARS: pnl,
                s.TRADE_ACTION: action,
                s.TRADE_OUTCOME: "win" if pnl > 0 else "loss",
                s.TRADE_PLATFORM: "paper",
            },
        )
    c.tick(0.002, 0.02)
    c.span(s.SPAN_PHASE_PREFIX + "learning", start, c.root_id, {s.PHASE: "learning"}, span_id=phase)


def make_cycle(rng: random.Random, start: int, number: int) -> Cycle:
    """Tell one whole cycle beginning at ``start`` ns."""
    c, asset = Cycle(rng, start, number), rng.choice(ASSETS)
    identity: dict[str, object] = {
        s.AGENT_ID: "agent-1",
        s.CYCLE_NUMBER: number,
        s.ASSET_PAIRS: [asset],
    }
    c.log(c.root_id, "INFO", s.SCOPE, "cycle started", attrs=identity, event=s.EVENT_CYCLE_STARTED)
    outcome, reason, error = "no_trade", "hold", ""
    complete = perception(c, asset)
    decision = reasoning(c, asset)
    if decision is None:
        outcome, reason, error = "failed", "llm_timeout", "no decision"
    elif decision[0] != "HOLD":
        rejected = risk_check(c, asset)
        outcome, reason = ("rejected", rejected) if rejected else ("executed", "filled")
        if not rejected:
            execution(c, asset, decision[0], decision[2])
    if decision:
        identity |= {
            s.DECISION_ACTION: decision[0],
            s.DECISION_CONFIDENCE: decision[1],
            s.DECISION_ID: decision[2],
        }
    c.tick(0.001, 0.01)
    c.state("IDLE")
    c.span(
        s.SPAN_CYCLE,
        start,
        None,
        {
            **identity,
            s.CYCLE_OUTCOME: outcome,
            s.CYCLE_REASON: reason,
            s.CYCLE_ERRORS: (not complete) + (decision is None),
        },
        span_id=c.root_id,
        error=error,
    )
    return c
