# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's variables: what can be used stays, the rest is named and taken away."""

from __future__ import annotations

import pytest

from ffe_otel.config import load_usable
from ffe_otel.config.standard import VARIABLES, check
from ffe_otel.config.urls import completed

ODD = ["", "  ", "abc", "-1", "0", "1.5", "nan", "inf", "9" * 5000, "=,;", "a=b", "münze",
       "\udcff", "\0", "none", "/gone", "http://"]  # fmt: skip


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_is_left_can_be_used(variable):
    for value in ODD:
        found = check({variable: value})
        seen = found.environ({variable: value})

        assert len(found.problems) + len(found.guesses) <= 1
        # What stands there now is right, and everybody sees it.
        assert check(seen).changes == {}
        assert check(seen).problems == []
        if found.problems:
            assert found.problems[0].origin.place == variable
            assert seen.get(variable, "") != value


@pytest.mark.parametrize(
    ("variable", "value", "stands"),
    [
        ("OTEL_TRACES_EXPORTER", "jaeger", None),
        ("OTEL_TRACES_EXPORTER", "jaeger,console, OTLP,otlp", "console,otlp"),
        ("OTEL_METRICS_EXPORTER", "None", "none"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", None),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-5", None),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0", "0"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "unset", "unset"),
        ("OTEL_PROPAGATORS", "b3,tracecontext", "tracecontext"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/Protobuf", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", None),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", None),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,secret text,c=d%20e", "a=b,c=d%20e"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0D%0Ac", None),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "DELTA"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "sometimes", None),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c,d=e%2Cf,", "a=b,d=e%2Cf"),
    ],
)
def test_what_stands_instead(variable, value, stands):
    found = check({variable: value})

    assert found.environ({variable: value}).get(variable) == stands


def test_a_batch_is_no_larger_than_its_queue():
    environ = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "512"}

    assert check(environ).environ(environ)["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] == "100"


def test_the_configuration_has_what_stands_in_the_variables():
    environ = {
        "OTEL_EXPORTER_OTLP_TIMEOUT": "abc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "LOCALHOST:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b,hunter2hunter2",
    }

    loaded = load_usable(environ=environ)

    assert loaded.changes["OTEL_EXPORTER_OTLP_TIMEOUT"] is None
    assert loaded.config.telemetry.otlp_timeout_seconds == 5
    url = "http://LOCALHOST:4318"
    assert loaded.config.telemetry.otlp_endpoint == url
    assert loaded.changes["OTEL_EXPORTER_OTLP_ENDPOINT"] == url
    assert loaded.config.telemetry.otlp_headers == {"a": "b"}
    assert not [p for p in (*loaded.problems, *loaded.guesses) if "hunter2" in str(p)]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("localhost:4318", "http://localhost:4318"),
        ("[::1]:4318", "http://[::1]:4318"),
        ("::1", "http://[::1]"),
        (":4318", "http://localhost:4318"),
        ("//collector:4318", "http://collector:4318"),
        ("collector/otlp", "http://collector/otlp"),
        ("collector.example:443/otlp", "https://collector.example:443/otlp"),
        ("http:/collector:4318", "http://collector:4318"),
        ("https:collector:4318", "https://collector:4318"),
        ("user:pass@collector:4318", "http://user:pass@collector:4318"),
    ],
)
def test_an_address_without_a_scheme(text, url):
    assert completed(text) == (url, True)


@pytest.mark.parametrize(
    "text",
    ["", "://", "http://", "http:///x", "ftp://a", "4318", "a b", "http://a:99999", "http://a:b",
     "http://a:0", "http://[::1", "http://\n", "grpc://a:1", "http://" + "a" * 80 + ".b"],
)  # fmt: skip
def test_what_is_no_address(text):
    assert completed(text) == ("", False)


@pytest.mark.parametrize(
    ("environ", "stands"),
    [
        ({}, "https://collector:4317"),
        ({"OTEL_EXPORTER_OTLP_INSECURE": "true"}, "http://collector:4317"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://collector:4317"),
    ],
)
def test_for_grpc_a_bare_address_means_tls_unless_it_says_otherwise(environ, stands):
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    given = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", name: "collector:4317", **environ}

    assert check(given).environ(given)[name] == stands
    on_this_machine = {**given, name: "127.0.0.1:4317"}
    assert check(on_this_machine).environ(on_this_machine)[name] == "http://127.0.0.1:4317"
