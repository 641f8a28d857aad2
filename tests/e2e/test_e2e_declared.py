# SPDX-License-Identifier: Apache-2.0
"""``OTEL_CONFIG_FILE``: the file says where telemetry goes, the promises stay ours."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from programs import run

from ffe_otel.capture.declared import load

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

HEADER = "X-Correlation-ID"
SIGNALS = {"tracer_provider": "traces", "logger_provider": "logs", "meter_provider": "metrics"}
IDS = """
import json, random
from opentelemetry import propagate
import ffe_otel
handle = ffe_otel.install()
seen = []
for _ in range(2):
    random.seed(7)
    with ffe_otel.cycle() as cycle:
        seen.append(cycle.correlation_id)
headers = {}
with ffe_otel.cycle(correlation_id="12345678-1234-4234-8234-123456789abc"):
    propagate.inject(headers)
print(json.dumps({"seen": seen, "headers": headers}))
"""
METRICS = """
import urllib.request
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind
from prometheus_client import generate_latest
trace.get_tracer("http").start_span("GET", kind=SpanKind.CLIENT).end()
metrics.get_meter("engine").create_counter("engine.orders").add(1)
metrics.get_meter("engine").create_counter("ffe_provider_requests_total").add(1)
page = urllib.request.urlopen(handle.page.address, timeout=5).read().decode()
assert "ffe_ooda_cycle_duration_seconds_count" in page and "engine_orders" not in page
registry = generate_latest().decode()
assert "engine_orders_total" in registry and "ffe_ooda" not in registry
handle.uninstall()
assert "X-Correlation-ID" not in propagate.get_global_textmap().fields
"""


def declare(tmp_path: Path, sink: Sink, *sections: str, **more: Any) -> str:
    """Write a file that sends signals by OTLP; ``more`` is merged into its sections."""
    declared: dict[str, Any] = {"file_format": "1.0"}
    for section in sections:
        exporter = {"otlp_http": {"endpoint": f"{sink.url}/v1/{SIGNALS[section]}"}}
        if section == "meter_provider":
            declared[section] = {"readers": [{"periodic": {"exporter": exporter}}]}
        else:
            declared[section] = {"processors": [{"batch": {"exporter": exporter}}]}
    for section, value in more.items():
        known = declared.get(section, {})
        declared[section] = {**known, **value} if isinstance(value, dict) else value
    file = tmp_path / "sdk.json"
    file.write_text(json.dumps(declared))
    return str(file)


def test_ids_header_page_and_resource_are_ours(sink: Sink, tmp_path: Path) -> None:
    attributes = {"attributes": [{"name": "service.name", "value": "declared"}]}
    done = run(
        IDS + METRICS,
        tmp_path,
        OTEL_CONFIG_FILE=declare(tmp_path, sink, *SIGNALS, resource=attributes),
        FFE_OTEL__TELEMETRY__AGENT_ID="desk 1,a=b",
    )
    found = json.loads(done.stdout)
    assert len(set(found["seen"])) == 2
    assert found["headers"][HEADER] == "12345678-1234-4234-8234-123456789abc"
    assert found["headers"]["traceparent"].startswith("00-12345678123442348234123456789abc-")
    spans = {s.name: s for s in sink.spans()}
    assert set(spans) == {"ffe.cycle"}
    assert spans["ffe.cycle"].trace_state == "ot=th:0"
    resources = sink.resources()
    assert len(resources) >= 3
    for resource in resources:
        assert resource["service.name"] == "declared"
        assert resource["ffe.agent.id"] == "desk 1,a=b"
        assert resource["deployment.environment.name"] == "development"
        assert resource["telemetry.distro.name"] == "ffe_otel"
    names = sink.metric_names()
    assert {"ffe.ooda.cycle.duration", "engine.orders"} <= names
    # The engine's family bears a name of ours: in a backend both would be summed up.
    assert "ffe_provider_requests_total" not in names


@pytest.mark.parametrize(
    ("propagator", "expected"),
    [
        ({"composite": [{"tracecontext": {}}, {"baggage": {}}]}, {"traceparent", HEADER}),
        ({"composite": [{"baggage": {}}]}, {HEADER}),
        ({"composite_list": "ffe_otel"}, {"traceparent", HEADER}),
        ({"composite_list": "none"}, set()),
    ],
)
def test_the_header_goes_beside_the_declared_propagators(
    sink: Sink, tmp_path: Path, propagator: dict[str, Any], expected: set[str]
) -> None:
    file = declare(tmp_path, sink, "tracer_provider", propagator=propagator)
    headers = json.loads(run(IDS, tmp_path, OTEL_CONFIG_FILE=file).stdout)["headers"]
    assert set(headers) - {"tracestate"} == expected


@pytest.mark.parametrize(
    ("declared", "ratio", "sampled"),
    [
        ({}, "0", False),
        ({"sampler": {"always_on": {}}}, "0", True),
    ],
)
def test_a_declared_sampler_wins(
    sink: Sink, tmp_path: Path, declared: dict[str, Any], ratio: str, sampled: bool
) -> None:
    file = declare(tmp_path, sink, "tracer_provider", tracer_provider=declared)
    env = {"OTEL_CONFIG_FILE": file, "FFE_OTEL__TELEMETRY__SAMPLING_RATIO": ratio}
    run(IDS, tmp_path, **env)
    assert bool(sink.spans()) is sampled


def test_ids_of_the_declared_random_generator_do_not_repeat(sink: Sink, tmp_path: Path) -> None:
    declared = {"id_generator": {"random": {}}}
    file = declare(tmp_path, sink, "tracer_provider", tracer_provider=declared)
    found = json.loads(run(IDS, tmp_path, OTEL_CONFIG_FILE=file).stdout)
    assert len(set(found["seen"])) == 2


@pytest.mark.parametrize("sections", [("tracer_provider",), ()])
def test_signals_that_are_not_declared_stay_here_without_noise(
    sink: Sink, tmp_path: Path, sections: tuple[str, ...]
) -> None:
    done = run(
        IDS
        + """
