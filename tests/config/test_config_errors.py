# SPDX-License-Identifier: Apache-2.0
"""Every way a configuration can be wrong is named with its place and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffe_otel.config import ConfigError, load_config


@pytest.fixture
def problems(tmp_path, monkeypatch):
    """Load a text as configuration and return what is wrong with it, a line each."""
    monkeypatch.chdir(tmp_path)

    def _problems(text: str = "", *, environ=None, overrides=None) -> list[str]:
        Path("c.yaml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_config(Path("c.yaml"), environ=environ or {}, overrides=overrides or {})
        assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
        return [str(problem) for problem in caught.value.problems]

    return _problems


def test_all_problems_of_all_sources_are_reported_at_once(problems):
    found = problems(
        "logging:\n  levle: INFO\n  level: LOUD\nserve:\n  port: eighty\n",
        environ={"FFE_OTEL__SERVE__HOSTT": "x"},
        overrides={"serve.otlp_http_port": -1},
    )

    assert found == [
        "c.yaml:2: logging.levle: unknown key; did you mean logging.level?",
        (
            "c.yaml:3: logging.level: expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL, "
            "got 'LOUD'"
        ),
        "c.yaml:5: serve.port: expected an integer from 0 to 65535, got 'eighty'",
        "FFE_OTEL__SERVE__HOSTT: there is no key serve.hostt; did you mean FFE_OTEL__SERVE__HOST?",
        "argument: serve.otlp_http_port: expected an integer from 0 to 65535, got -1",
    ]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("loging: {}", "did you mean logging?"),
        ("level: INFO", "did you mean logging.level?"),
        ("logging: {async: true}", "did you mean logging.async_logging?"),
        ("logging: {buffer-size: 1}", "did you mean logging.buffer_size?"),
        ("metrics: {prometheus: {pathh: /m}}", "did you mean metrics.prometheus.path?"),
        ("llm: {prices: [{provider: a, model: b, input_usd: 1}]}",
         "did you mean llm.prices.input_usd_per_million?"),
        ("quux: 1", "known here: state_dir, telemetry"),
        ("[a]: 1", "known here"),
    ],
)  # fmt: skip
def test_an_unknown_key_names_the_nearest_valid_one(problems, text, near):
    [found] = problems(text)

    assert found.startswith("c.yaml:1: ")
    assert "unknown key" in found
    assert near in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serve: {port: '80'}", "expected an integer from 0 to 65535, got '80'; leave the quotes"),
        ("serve: {port: 1.5}", "expected an integer from 0 to 65535, got 1.5"),
        ("serve: {port: true}", "expected an integer from 0 to 65535, got true"),
        ("serve: {port: [1]}", "expected an integer"),
        ("serve: {port: !!int x}", "expected an integer"),
        ("serve: {host: 127}", "expected text, got 127; put it in quotes"),
        ("serve: {host: }", "expected text, got nothing"),
        ("serve: {host: {a: b}}", "expected text, got a mapping"),
        ("serve: 5", "is a section; write its keys below it: host"),
        ("serve: {retention_days: .nan}", "expected a number of at least 0"),
        ("serve: {retention_bytes: 5}", "expected an integer of at least 33554432, got 5"),
        ("telemetry: {sampling_ratio: 2}", "expected a number from 0 to 1, got 2"),
        ("telemetry: {otlp_headers: [a]}", "expected a mapping of names to texts"),
        ("telemetry: {otlp_headers: {a: 1}}", "expected a mapping of names to texts"),
        ("telemetry: {otlp_endpoint: 'http://'}", "expected a URL"),
        ("metrics: {prometheus: {path: metrics}}", "expected a path that begins with /"),
        ("logging: {correlation_id_header: 'a b'}", "expected the name of an HTTP header"),
        ("logging: {async_logging: maybe}", "expected true or false, got 'maybe'"),
        ("redaction: {disabled_rules: jwt}", "expected a list of texts, got 'jwt'"),
        ("redaction: {disabled_rules: [1]}", "expected a list of texts, but 1 is in it"),
        ("llm: {prices: {a: b}}", "expected a list of mappings with the keys provider, model"),
        ("llm: {prices: [a]}", "llm.prices[0]: expected a mapping of provider, model"),
        ("llm: {prices: [{model: m}]}", "llm.prices[0]: needs a provider and a model"),
        ("llm: {prices: [{provider: p, model: m, since: soon}]}", "expected a date such as"),
        ("llm: {prices: [{provider: p, model: m, input_usd_per_million: -1}]}",
         "llm.prices[0].input_usd_per_million: expected a number of at least 0, got -1"),
        ("logging: {retention: {hot_tier_days: 31}}", "is 31, more than logging.retention.warm"),
        ("serve: {tls_key: k.pem}", "serve.tls_key: needs serve.tls_certificate as well"),
        ("alerting: {channels: {pagerduty: {enabled: true}}}",
         ("is on, but alerting.channels.pagerduty.routing_key or "
         "alerting.channels.pagerduty.service_key is empty")),
    ],
)  # fmt: skip
def test_a_wrong_value_says_what_is_expected(problems, text, expected):
    [found] = problems(text)

    assert found.startswith("c.yaml:1: ")
    assert expected in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serve: {port: 4318}", "serve.port: is 4318, which serve.otlp_http_port is too"),
        ("serve: {port: 7000, otlp_http_port: 7000}",
         "serve.otlp_http_port: is 7000, which serve.port is too; give each a port of its own"),
        ("serve: {otlp_grpc_port: 4319}", "serve.otlp_grpc_port: is 4319, which serve.port is too"),
        ("serve: {port: 8000}", "serve.port: is 8000, which metrics.prometheus.port is too"),
        ("{serve: {host: localhost}, metrics: {prometheus: {port: 4317}}}",
         "metrics.prometheus.port: is 4317, which serve.otlp_grpc_port is too"),
    ],
)  # fmt: skip
def test_a_port_that_two_want(problems, text, expected):
    [found] = problems(text)

    assert found.startswith(f"c.yaml:1: {expected}")


@pytest.mark.parametrize(
    "text",
    [
        "serve: {port: 0, otlp_http_port: 0, otlp_grpc_port: 0}",
        "serve: {otlp_grpc_port: -1}",
        "{serve: {port: 8000}, metrics: {prometheus: {enabled: false}}}",
        "{serve: {port: 8000}, metrics: {prometheus: {host: 127.0.0.2}}}",
        "{serve: {port: 8000, host: 0.0.0.0}, metrics: {prometheus: {host: 0.0.0.0}}}",
    ],
)
def test_ports_that_do_not_clash(tmp_path, text):
    file = tmp_path / "c.yaml"
    file.write_text(text)

    assert load_config(file, environ={}).path == file


def test_a_key_that_stands_twice(problems):
    found = problems("serve:\n  port: 1\nllm: {}\nserve:\n  port: 2\n  port: 3\n")

    assert found == [
        "c.yaml:4: serve: stands twice, first in line 1; keep one of the two",
        "c.yaml:6: serve.port: stands twice, first in line 5; keep one of the two",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [", 1), ("logging:\n\tlevel: x", 2), ("a: 1\n---\nb: 2\n", 2), ("x: 1\ny: \x07", 2),
     ("a: *nowhere", 1), ("serve:\n  <<: 3", 2)],
)  # fmt: skip
def test_what_is_not_yaml_is_named_with_its_line(problems, text, line):
    [found] = problems(text)

    assert found.startswith(f"c.yaml:{line}: is not valid YAML")


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "5\n"])
def test_a_file_that_is_no_mapping(problems, text):
    [found] = problems(text)

    assert found.startswith("c.yaml:1: is not a mapping")


def test_files_that_cannot_be_read(tmp_path):
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff\xfe")

    for path, reason in [
        (tmp_path / "none.yaml", "there is no such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (binary, "is not UTF-8 text"),
    ]:
        with pytest.raises(ConfigError, match=reason) as caught:
            load_config(path, environ={})
        assert str(path) in str(caught.value)


def test_a_named_file_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"FFE_OTEL_CONFIG: names gone\.yaml, which does not"):
        load_config(environ={"FFE_OTEL_CONFIG": "gone.yaml"})


CHANNEL = """
alerting:
  channels:
    telegram:
      enabled: {on}
      bot_token: "${{BOT}}"
      chat_id: "5"
