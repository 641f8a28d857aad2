# SPDX-License-Identifier: Apache-2.0
"""The manual API, seen through in-memory exporters behind the real redaction."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import ffe_otel
from ffe_otel import semconv
from ffe_otel.capture import api, runtime
from ffe_otel.config.model import LLM, Config, Limits, Price

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan


class Captured:
    """An installed capture and what it exported."""

    def __init__(self, handle: ffe_otel.Handle, parts: tuple[Any, Any, Any]) -> None:
        self.handle = handle
        self._spans, self._logs, self._reader = parts

    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        (found,) = [s for s in self.spans() if s.name == name]
        return found

    def names(self) -> dict[str, str | None]:
        by_id = {s.context.span_id: s.name for s in self.spans()}
        return {s.name: by_id.get(s.parent.span_id) if s.parent else None for s in self.spans()}

    def events(self, name: str) -> list[dict[str, Any]]:
        return [
            dict(data.log_record.attributes or {})
            for data in self._logs.get_finished_logs()
            if data.log_record.event_name == name
        ]

    def points(self, metric: semconv.Metric) -> dict[tuple[Any, ...], Any]:
        data = self._reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for one in scope.metrics:
                    if one.name == metric.name:
                        for point in one.data.data_points:
                            labels = tuple(point.attributes.get(k) for k in metric.labels)
                            found[labels] = point
        return found


@contextlib.contextmanager
def captured(
    tmp_path: Path, config: Config | None = None, *, hooks: bool = False
) -> Iterator[Captured]:
    config = replace(config or Config(), state_dir=str(tmp_path))
    parts = (InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader())
    handle = ffe_otel.install(
        config,
        span_exporter=parts[0],
        log_exporter=parts[1],
        metric_reader=parts[2],
        hooks=hooks,
        set_global=False,
    )
    try:
        yield Captured(handle, parts)
    finally:
        handle.uninstall()


@pytest.fixture
def ffe(tmp_path: Path) -> Iterator[Captured]:
    with captured(tmp_path) as found:
        yield found


def test_names_of_arguments_have_dots_where_two_underscores_stand(ffe: Captured) -> None:
    with ffe_otel.cycle(["EURUSD"]) as cycle:
        cycle.set({"my__key": 1, "order.id": "late"}, order__id="early", absent=None)

    attributes = ffe.span("ffe.cycle").attributes or {}
    assert attributes["my__key"] == 1
    assert attributes["order.id"] == "early"
    assert "absent" not in attributes


def test_a_cycle_is_one_trace_with_the_documented_tree(ffe: Captured) -> None:
    with ffe_otel.cycle(["BTCUSD"], number=7) as cycle:
        with (
            ffe_otel.phase("perception"),
            ffe_otel.data_fetch("coinbase", "candles", asset_pair="BTCUSD") as fetch,
        ):
            fetch.status(200)
        with ffe_otel.phase("reasoning"), ffe_otel.decision("BTCUSD", "ensemble") as decision:
            with (
                ffe_otel.debate_role("bull", "gemma2:9b"),
                ffe_otel.llm_call("ollama", "gemma2:9b", phase="bull") as call,
            ):
                call.tokens(120, 30)
            decision.result("OPEN_SMALL_LONG", 81.0, decision_id="d-1")
        with ffe_otel.phase("risk_check"), ffe_otel.risk_check("BTCUSD") as risk:
            with ffe_otel.risk_rule("leverage") as rule:
                rule.approve()
            risk.approve("all checks passed")
        with (
            ffe_otel.phase("execution"),
            ffe_otel.trade(
                "BTCUSD", "BUY", "paper", decision_id="d-1", confidence=81.0
            ) as trade_step,
        ):
            trade_step.filled(order_id="o-1", price=100.5, size=0.1, fee=0.02, slippage=0.001)
        with ffe_otel.phase("learning"):
            ffe_otel.trade_outcome("BTCUSD", -3.5, action="SELL", platform="paper")
        assert ffe_otel.current_cycle() is cycle

    assert ffe.names() == {
        "ffe.cycle": None,
        "ffe.phase.perception": "ffe.cycle",
        "ffe.data.fetch": "ffe.phase.perception",
        "ffe.phase.reasoning": "ffe.cycle",
        "ffe.decision.generate": "ffe.phase.reasoning",
        "ffe.debate.role": "ffe.decision.generate",
        "chat gemma2:9b": "ffe.debate.role",
        "ffe.phase.risk_check": "ffe.cycle",
        "ffe.risk.check": "ffe.phase.risk_check",
        "ffe.risk.rule": "ffe.risk.check",
        "ffe.phase.execution": "ffe.cycle",
        "ffe.trade.execute": "ffe.phase.execution",
        "ffe.phase.learning": "ffe.cycle",
        "ffe.trade.outcome": "ffe.phase.learning",
    }
    assert len({s.context.trace_id for s in ffe.spans()}) == 1
    root = ffe.span("ffe.cycle").attributes
    assert root is not None
    assert {
        k: root[k]
        for k in (
            semconv.CYCLE_NUMBER,
            semconv.CYCLE_OUTCOME,
            semconv.CYCLE_REASON,
            semconv.DECISION_ACTION,
            semconv.DECISION_ID,
            semconv.TRADE_ORDER_ID,
            semconv.TRADE_FILL_PRICE,
            semconv.TRADE_FEE,
            semconv.TRADE_PNL_DOLLARS,
            semconv.LLM_TOKENS,
            semconv.LLM_COST_USD,
            semconv.CYCLE_ERRORS,
        )
    } == {
        semconv.CYCLE_NUMBER: 7,
        semconv.CYCLE_OUTCOME: "executed",
        semconv.CYCLE_REASON: "executed",
        semconv.DECISION_ACTION: "BUY",
        semconv.DECISION_ID: "d-1",
        semconv.TRADE_ORDER_ID: "o-1",
        semconv.TRADE_FILL_PRICE: 100.5,
        semconv.TRADE_FEE: 0.02,
        semconv.TRADE_PNL_DOLLARS: -3.5,
        semconv.LLM_TOKENS: 150,
        semconv.LLM_COST_USD: 0.0,
        semconv.CYCLE_ERRORS: 0,
    }
    assert ffe.span("ffe.cycle").status.status_code is StatusCode.UNSET


def test_a_cycle_leaves_the_trace_it_was_started_in_and_links_to_it(ffe: Captured) -> None:
    assert ffe.handle.tracer_provider is not None
    tracer = ffe.handle.tracer_provider.get_tracer("engine")
    with tracer.start_as_current_span("agent.ooda.run") as run:
        with ffe_otel.cycle():
            pass
        with ffe_otel.cycle():
            pass
        outer = run.get_span_context()
    cycles = [s for s in ffe.spans() if s.name == "ffe.cycle"]
    assert len({s.context.trace_id for s in cycles} | {outer.trace_id}) == 3
    assert [s.parent for s in cycles] == [None, None]
    assert [link.context.span_id for s in cycles for link in s.links] == [outer.span_id] * 2


def test_phases_stay_under_the_cycle_when_the_engine_has_a_span_of_its_own(ffe: Captured) -> None:
    assert ffe.handle.tracer_provider is not None
    tracer = ffe.handle.tracer_provider.get_tracer("engine")
    with (
        ffe_otel.cycle(),
        tracer.start_as_current_span("agent.ooda.cycle"),
        ffe_otel.phase("reasoning"),
        tracer.start_as_current_span("decision.generate"),
    ):
        pass
    assert ffe.names() == {
        "ffe.cycle": None,
        "agent.ooda.cycle": "ffe.cycle",
        "ffe.phase.reasoning": "ffe.cycle",
        "decision.generate": "ffe.phase.reasoning",
    }


def test_an_exception_passes_through_and_shows_once_on_the_cycle(ffe: Captured) -> None:
    with (
        pytest.raises(ValueError, match="no data"),
        ffe_otel.cycle(),
        ffe_otel.phase("perception"),
        ffe_otel.data_fetch("coinbase", "candles"),
    ):
        raise ValueError("no data")
    root = ffe.span("ffe.cycle")
    assert root.status.status_code is StatusCode.ERROR
    assert root.attributes is not None
    assert root.attributes[semconv.CYCLE_ERRORS] == 1
    assert root.attributes[semconv.CYCLE_OUTCOME] == "failed"
    fetch = ffe.span("ffe.data.fetch")
    assert fetch.status.description == "ValueError: no data"
    assert [e.name for e in fetch.events] == ["exception"]
    assert list(ffe.points(semconv.PROVIDER_REQUESTS)) == [("coinbase", "failure")]


def test_a_swallowed_failure_is_an_error_on_the_cycle(ffe: Captured) -> None:
    with ffe_otel.cycle() as cycle, ffe_otel.phase("reasoning"):
        cycle.error(RuntimeError("provider down"), "analysis of BTCUSD")
    root = ffe.span("ffe.cycle")
    assert root.status.description == "analysis of BTCUSD: RuntimeError: provider down"
    assert [e.name for e in root.events] == ["ffe.cycle.error"]


@pytest.mark.parametrize(
    ("outcomes", "left"),
    [
        ([("no_trade", "hold"), ("rejected", "leverage")], ("rejected", "leverage")),
        ([("executed", "executed"), ("rejected", "leverage")], ("executed", "executed")),
        ([("failed", "x"), ("stopped", "kill_switch")], ("stopped", "kill_switch")),
        ([], ("no_trade", "no_decision")),
    ],
)
def test_the_weightiest_outcome_stays(
    ffe: Captured, outcomes: list[tuple[str, str]], left: tuple[str, str]
) -> None:
    with ffe_otel.cycle() as cycle:
        for outcome, reason in outcomes:
            cycle.outcome(outcome, reason)
    root = ffe.span("ffe.cycle").attributes
    assert root is not None
    assert (root[semconv.CYCLE_OUTCOME], root[semconv.CYCLE_REASON]) == left


def test_a_cancelled_cycle_says_so(ffe: Captured) -> None:
    async def go() -> None:
        with ffe_otel.cycle():
            started.set()
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(go())
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    started = asyncio.Event()
    asyncio.run(main())
    root = ffe.span("ffe.cycle").attributes
    assert root is not None
    assert root[semconv.CYCLE_OUTCOME] == "cancelled"


def test_decorators_measure_every_call_of_sync_and_async_functions(ffe: Captured) -> None:
    @ffe_otel.cycle(["BTCUSD"])
    def step(value: int) -> int:
        """Add one."""
        return value + 1

    @ffe_otel.phase("perception")
    async def perceive(value: int) -> int:
        return value + 1

    @ffe_otel.cycle()
    async def whole(value: int) -> int:
        return await perceive(value)

    async def main() -> list[int]:
        return list(await asyncio.gather(whole(1), whole(2)))

    assert [step(1), step(2)] == [2, 3]
    assert asyncio.run(main()) == [2, 3]
    assert step.__doc__ == "Add one."
    assert asyncio.iscoroutinefunction(whole)
    assert [s.name for s in ffe.spans()].count("ffe.cycle") == 4
    assert len({s.context.trace_id for s in ffe.spans()}) == 4


def test_a_generator_function_is_refused_with_the_reason() -> None:
    with pytest.raises(TypeError, match="generator function: use `with`"):

        @ffe_otel.phase("perception")
        def rows() -> Iterator[int]:
            yield 1


def test_context_survives_threads_executors_and_tasks(tmp_path: Path) -> None:
    def call(model: str) -> None:
        with ffe_otel.llm_call("ollama", model):
            pass

    async def task(model: str) -> None:
        call(model)

    async def main() -> None:
        with ffe_otel.cycle(), ffe_otel.phase("reasoning"):
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(max_workers=1) as pool:
                pool.submit(call, "pool").result()
                await loop.run_in_executor(pool, call, "executor")
            await loop.run_in_executor(None, call, "default-executor")
            await asyncio.to_thread(call, "to_thread")
            await asyncio.gather(task("gather"), asyncio.create_task(task("create_task")))

    with captured(tmp_path, hooks=True) as ffe:
        asyncio.run(main())
        calls = {n: p for n, p in ffe.names().items() if n.startswith("chat ")}
    assert calls == dict.fromkeys(
        (
            "chat pool",
            "chat executor",
            "chat default-executor",
            "chat to_thread",
            "chat gather",
            "chat create_task",
        ),
        "ffe.phase.reasoning",
    )


def test_outside_a_cycle_there_are_metrics_and_events_but_no_trace(ffe: Captured) -> None:
    with ffe_otel.data_fetch("coinbase", "products", method="GET") as fetch:
        fetch.status(503)
    assert ffe.spans() == []
    assert list(ffe.points(semconv.API_CALL_DURATION)) == [("coinbase", "products")]
    (event,) = ffe.events(semconv.EVENT_API_LATENCY)
    assert event["status_code"] == 503


def test_a_stray_client_span_opens_no_trace(ffe: Captured) -> None:
    assert ffe.handle.tracer_provider is not None
    tracer = ffe.handle.tracer_provider.get_tracer("opentelemetry.instrumentation.requests")
    with tracer.start_as_current_span("GET", kind=trace.SpanKind.CLIENT):
        pass
    with ffe_otel.cycle(), tracer.start_as_current_span("GET", kind=trace.SpanKind.CLIENT):
        pass
    assert ffe.names() == {"ffe.cycle": None, "GET": "ffe.cycle"}


def test_event_records_have_exactly_the_promised_tags_and_field_types(ffe: Captured) -> None:
    with ffe_otel.cycle():
        ffe_otel.transition("IDLE", "PERCEPTION", cycle_count=3)
        with ffe_otel.data_fetch("oanda", "pricing") as fetch:
            fetch.status(200)
        with ffe_otel.llm_call("ollama", "gemma2:9b", phase="judge") as call:
            call.tokens(10, 5)
        with ffe_otel.trade("EURUSD", "SELL", "oanda", decision_id="d", confidence=70) as trade_:
            trade_.filled()
        ffe_otel.trade_outcome(
            "EURUSD", 4, action="BUY", platform="oanda", decision_id="d", duration_seconds=60
        )
    for name, record in semconv.EVENT_RECORDS.items():
        found = ffe.events(name)
        assert found, name
        for event in found:
            for tag in record.tags:
                assert isinstance(event[tag], str), (name, tag)
            for field, kind in record.fields.items():
                assert type(event.get(field, kind())) is kind, (name, field)
    seen = {f for e in ffe.events(semconv.EVENT_TRADE) for f in e}
    assert set(semconv.EVENT_RECORDS[semconv.EVENT_TRADE].fields) <= seen


def test_cost_comes_from_the_price_table_and_an_unknown_model_has_none(tmp_path: Path) -> None:
    prices = (
        Price("openai", "gpt-5*", 2.0, 8.0, "2026-01-01"),
        Price("openai", "gpt-5-mini", 0.5, 1.0, "2026-01-01"),
        Price("openai", "gpt-5-mini", 0.25, 2.0, "2026-06-01"),
        Price("openai", "gpt-5-mini", 9.0, 9.0, "2999-01-01"),
        Price("*", "local-*", 0.0, 0.0),
    )
    config = replace(Config(), llm=LLM(prices=prices))
    with captured(tmp_path, config) as ffe:
        with ffe_otel.cycle():
            for provider, model in (
                ("openai", "gpt-5-pro"),
                ("openai", "gpt-5-mini"),
                ("openai", "o9"),
                ("anything", "local-1"),
            ):
                with ffe_otel.llm_call(provider, model) as call:
                    call.tokens(1_000_000, 500_000)
            with ffe_otel.llm_call("openai", "gpt-5-nano") as call:
                call.tokens(None, None)
        costs = {
            s.name: (s.attributes or {}).get(semconv.LLM_COST_USD)
            for s in ffe.spans()
            if s.name.startswith("chat")
        }
        assert costs == {
            "chat gpt-5-pro": 6.0,
            "chat gpt-5-mini": 1.25,
            "chat o9": None,
            "chat local-1": 0.0,
            "chat gpt-5-nano": None,
        }
        assert ffe.points(semconv.LLM_COST_TOTAL)["openai", "gpt-5-pro"].value == 6.0
        assert ("openai", "o9") not in ffe.points(semconv.LLM_COST_TOTAL)


def test_prompts_are_kept_only_on_request(tmp_path: Path) -> None:
    for keep in (False, True):
        with captured(tmp_path, replace(Config(), llm=LLM(capture_content=keep))) as ffe:
            with ffe_otel.cycle(), ffe_otel.llm_call("ollama", "m") as call:
                call.content("the prompt", "the answer")
            attributes = ffe.span("chat m").attributes or {}
            assert (semconv.GEN_AI_INPUT_MESSAGES in attributes) is keep


def test_a_label_flood_is_folded_counted_and_keeps_its_sum(tmp_path: Path) -> None:
    with captured(tmp_path, replace(Config(), limits=Limits(label_sets=5))) as ffe:
        for i in range(50):
            api.cache(f"cache-{i}", hit=True)
        points = ffe.points(semconv.CACHE_REQUESTS)
        assert len(points) == 6
        assert sum(p.value for p in points.values()) == 50
        assert points["other", "other"].value == 45
        assert ffe.points(semconv.OTEL_FOLDED)[(semconv.CACHE_REQUESTS.name,)].value == 45


def test_histograms_have_the_documented_buckets(ffe: Captured) -> None:
    with ffe_otel.cycle(), ffe_otel.recovery("paper") as recovery:
        recovery.recovered(2)
    (cycle,) = ffe.points(semconv.CYCLE_DURATION).values()
    (recovered,) = ffe.points(semconv.RECOVERY_DURATION).values()
    assert cycle.explicit_bounds == (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
    assert recovered.explicit_bounds == (1.0, 5.0, 10.0, 30.0, 60.0)
    (exemplar,) = cycle.exemplars
    assert exemplar.trace_id == ffe.span("ffe.cycle").context.trace_id


def test_a_correlation_id_becomes_the_trace_id_and_free_text_is_hashed(ffe: Captured) -> None:
    wanted = "0af76519-16cd-43dd-8448-eb211c80319c"
    with ffe_otel.cycle(correlation_id=wanted) as cycle:
        assert cycle.correlation_id == wanted
    with ffe_otel.cycle(correlation_id="order 7 of the night batch") as cycle:
        assert cycle.correlation_id != wanted
    first, second = (s for s in ffe.spans() if s.name == "ffe.cycle")
    assert format(first.context.trace_id, "032x") == wanted.replace("-", "")
    assert semconv.CORRELATION_ID not in (first.attributes or {})
    assert (second.attributes or {})[semconv.CORRELATION_ID] == "order 7 of the night batch"


def test_a_failure_of_ours_never_reaches_the_engine_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> int:
        raise OSError("no clock")

    with captured(tmp_path) as ffe:
        assert ffe.handle.runtime is not None
        ffe.handle.runtime.clock = broken
        with ffe_otel.cycle() as cycle, ffe_otel.phase("perception"):
            cycle.error("x")
            ffe_otel.transition("IDLE", "PERCEPTION")
            with ffe_otel.llm_call("ollama", "m") as call:
                call.tokens("many", object())  # type: ignore[arg-type]
        ffe.handle.runtime.clock = lambda: 1
        assert sum(ffe.handle.runtime.failures.values()) >= 4
    assert "the engine is not affected" in caplog.text


def test_arguments_of_the_wrong_kind_are_counted_not_raised(ffe: Captured) -> None:
    wrong: Any = object()
    with ffe_otel.cycle() as cycle, ffe_otel.phase("reasoning"):
        cycle.event("note", wrong)
        with ffe_otel.data_fetch("coinbase", "candles") as fetch:
            fetch.status(wrong)
        with ffe_otel.decision("BTCUSD") as decision:
            decision.result(wrong, wrong)
        with ffe_otel.risk_check("BTCUSD") as risk:
            risk.reject("over the limit", wrong)
    assert ffe.handle.runtime is not None
    assert {"event", "Fetch.status", "Decision.result"} <= set(ffe.handle.runtime.failures)
    assert len(ffe.spans()) == 5


def test_without_capture_everything_is_a_no_op() -> None:
    assert runtime.get() is None
    with (
        ffe_otel.cycle() as cycle,
        ffe_otel.phase("reasoning"),
        ffe_otel.llm_call("a", "b") as call,
    ):
        call.tokens(1, 2)
        cycle.error("x")
        ffe_otel.transition("IDLE", "PERCEPTION")
        assert cycle.correlation_id is None
    with pytest.raises(KeyError), ffe_otel.trade("A", "BUY", "p"):
        raise KeyError


def test_installing_twice_is_refused_and_uninstall_makes_room(tmp_path: Path) -> None:
    with captured(tmp_path), pytest.raises(RuntimeError, match="installed already"):
        ffe_otel.install(Config(state_dir=str(tmp_path)), hooks=False, set_global=False)
    with captured(tmp_path) as again, ffe_otel.cycle():
        pass
    assert len(again.spans()) == 1


def test_open_spans_end_as_aborted_when_capture_goes_down(tmp_path: Path) -> None:
    cycle = ffe_otel.cycle()
    phase = ffe_otel.phase("execution")
    with captured(tmp_path) as ffe:
        cycle.__enter__()
        phase.__enter__()
        ffe.handle.uninstall()
        spans = {s.name: s for s in ffe.spans()}
    phase.__exit__(None, None, None)
    cycle.__exit__(None, None, None)
    assert set(spans) == {"ffe.cycle", "ffe.phase.execution"}
    for span in spans.values():
        assert (span.attributes or {})[semconv.ABORTED] is True
        assert span.status.status_code is StatusCode.ERROR


def test_log_fields_follow_the_innermost_step(ffe: Captured) -> None:
    assert ffe.handle.runtime is not None
    assert api.log_context() == {}
    with ffe_otel.cycle(), ffe_otel.phase("reasoning"), ffe_otel.decision("BTCUSD") as decision:
        decision.result("HOLD", 50, decision_id="d-9")
        assert api.log_context() == {
            "agent_state": "REASONING",
            "asset_pair": "BTCUSD",
            "decision_id": "d-9",
        }
    assert api.log_context() == {}


def test_a_flush_that_fails_says_so(tmp_path: Path) -> None:
    class Refused(InMemoryMetricReader):
        def force_flush(self, timeout_millis: float = 10_000) -> bool:
            raise ConnectionError("answered 503")

    config = Config(state_dir=str(tmp_path))
    handle = ffe_otel.install(
        config,
        span_exporter=InMemorySpanExporter(),
        log_exporter=InMemoryLogRecordExporter(),
        metric_reader=Refused(),
        hooks=False,
        set_global=False,
    )
    try:
        # An exception on the thread that flushes would fail this test by its warning.
        assert handle.flush(10.0) is False
    finally:
        handle.uninstall()
