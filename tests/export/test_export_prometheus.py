# SPDX-License-Identifier: Apache-2.0
"""The metrics page: every name, label and bucket, exemplars, ports, and the engine's page."""

import os
import socket
import urllib.error
import urllib.request

import pytest
from opentelemetry import trace
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from ffe_otel import semconv
from ffe_otel.config.model import Prometheus
from ffe_otel.export.families import prometheus_name
from ffe_otel.export.prometheus import MetricsPage, is_ours, readers
from ffe_otel.semconv import Kind

TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def record(meter, metric):
    """One recording of one metric, inside of a sampled span."""
    labels = dict.fromkeys(metric.labels, "x")
    sampled = SpanContext(TRACE_ID, 5, is_remote=False, trace_flags=TraceFlags(1))
    inside = trace.set_span_in_context(trace.NonRecordingSpan(sampled))
    common = {"unit": metric.unit, "description": metric.description}
    match metric.kind:
        case Kind.COUNTER:
            meter.create_counter(metric.name, **common).add(3, labels, context=inside)
        case Kind.UP_DOWN_COUNTER:
            meter.create_up_down_counter(metric.name, **common).add(-2.5, labels)
        case Kind.GAUGE:
            meter.create_gauge(metric.name, **common).set(4, labels)
        case Kind.HISTOGRAM:
            meter.create_histogram(
                metric.name, explicit_bucket_boundaries_advisory=metric.buckets, **common
            ).record(metric.buckets[0], labels, context=inside)
        case Kind.OBSERVABLE_COUNTER:
            meter.create_observable_counter(
                metric.name, [lambda _: [Observation(6, labels)]], **common
            )
        case Kind.OBSERVABLE_GAUGE:
            meter.create_observable_gauge(
                metric.name, [lambda _: [Observation(7, labels)]], **common
            )


@pytest.fixture
def page():
    found = MetricsPage(Prometheus(port=0))
    yield found
    found.close()


@pytest.fixture
def provider(page):
    found = MeterProvider(
        readers(page), Resource({"service.name": "engine"}), shutdown_on_exit=False
    )
    yield found
    found.shutdown()


def test_flushes_between_scrapes_change_nothing_on_either_page(provider, page):
    provider.get_meter(semconv.SCOPE).create_counter("ours").add(1)
    provider.get_meter("engine").create_counter("theirs").add(1)
    for _ in range(3):
        assert provider.force_flush()
    text = generate_openmetrics(page.registry).decode()
    assert [f.name for f in parse_openmetrics(text)].count("ours") == 1
    assert text.count("\nours_total") == 1
    assert generate_latest(REGISTRY).decode().count("\ntheirs_total{") == 1


@pytest.fixture
def recorded(provider):
    meter = provider.get_meter(semconv.SCOPE)
    for metric in semconv.METRICS:
        record(meter, metric)
    return provider


def get(page, path=None, accept="text/plain"):
    url = page.address if path is None else page.address.replace("/metrics", path)
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def expected_samples(metric):
    """Names of samples of one metric as text and OpenMetrics show them."""
    if metric.kind is Kind.HISTOGRAM:
        return {metric.prometheus + suffix for suffix in ("_bucket", "_count", "_sum")}
    return {metric.prometheus}


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("form", ["text", "openmetrics"])
class TestNames:
    @pytest.fixture
    def families(self, page, form):
        if form == "text":
            return list(parse(generate_latest(page.registry).decode()))
        return list(parse_openmetrics(generate_openmetrics(page.registry).decode()))

    def test_samples_are_exactly_those_of_semconv(self, families):
        shown = {s.name for f in families for s in f.samples if not s.name.endswith("_created")}
        wanted = set().union(*map(expected_samples, semconv.METRICS))
        assert shown == wanted | {"target_info"}

    @pytest.mark.parametrize("metric", semconv.METRICS, ids=lambda m: m.name)
    def test_labels_and_values(self, families, metric):
        samples = [s for f in families for s in f.samples if s.name in expected_samples(metric)]
        wanted = {label.replace(".", "_"): "x" for label in metric.labels}
        for sample in samples:
            labels = {k: v for k, v in sample.labels.items() if k != "le"}
            assert labels == wanted
        value = {
            Kind.COUNTER: 3,
            Kind.UP_DOWN_COUNTER: -2.5,
            Kind.GAUGE: 4,
            Kind.OBSERVABLE_COUNTER: 6,
            Kind.OBSERVABLE_GAUGE: 7,
        }.get(metric.kind)
        if value is not None:
            assert [s.value for s in samples] == [value]

    @pytest.mark.parametrize(
        "metric", [m for m in semconv.METRICS if m.buckets], ids=lambda m: m.name
    )
    def test_buckets(self, families, metric):
        name = f"{metric.prometheus}_bucket"
        bounds = [float(s.labels["le"]) for f in families for s in f.samples if s.name == name]
        assert bounds == [*metric.buckets, float("inf")]

    @pytest.mark.parametrize("metric", [semconv.TRADE_PNL_SUM, semconv.TRADE_PNL_COUNT])
    def test_sums_that_fall_are_gauges(self, families, metric):
        (family,) = [f for f in families if f.name == metric.prometheus]
        assert family.type == "gauge"
        assert [s.name for s in family.samples] == [metric.prometheus]