"""


def test_an_unset_variable_matters_only_where_its_part_is_on(problems, tmp_path):
    [found] = problems(CHANNEL.format(on="true"))

    assert found.startswith("c.yaml:6: alerting.channels.telegram.bot_token: needs the environment")
    assert "BOT, which is not set" in found
    assert "${BOT:-value}" in found
    Path("c.yaml").write_text(CHANNEL.format(on="false"))
    channels = load_config(Path("c.yaml"), environ={}).config.alerting.channels
    assert channels.telegram.bot_token == ""


def test_switching_a_part_on_by_variable_asks_for_what_it_needs(problems):
    switched_on = {"FFE_OTEL__ALERTING__CHANNELS__TELEGRAM__ENABLED": "true"}

    [found] = problems(CHANNEL.format(on="false"), environ=switched_on)

    assert "BOT, which is not set" in found


def test_a_variable_that_gives_the_value_ends_the_need_for_the_reference(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CHANNEL.format(on="true"))
    environ = {"FFE_OTEL__ALERTING__CHANNELS__TELEGRAM__BOT_TOKEN": "direct"}

    telegram = load_config(path, environ=environ).config.alerting.channels.telegram

    assert telegram.bot_token == "direct"


def test_an_outer_switch_covers_what_lies_in_it(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CHANNEL.format(on="true") + "  enabled: false\n")

    assert load_config(path, environ={}).config.alerting.enabled is False


def test_an_unset_number_without_a_switch_is_an_error(problems):
    [found] = problems('serve: {port: "${PORT}"}')

    assert "serve.port: needs the environment variable PORT, which is not set" in found


def test_a_substituted_value_is_checked_like_any_other(problems):
    [found] = problems('serve: {port: "${PORT}"}', environ={"PORT": "http"})

    assert found == "c.yaml:1: serve.port: expected an integer from 0 to 65535, got 'http'"


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("FFE_OTEL__LOGGING__LEVEL", "LOUD", "logging.level: expected one of DEBUG"),
        ("FFE_OTEL__LOGGING", "x", "logging is a section; name one of its keys"),
        ("FFE_OTEL__LOGING__LEVEL", "INFO", "did you mean FFE_OTEL__LOGGING__LEVEL?"),
        ("FFE_OTEL__LLM__PRICES", "x", "llm.prices: is a table, which only the configuration"),
        ("OTEL_TRACES_SAMPLER_ARG", "7", "telemetry.sampling_ratio: expected a number from 0 to"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "novalue", "telemetry.otlp_headers: expected name=value"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "htp://collector:4318", "expected a URL"),
    ],
)
def test_a_bad_variable_is_named(problems, variable, text, expected):
    [found] = problems(environ={variable: text})

    assert found.startswith(f"{variable}: ")
    assert expected in found


def test_no_message_shows_a_secret(problems):
    found = problems(
        "serve: {token: 4711471147}\ntelemetry: {otlp_headers: [hunter2hunter2]}\n"
        "redaction: {secrets: hunter2hunter2}\nmetrics: {influxdb: {password: [hunter2]}}\n",
        environ={"OTEL_EXPORTER_OTLP_HEADERS": "hunter2hunter2"},
    )

    assert len(found) == 5
    assert not [line for line in found if "hunter2" in line or "4711" in line]
