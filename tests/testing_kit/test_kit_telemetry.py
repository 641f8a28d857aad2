# SPDX-License-Identifier: Apache-2.0
"""The fixtures show a test its own telemetry and leave nothing behind."""

import logging
import os
import textwrap
import threading

import pytest
from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry import context as otel_context

import ffe_otel
from ffe_otel import testing
from ffe_otel._testing import points
from ffe_otel._testing.telemetry import Telemetry
from ffe_otel.capture import runtime
from ffe_otel.correlation import correlation_id

pytest_plugins = ["pytester"]

SECRET = "sk-proj-4fJ2kQ9xW7vB1nM5tR8yL3zC6pD0sHaE"


def one_cycle(telemetry):
    with ffe_otel.cycle(["BTCUSD"]) as cycle:
        with ffe_otel.phase("perception"):
            telemetry.clock.advance(0.25)
        cycle.outcome("no_trade", "confidence")


def without_hooks(path):
    return Telemetry(testing.quiet_config(path), hooks=False)


def test_the_documented_example_passes(pytester):
    example = testing.__doc__.partition("::\n")[2].partition("\n``ffe_telemetry_config``")[0]
    pytester.makepyfile(textwrap.dedent(example))
    result = pytester.runpytest_inprocess("-p", "no:asyncio", "-p", "no:randomly", "-W", "error")
    result.assert_outcomes(passed=1)