import urllib.request
page = urllib.request.urlopen(handle.page.address, timeout=5).read().decode()
assert "ffe_ooda_cycle_duration_seconds_count" in page
""",
        tmp_path,
        OTEL_CONFIG_FILE=declare(tmp_path, sink, *sections),
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)["headers"][HEADER]
    assert {path for path, _ in sink.bodies} == {f"/v1/{SIGNALS[name]}" for name in sections}


def test_a_disabled_file_captures_nothing(sink: Sink, tmp_path: Path) -> None:
    file = declare(tmp_path, sink, *SIGNALS, disabled=True)
    done = run(
        """
        import ffe_otel
        from opentelemetry.sdk.trace import TracerProvider
        before = TracerProvider.__init__
        handle = ffe_otel.install()
        with ffe_otel.cycle():
            pass
        assert handle.runtime is None and TracerProvider.__init__ is before
        handle.uninstall()
        """,
        tmp_path,
        OTEL_CONFIG_FILE=file,
    )
    assert "Traceback" not in done.stderr
    assert sink.bodies == []


def test_a_file_that_cannot_be_used_is_said_and_left_out(sink: Sink, tmp_path: Path) -> None:
    unknown = {"readers": [{"periodic": {"exporter": {"nowhere": None}}}]}
    file = declare(tmp_path, sink, "tracer_provider", meter_provider=unknown)
    done = run(
        """
        import ffe_otel
        from opentelemetry import propagate
        before = propagate.get_global_textmap()
        handle = ffe_otel.install()
        with ffe_otel.cycle():
            pass
        handle.uninstall()
        assert ffe_otel.current_cycle() is None and propagate.get_global_textmap() is before
        """,
        tmp_path,
        OTEL_CONFIG_FILE=file,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert "OTEL_CONFIG_FILE cannot be used" in done.stderr
    assert "nowhere" in done.stderr
    assert [span.name for span in sink.spans()] == ["ffe.cycle"]
    assert "ffe.ooda.cycle.duration" in sink.metric_names()


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.configuration", None)
    with pytest.raises(RuntimeError, match="pip install opentelemetry-configuration"):
        load("sdk.yaml")


def test_parts_that_the_caller_brings_come_before_the_file(sink: Sink, tmp_path: Path) -> None:
    run(
        """
        import ffe_otel
        from opentelemetry import trace
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter = InMemorySpanExporter()
        handle = ffe_otel.install(span_exporter=exporter, set_global=False)
        with ffe_otel.cycle():
            pass
        assert [span.name for span in exporter.get_finished_spans()] == ["ffe.cycle"]
        assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
        """,
        tmp_path,
        OTEL_CONFIG_FILE=declare(tmp_path, sink, *SIGNALS),
        OTEL_LOGS_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
    )
    assert sink.bodies == []


@pytest.mark.parametrize("earlier", ["", "trace.set_tracer_provider(TracerProvider())"])
def test_an_earlier_provider_and_a_second_installation(
    sink: Sink, tmp_path: Path, earlier: str
) -> None:
    run(
        """
        import ffe_otel
        from opentelemetry import trace
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.trace import TracerProvider
        kinds = (TracerProvider, MeterProvider, LoggerProvider)
        before = [kind.__init__ for kind in kinds]
        EARLIER
        for number in range(2):
            handle = ffe_otel.install()
            with ffe_otel.cycle():
                with trace.get_tracer("engine").start_as_current_span(f"engine.{number}"):
                    pass
            handle.uninstall()
            assert [kind.__init__ for kind in kinds] == before
        """.replace("EARLIER", earlier),
        tmp_path,
        OTEL_CONFIG_FILE=declare(tmp_path, sink, "tracer_provider"),
    )
    names = [s.name for s in sink.spans()]
    assert sorted(names) == ["engine.0", "engine.1", "ffe.cycle", "ffe.cycle"]


def test_a_declared_prometheus_reader_does_not_meet_ours(sink: Sink, tmp_path: Path) -> None:
    pull = {"pull": {"exporter": {"prometheus/development": {"host": "127.0.0.1", "port": 0}}}}
    file = declare(tmp_path, sink, meter_provider={"readers": [pull]})
    done = run(
        """
        import ffe_otel
        from opentelemetry import metrics
        from prometheus_client import generate_latest
        handle = ffe_otel.install()
        metrics.get_meter("engine").create_counter("engine.orders").add(1)
        print(generate_latest().decode())
        """,
        tmp_path,
        OTEL_CONFIG_FILE=file,
    )
    assert len(re.findall(r"^engine_orders_total\{", done.stdout, re.MULTILINE)) == 1
