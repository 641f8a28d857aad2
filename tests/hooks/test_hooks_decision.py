# SPDX-License-Identifier: Apache-2.0
"""Decisions, debates, ensembles, and the calls to models under them."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from ffe_otel import semconv

DECISION = ["ffe.cycle", "ffe.phase.reasoning", "ffe.decision.generate"]


def calls(cycle):
    return [span for span in cycle.spans if span.name.startswith("chat ")]


def by_phase(cycle):
    return {span.attributes[semconv.LLM_PHASE]: span for span in calls(cycle)}


def test_a_debate_has_three_roles_with_a_call_each(run_engine):
    cycle = run_engine(llm="debate", assets=("AAPL",)).cycles[0]

    roles = {span.attributes[semconv.DEBATE_ROLE]: span for span in cycle.named("ffe.debate.role")}
    assert set(roles) == {"bull", "bear", "judge"}
    found = by_phase(cycle)
    assert set(found) == {"pre_reason", "bull", "bear", "judge"}
    for role, span in roles.items():
        assert cycle.path(span) == [*DECISION, "ffe.debate.role"]
        assert found[role].parent.span_id == span.context.span_id
        assert (
            span.attributes[semconv.LLM_PROVIDER]
            == found[role].attributes[semconv.GEN_AI_REQUEST_MODEL]
        )
    assert cycle.path(found["pre_reason"])[:-1] == DECISION
    assert roles["judge"].start_time >= roles["bull"].start_time
    assert cycle.one("ffe.ensemble.aggregate")


def test_a_call_follows_the_conventions_and_is_counted(run_engine):
    engine = run_engine(llm="local", assets=("AAPL",))

    cycle = engine.cycles[0]
    call = by_phase(cycle)["single"]
    attributes = call.attributes
    assert call.kind is SpanKind.CLIENT
    assert call.name == f"chat {attributes[semconv.GEN_AI_REQUEST_MODEL]}"
    assert attributes[semconv.GEN_AI_PROVIDER] == "ollama"
    assert attributes[semconv.GEN_AI_FINISH_REASONS] == ("stop",)
    assert attributes[semconv.GEN_AI_INPUT_TOKENS] > attributes[semconv.GEN_AI_OUTPUT_TOKENS] > 0
    assert attributes[semconv.LLM_COST_USD] == 0.0
    assert semconv.GEN_AI_INPUT_MESSAGES not in attributes
    total = sum(span.attributes[semconv.LLM_TOKENS] for span in calls(cycle))
    assert cycle.attributes[semconv.LLM_TOKENS] == total
    assert engine.value(semconv.LLM_TOKENS_TOTAL) == total
    requests = engine.value(semconv.PROVIDER_REQUESTS, provider="ollama", status="success")
    assert requests == len(calls(cycle)) == engine.summary["llm_calls"]
    phases = {m["phase"] for m in engine.labels(semconv.DECISION_GENERATION)}
    assert phases == {"pre_reason", "single", "total"}


def test_calls_made_in_pool_threads_are_under_their_decision(run_engine):
    engine = run_engine(cycles=2, llm="ensemble")

    for cycle in engine.cycles:
        assert calls(cycle)
        assert {tuple(cycle.path(span)[:3]) for span in calls(cycle)} == {tuple(DECISION)}
    outside = [t for t in engine.traces if t not in engine.cycles for span in calls(t)]
    assert outside == []


def test_an_ensemble_asks_each_provider_and_says_how_they_agreed(run_engine):
    cycle = run_engine(llm="ensemble", assets=("AAPL",)).cycles[0]

    asked = [s for s in calls(cycle) if s.attributes[semconv.LLM_PHASE] == "ensemble"]
    assert len({span.name for span in asked}) == 3
    vote = cycle.one("ffe.ensemble.aggregate")
    assert 0 < vote.attributes[semconv.ENSEMBLE_AGREEMENT] <= 1
    assert vote.attributes[semconv.ENSEMBLE_STRATEGY]


def test_a_provider_behind_a_command_is_a_call_too(run_engine):
    engine = run_engine(llm="cli", assets=("AAPL",))

    call = by_phase(engine.cycles[0])["single"]
    assert call.name == "chat cli"
    assert call.attributes[semconv.GEN_AI_PROVIDER] == "cli"
    assert call.attributes[semconv.GEN_AI_RESPONSE_MODEL]
    assert call.attributes[semconv.GEN_AI_INPUT_TOKENS] > 0
    assert semconv.LLM_COST_USD not in call.attributes
    assert engine.value(semconv.PROVIDER_REQUESTS, provider="cli", status="success") == 1


def test_a_decision_says_what_was_decided(run_engine):
    engine = run_engine(llm="debate", assets=("AAPL",))

    cycle = engine.cycles[0]
    decision = cycle.one("ffe.decision.generate")
    attributes = decision.attributes
    assert attributes[semconv.ASSET_PAIR] == "AAPL"
    assert attributes[semconv.DECISION_ID]
    assert attributes[semconv.DECISION_ORIGIN]
    assert 0 <= attributes[semconv.DECISION_CONFIDENCE] <= 100
    assert semconv.DECISION_REASONING not in attributes
    assert (
        engine.value(
            semconv.DECISION_CONFIDENCE_GAUGE,
            asset_pair="AAPL",
            action=attributes[semconv.DECISION_ACTION],
        )
        == attributes[semconv.DECISION_CONFIDENCE]
    )
    (latency,) = engine.labels(semconv.DECISION_LATENCY)
    assert latency["asset_pair"] == "AAPL"


@pytest.mark.parametrize("llm", ["local", "ensemble", "debate"])
def test_a_server_that_is_down_fails_requests_that_were_never_sent(run_engine, llm):
    engine = run_engine(cycles=2, llm=llm, faults=["llm_down"])

    for cycle in engine.cycles:
        assert cycle.attributes[semconv.CYCLE_OUTCOME] == "failed"
        assert cycle.root.status.status_code is StatusCode.ERROR
        assert calls(cycle)
        assert {span.status.status_code for span in calls(cycle)} == {StatusCode.ERROR}
    assert engine.value(semconv.PROVIDER_REQUESTS, provider="ollama", status="success") is None
    assert engine.value(semconv.PROVIDER_REQUESTS, provider="ollama", status="failure")


def test_a_role_that_fails_is_said_to_have_failed(run_engine):
    engine = run_engine(llm="debate", assets=("AAPL",), faults=["failing_provider"])

    cycle = engine.cycles[0]
    failed = [s for s in cycle.named("ffe.debate.role") if s in cycle.failed]
    assert failed
    assert all(span.attributes[semconv.DEBATE_FAILED] for span in failed)
    assert cycle.one("ffe.decision.generate") in cycle.failed
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "failed"


@pytest.mark.parametrize("llm", ["local", "ensemble", "debate", "cli"])
def test_an_answer_that_is_no_decision_is_an_error(run_engine, llm):
    engine = run_engine(llm=llm, assets=("AAPL",), faults=["bad_llm_json"])

    cycle = engine.cycles[0]
    assert cycle.root.status.status_code is StatusCode.ERROR
    assert cycle.attributes[semconv.CYCLE_OUTCOME] == "failed"
    if llm in {"local", "cli"}:
        decision = cycle.one("ffe.decision.generate")
        assert decision.status.description == "fallback decision: malformed_provider_response"
        assert cycle.attributes[semconv.CYCLE_REASON] == "malformed_provider_response"


def unusable(engine, *phases):
    """What counts the calls of these phases that the engine could not use: three ways."""
    spans = [s for s in calls(engine.cycles[0]) if s.attributes[semconv.LLM_PHASE] in phases]
    events = [e for e in engine.telemetry.events(semconv.EVENT_LLM_CALL) if e["phase"] in phases]
    said = [s.attributes[semconv.LLM_STATUS] for s in spans]
    assert said == [event[semconv.LLM_STATUS] for event in events]
    assert [s in engine.cycles[0].failed for s in spans] == [status == "failure" for status in said]
    return said


@pytest.mark.parametrize(
    ("llm", "provider", "phases"),
    [
        ("local", "ollama", ["single"]),
        ("ensemble", "ollama", ["ensemble"]),
        ("debate", "ollama", ["bull", "bear"]),
        ("cli", "cli", ["single"]),
    ],
)
def test_an_answer_that_the_engine_cannot_use_is_a_failed_call(run_engine, llm, provider, phases):
    engine = run_engine(llm=llm, assets=("AAPL",), faults=["bad_llm_json"])

    said = unusable(engine, *phases)
    assert said
    assert set(said) == {"failure"}
    counted = engine.value(semconv.PROVIDER_REQUESTS, provider=provider, status="failure")
    assert counted == len(said)
    assert engine.cycles[0].attributes[semconv.LLM_TOKENS] > 0
    assert engine.telemetry.handle.runtime.abort_open() == 0
    assert engine.hook_failures == {}


def test_only_the_answers_that_were_asked_for_again_are_failures(start_engine, monkeypatch):
    from finance_feedback_engine.decision_engine import local_llm_provider

    engine = start_engine(llm="local", assets=("AAPL",))
    parse, parsed = local_llm_provider.parse_decision, []

    def first_is_malformed(text):
        parsed.append(text)
        return parse(text) if len(parsed) > 1 else None

    monkeypatch.setattr(local_llm_provider, "parse_decision", first_is_malformed)
    engine.run()

    assert unusable(engine, "single") == ["failure", "success"]
    first, second = (
        s for s in calls(engine.cycles[0]) if s.attributes[semconv.LLM_PHASE] == "single"
    )
    assert first.status.description == "unusable answer, the engine asked again"
    assert first.end_time <= second.start_time
    assert engine.cycles[0].attributes[semconv.CYCLE_OUTCOME] == "executed"


def test_a_call_ends_when_it_was_answered_not_when_it_was_judged(start_engine, monkeypatch):
    from finance_feedback_engine.decision_engine import local_llm_provider

    engine = start_engine(llm="local", assets=("AAPL",))
    parse = local_llm_provider.parse_decision

    def slowly(text):
        engine.telemetry.clock.advance(60)
        return parse(text)

    monkeypatch.setattr(local_llm_provider, "parse_decision", slowly)
    engine.run()

    call = by_phase(engine.cycles[0])["single"]
    assert call.end_time - call.start_time < 60e9
    seconds = engine.value(semconv.DECISION_GENERATION, provider="ollama", phase="single")
    assert seconds < 60


def test_an_answer_that_nobody_waits_for_any_more_is_reported_at_once(ffe_telemetry):
    import ffe_otel
    from ffe_otel.capture.hooks.provider_request import Request

    request = Request("bull", judged=True)
    with ffe_otel.cycle():
        with ffe_otel.llm_call("ollama", "m", phase="bull") as call:
            call.await_verdict()
        request.judged = False
        assert ffe_telemetry.events(semconv.EVENT_LLM_CALL) == []

        request.answered(call)
        request.judge("too late to say so")

    (event,) = ffe_telemetry.events(semconv.EVENT_LLM_CALL)
    assert event[semconv.LLM_STATUS] == "success"
    assert request.failed_calls == 0


def test_a_call_that_is_not_judged_when_the_process_ends_is_reported_once(ffe_telemetry):
    import ffe_otel

    with ffe_otel.cycle():
        with ffe_otel.llm_call("ollama", "m") as call:
            call.await_verdict()
        ffe_telemetry.clock.advance(60)
        ffe_telemetry.handle.runtime.abort_open()
        call.judge("of no use")

    (span,) = (s for s in ffe_telemetry.spans if s.name == "chat m")
    assert span.attributes[semconv.LLM_STATUS] == "success"
    assert semconv.ABORTED not in span.attributes
    assert span.end_time - span.start_time < 60e9
    (event,) = ffe_telemetry.events(semconv.EVENT_LLM_CALL)
    assert event[semconv.LLM_STATUS] == "success"


def test_a_command_that_fails_is_a_failed_call(run_engine):
    engine = run_engine(llm="cli", assets=("AAPL",), faults=["failing_provider"])

    call = by_phase(engine.cycles[0])["single"]
    assert call.status.status_code is StatusCode.ERROR
    assert engine.value(semconv.PROVIDER_REQUESTS, provider="cli", status="failure") == 1


def test_a_call_that_took_longer_than_the_engine_waits_is_a_timeout(start_engine):
    engine = start_engine(llm="local", assets=("AAPL",), llm_latency=0.2)
    local = engine.session.engine.decision_engine.ai_manager._local
    local.config = {"api_timeouts": {"llm_query": 0.01}}
    engine.run()

    statuses = {span.attributes[semconv.LLM_STATUS] for span in calls(engine.cycles[0])}
    assert statuses == {"timeout"}
    assert engine.value(semconv.PROVIDER_REQUESTS, provider="ollama", status="timeout")


def test_loading_a_model_is_no_call(ffe_telemetry, monkeypatch):
    import ollama

    monkeypatch.setattr(ollama.Client, "_request", lambda *_args, **_kwargs: {"done": True})
    client = ollama.Client(host="http://127.0.0.1:9")

    client.generate("gemma2:9b")
    client.generate("gemma2:9b", "a prompt")

    (call,) = ffe_telemetry.events(semconv.EVENT_LLM_CALL)
    assert (call["model"], call["phase"]) == ("gemma2:9b", "single")


def test_a_provider_that_names_its_model_late_has_that_model_s_price(ffe_telemetry):
    import ffe_otel
    from ffe_otel.capture.prices import PriceTable
    from ffe_otel.config.model import Price

    row = Price("cli", "big-model", 1.0, 10.0, "2026-01-01")
    ffe_telemetry.handle.runtime.prices = PriceTable((row,))
    with ffe_otel.cycle(), ffe_otel.llm_call("cli", "cli") as call:
        call.tokens(1_000_000, 100_000)
        call.response_model("big-model")

    (event,) = ffe_telemetry.events(semconv.EVENT_LLM_CALL)
    assert event["cost_usd"] == pytest.approx(2.0)