def test_a_project_overrides_configuration_and_hooks(pytester):
    pytester.makepyfile(
        """
        import dataclasses

        import ffe_otel
        import pytest
        from ffe_otel.testing import quiet_config


        @pytest.fixture
        def ffe_telemetry_config(tmp_path):
            config = quiet_config(tmp_path)
            telemetry = dataclasses.replace(config.telemetry, sampling_ratio=0.0)
            return dataclasses.replace(config, telemetry=telemetry)


        @pytest.fixture
        def ffe_telemetry_hooks():
            return False


        def test_nothing_is_sampled(ffe_telemetry):
            with ffe_otel.cycle():
                pass
            assert ffe_telemetry.handle.hooks is None
            assert ffe_telemetry.spans == []
            assert ffe_telemetry.metrics()["ffe.ooda.cycle.duration"][0].count == 1
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:asyncio", "-p", "no:randomly", "-W", "error")
    result.assert_outcomes(passed=1)


def test_a_run_repeats_to_the_last_bit(tmp_path):
    def run():
        telemetry = without_hooks(tmp_path)
        try:
            one_cycle(telemetry)
            return [
                (s.name, s.context.trace_id, s.context.span_id, s.start_time, s.end_time)
                for s in telemetry.spans
            ]
        finally:
            telemetry.close()

    first = run()
    assert len(first) == 2
    assert run() == first


def test_spans_metrics_and_events_of_a_cycle(ffe_telemetry):
    one_cycle(ffe_telemetry)
    assert ffe_telemetry.span_tree().splitlines() == [
        "ffe.cycle{outcome=no_trade}",
        "  ffe.phase.perception",
    ]
    assert ffe_telemetry.span_tree(["ffe.asset_pairs"]).startswith(
        "ffe.cycle{asset_pairs=[BTCUSD]}"
    )
    (started,) = ffe_telemetry.events("ffe.cycle.started")
    assert started["ffe.asset_pairs"] == ("BTCUSD",)
    assert started in ffe_telemetry.events()
    assert ffe_telemetry.events("llm_calls") == []


def test_metrics_are_found_by_either_name_and_by_labels(ffe_telemetry):
    one_cycle(ffe_telemetry)
    look = ffe_telemetry.metric_value
    assert look("ffe.ooda.cycle.duration") == look("ffe_ooda_cycle_duration_seconds") == 0.25
    assert look("ffe_agent_cycle_duration_seconds", state="PERCEPTION") == 0.25
    assert look("ffe_agent_cycle_duration_seconds", state="LEARNING") is None
    assert look("ffe_nothing_total") is None
    (point,) = ffe_telemetry.metrics()["ffe.ooda.cycle.duration"]
    assert (point.count, point.bounds[1], point.buckets[1]) == (1, 0.5, 1)


def test_counters_add_up_and_gauges_want_a_choice(ffe_telemetry):
    meter = ffe_telemetry.handle.meter_provider.get_meter("test")
    counter, gauge = meter.create_counter("things"), meter.create_gauge("level")
    for colour, number in (("red", 2), ("blue", 3)):
        counter.add(number, {"colour": colour})
        gauge.set(number, {"colour": colour})
    # Looked at once: SDK 1.44 forgets a synchronous gauge when it is collected.
    found = ffe_telemetry.metrics()
    assert points.value(found, "things", {}) == 5
    assert points.value(found, "level", {"colour": "blue"}) == 3
    with pytest.raises(LookupError, match="2 points of level match"):
        points.value(found, "level", {})


def test_exemplars_name_the_trace_also_when_metrics_are_looked_at_twice(ffe_telemetry):
    one_cycle(ffe_telemetry)
    ffe_telemetry.metric_value("ffe_ooda_cycle_duration_seconds")
    (point,) = ffe_telemetry.metrics()["ffe.ooda.cycle.duration"]
    assert point.trace_ids == (f"{ffe_telemetry.spans[0].context.trace_id:032x}",)


def test_log_records_carry_the_trace_and_are_apart_from_events(ffe_telemetry, caplog):
    caplog.set_level(logging.INFO)
    with ffe_otel.cycle():
        logging.getLogger("agent").info("cycle %d", 7)
    (record,) = [r for r in ffe_telemetry.logs if r.log_record.body == "cycle 7"]
    assert record.log_record.trace_id == ffe_telemetry.spans[0].context.trace_id
    assert not [event for event in ffe_telemetry.logs if event.log_record.event_name]


def test_everything_is_seen_after_redaction(ffe_telemetry, caplog):
    caplog.set_level(logging.INFO)
    with ffe_otel.cycle() as cycle:
        cycle.set({"note": f"api_key={SECRET}"})
        logging.getLogger("agent").info("api_key=%s", SECRET)
    assert "[redacted:" in ffe_telemetry.span_tree(["note"])
    assert SECRET not in ffe_telemetry.span_tree(["*"])
    bodies = [str(record.log_record.body) for record in ffe_telemetry.logs]
    assert any("[redacted:" in body for body in bodies)
    assert not any(SECRET in body for body in bodies)


def test_prometheus_shows_the_same_numbers(ffe_telemetry):
    one_cycle(ffe_telemetry)
    lines = ffe_telemetry.prometheus_text().splitlines()
    assert "ffe_ooda_cycle_duration_seconds_count 1.0" in lines
    assert 'ffe_agent_cycle_duration_seconds_sum{state="PERCEPTION"} 0.25' in lines


def test_clear_forgets_records_and_keeps_counting(ffe_telemetry):
    one_cycle(ffe_telemetry)
    ffe_telemetry.clear()
    assert (ffe_telemetry.spans, ffe_telemetry.events()) == ([], [])
    one_cycle(ffe_telemetry)
    assert len(ffe_telemetry.spans) == 2
    assert ffe_telemetry.metric_value("ffe_ooda_cycle_duration_seconds") == 0.5


def test_context_reaches_threads(ffe_telemetry):
    def work():
        with ffe_otel.data_fetch("alpha_vantage", "quote"):
            pass

    with ffe_otel.cycle():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
    assert ffe_telemetry.span_tree([]).splitlines() == ["ffe.cycle", "  ffe.data.fetch"]


def test_outgoing_requests_carry_the_correlation_id(ffe_telemetry):
    headers = {}
    with ffe_otel.cycle():
        propagate.inject(headers)
    trace_id = ffe_telemetry.spans[0].context.trace_id
    assert headers["X-Correlation-ID"] == correlation_id(trace_id)
    assert f"{trace_id:032x}" in headers["traceparent"]


def test_everything_is_given_back(tmp_path):
    def state():
        return (
            propagate.get_global_textmap(),
            trace.get_tracer_provider(),
            metrics.get_meter_provider(),
            _logs.get_logger_provider(),
            runtime.get(),
            otel_context.get_current(),
        )

    before = state()
    telemetry = without_hooks(tmp_path)
    ffe_otel.cycle().__enter__()  # a test that failed half-way
    assert runtime.get() is telemetry.handle.runtime
    telemetry.close()
    assert all(now is then for now, then in zip(state(), before, strict=True))


def test_a_cycle_left_open_does_not_reach_the_next_test(tmp_path):
    first = without_hooks(tmp_path)
    ffe_otel.cycle().__enter__()
    first.close()
    second = without_hooks(tmp_path)
    try:
        one_cycle(second)
        assert second.span_tree([]).splitlines() == ["ffe.cycle", "  ffe.phase.perception"]
        assert all(not span.links for span in second.spans)
    finally:
        second.close()


def test_the_environment_of_the_machine_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    telemetry = without_hooks(tmp_path)
    try:
        one_cycle(telemetry)
        assert len(telemetry.spans) == 2
        assert os.environ["OTEL_SDK_DISABLED"] == "true"
    finally:
        telemetry.close()


def test_a_second_capture_is_refused_and_the_first_goes_on(ffe_telemetry, tmp_path):
    with pytest.raises(RuntimeError, match="installed already"):
        without_hooks(tmp_path)
    one_cycle(ffe_telemetry)
    assert len(ffe_telemetry.spans) == 2