@pytest.mark.usefixtures("recorded")
class TestExemplars:
    @staticmethod
    def of(text, name):
        return [
            s.exemplar
            for f in parse_openmetrics(text)
            for s in f.samples
            if s.name == name and s.exemplar
        ]

    def test_carry_the_trace_id(self, page):
        text = generate_openmetrics(page.registry).decode()
        (found,) = self.of(text, "ffe_ooda_cycle_duration_seconds_bucket")
        assert found.labels == {"trace_id": f"{TRACE_ID:032x}", "span_id": f"{5:016x}"}
        assert found.value == 0.1
        (labelled,) = self.of(text, "gen_ai_client_operation_duration_seconds_bucket")
        assert labelled.labels["trace_id"] == f"{TRACE_ID:032x}"

    def test_stay_after_a_scrape(self, page):
        first, second = (generate_openmetrics(page.registry).decode() for _ in range(2))
        name = "ffe_api_call_duration_seconds_bucket"
        assert self.of(first, name) == self.of(second, name) != []

    def test_are_not_in_the_text_format(self, page):
        assert "trace_id" not in generate_latest(page.registry).decode()


class TestPage:
    def test_serves_what_the_client_accepts(self, page, recorded):
        assert page.address is None
        assert page.start()
        kind, text = get(page)
        assert kind.startswith("text/plain")
        assert "ffe_agent_state 4.0" in text
        kind, text = get(page, accept=OPENMETRICS)
        assert kind.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")
        assert f'trace_id="{TRACE_ID:032x}"' in text

    def test_says_where_the_metrics_are(self, page):
        page.start()
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            get(page, "/")
        assert caught.value.read() == b"metrics are at /metrics\n"

    def test_survives_an_instrument_that_raises(self, page, provider):
        def broken(_):
            raise ValueError("not today")

        page.start()
        page.registry.register(type("Broken", (), {"collect": broken})())
        with pytest.raises(urllib.error.HTTPError, match="500") as caught:
            get(page)
        assert caught.value.read() == b"metrics cannot be collected: ValueError\n"

    def test_takes_the_next_free_port(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            page = MetricsPage(Prometheus(port=port))
            assert page.start()
            assert port < page.port <= port + 100
            page.close()
            assert page.port is None

    def test_gives_way_to_the_engine(self, page):
        page.start()
        port = page.port
        page.give_way(port + 1)
        assert page.port == port
        page.give_way(port)
        assert page.port != port
        with socket.create_server(("127.0.0.1", port)):
            assert "# EOF" in get(page, accept=OPENMETRICS)[1]

    def test_that_cannot_listen_says_so(self, caplog):
        page = MetricsPage(Prometheus(host="203.0.113.1", port=8000))
        assert not page.start()
        assert page.address is None
        assert "no metrics page: cannot listen on 203.0.113.1, ports 8000 to 8099" in caplog.text

    def test_close_is_harmless_before_start_and_twice(self, page):
        page.close()
        page.start()
        page.close()
        page.close()

    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    def test_a_forked_child_does_not_hold_the_port(self, page):
        page.start()
        child = os.fork()
        if child == 0:
            os._exit(page.port is not None)
        assert os.waitpid(child, 0)[1] == 0
        assert page.port is not None
        get(page)


class TestEnginesPage:
    def test_keeps_the_engines_families_and_none_of_ours(self, recorded):
        meter = recorded.get_meter("finance_feedback_engine", "2.1")
        meter.create_counter("ffe_trades_executed_total").add(2, {"platform": "paper"})
        text = generate_latest(REGISTRY).decode()
        assert 'ffe_trades_executed_total{otel_scope_name="finance_feedback_engine"' in text
        assert 'target_info{service_name="engine"} 1.0' in text
        assert "ffe_ooda_cycle_duration_seconds" not in text

    def test_is_as_before_afterwards(self, page):
        before = set(REGISTRY._collector_to_names)
        provider = MeterProvider(readers(page), shutdown_on_exit=False)
        provider.shutdown()
        assert set(REGISTRY._collector_to_names) == before

    def test_works_without_a_page_of_ours(self):
        (reader,) = readers(None)
        reader.shutdown()

    def test_ours_is_not_decided_by_a_prefix_alone(self):
        assert is_ours("ffe_otel")
        assert is_ours("ffe_otel.api")
        assert not is_ours("ffe_otel_plugin")
        assert not is_ours("finance_feedback_engine")


@pytest.mark.parametrize("metric", semconv.METRICS, ids=lambda m: m.name)
def test_prometheus_name_is_what_the_exporter_writes(metric):
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    record(provider.get_meter("x"), metric)
    (found,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    assert prometheus_name(found) == metric.prometheus
    provider.shutdown()
