# SPDX-License-Identifier: Apache-2.0
"""What a configuration loads to, and where each value is said to come from."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ffe_otel.config import Config, ConfigError, load_config, load_usable
from ffe_otel.config.model import Price
from ffe_otel.config.schema import keys

SHIPPED = Path(__file__).parents[2] / "config" / "ffe_otel.yaml"
HOME = {"HOME": "/home/trader"}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a configuration file where the search finds none of the repository's."""
    monkeypatch.chdir(tmp_path)

    def _write(text: str, name: str = "some.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return _write


def flat(mapping: dict, prefix: str = "") -> dict:
    """A YAML mapping with dotted keys, cut off where the model has a key."""
    found = {}
    for name, value in mapping.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, dict) and dotted not in keys():
            found |= flat(value, f"{dotted}.")
        else:
            found[dotted] = value
    return found


def test_without_a_file_everything_is_default(write):
    loaded = load_config(environ=HOME)

    assert loaded.path is None
    assert {origin.source for origin in loaded.origins.values()} == {"default"}
    assert list(loaded.origins) == list(keys())
    defaults = Config()
    assert loaded.config.telemetry == defaults.telemetry
    assert loaded.config.alerting == defaults.alerting


def test_the_shipped_file_states_every_key_with_its_default(write):
    stated = flat(yaml.safe_load(SHIPPED.read_text()))

    assert list(stated) == list(keys())
    assert load_config(SHIPPED, environ=HOME).config == load_config(environ=HOME).config


def test_the_architecture_documents_structure_is_accepted(write):
    loaded = load_config(
        write("""
logging:
  level: "INFO"
  outputs:
    console: true
    file:
      enabled: true
      path: "logs/ffe.log"
    syslog: {enabled: false, address: "localhost:514"}
metrics:
  influxdb: {flush_interval_seconds: 10}
  intervals: {agent_state: 5}
alerting:
  channels:
    telegram:
      enabled: false
      bot_token: "${TELEGRAM_BOT_TOKEN}"
    email:
      to_addresses:
        - "desk@example.com"
    pagerduty:
      enabled: false
      service_key: "${PAGERDUTY_SERVICE_KEY}"
"""),
        environ=HOME,
    )

    channels = loaded.config.alerting.channels
    assert (channels.telegram.bot_token, channels.pagerduty.service_key) == ("", "")
    assert channels.email.to_addresses == ("desk@example.com",)
    assert loaded.config.metrics.influxdb.flush_interval_seconds == 10.0
    assert isinstance(loaded.config.metrics.influxdb.flush_interval_seconds, float)


def test_each_layer_wins_over_the_one_before(write):
    path = write("serve:\n  port: 1001\n  otlp_http_port: 1002\n  otlp_grpc_port: 1003\n")
    environ = {"FFE_OTEL__SERVE__OTLP_HTTP_PORT": "2002", "ffe_otel__serve__otlp_grpc_port": "2003"}

    loaded = load_config(path, environ=environ, overrides={"serve.otlp_grpc_port": 3003})

    serve = loaded.config.serve
    assert (serve.port, serve.otlp_http_port, serve.otlp_grpc_port) == (1001, 2002, 3003)
    assert str(loaded.origins["serve.port"]) == f"{path}:2"
    assert str(loaded.origins["serve.otlp_http_port"]) == "FFE_OTEL__SERVE__OTLP_HTTP_PORT"
    assert str(loaded.origins["serve.otlp_grpc_port"]) == "argument"
    assert str(loaded.origins["serve.host"]) == "default"


@pytest.mark.parametrize(
    ("variable", "key", "text", "value"),
    [
        ("FFE_OTEL__LOGGING__LEVEL", "logging.level", "debug", "DEBUG"),
        ("FFE_OTEL__LLM__CAPTURE_CONTENT", "llm.capture_content", "yes", True),
        ("FFE_OTEL__LOGGING__OUTPUTS__CONSOLE", "logging.outputs.console", "0", False),
        ("FFE_OTEL__SERVE__RETENTION_DAYS", "serve.retention_days", " 1.5 ", 1.5),
        ("FFE_OTEL__REDACTION__SECRETS", "redaction.secrets", "a, b,", ("a", "b")),
        ("OTEL_SERVICE_NAME", "telemetry.service_name", "desk", "desk"),
        ("OTEL_RESOURCE_ATTRIBUTES", "telemetry.service_name", "a=b,service.name=my%20desk",
         "my desk"),
        ("OTEL_RESOURCE_ATTRIBUTES", "telemetry.environment", "deployment.environment.name=live",
         "live"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint", "http://collector:4318",
         "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.otlp_headers", "Authorization=Bearer%20x,b=c",
         {"authorization": "Bearer x", "b": "c"}),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "telemetry.otlp_timeout_seconds", "3", 3.0),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "metrics.prometheus.host", "0.0.0.0", "0.0.0.0"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "metrics.prometheus.port", "9464", 9464),
        ("OTEL_TRACES_SAMPLER_ARG", "telemetry.sampling_ratio", "0.25", 0.25),
        ("OTEL_TRACES_SAMPLER", "telemetry.sampling_ratio", "always_off", 0.0),
    ],
)  # fmt: skip
def test_a_variable_sets_its_key(write, variable, key, text, value):
    loaded = load_config(environ={variable: text})

    found = loaded.config
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert str(loaded.origins[key]) == variable


def test_the_sampler_argument_of_a_foreign_sampler_is_not_ours(write):
    environ = {"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": "endpoint=x"}

    loaded = load_usable(environ=environ)

    assert loaded.config.telemetry.sampling_ratio == 1.0
    assert [problem.origin.place for problem in loaded.problems] == ["OTEL_TRACES_SAMPLER"]


def test_service_name_wins_over_resource_attributes_and_our_variable(write):
    environ = {
        "FFE_OTEL__TELEMETRY__SERVICE_NAME": "ours",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=resource",
        "OTEL_SERVICE_NAME": "standard",
    }

    assert load_config(environ=environ).config.telemetry.service_name == "standard"


def test_an_empty_variable_is_not_set(write):
    environ = {"FFE_OTEL__SERVE__PORT": "", "OTEL_SERVICE_NAME": ""}

    assert load_config(environ=environ).config.serve.port == 4319


def test_references_to_the_environment(write):
    path = write("""
telemetry:
  agent_id: "${DESK}-${NUMBER:-7}"
  environment: "$${LITERAL}"
  otlp_headers: {x: "${DESK}"}
serve: {port: "${PORT:-4400}", otlp_http_port: "${HTTP}"}
redaction: {secrets: ["${DESK}", plain]}
""")

    config = load_config(path, environ={"DESK": "fx", "HTTP": "4500"}).config

    assert config.telemetry.agent_id == "fx-7"
    assert config.telemetry.environment == "${LITERAL}"
    assert config.telemetry.otlp_headers == {"x": "fx"}
    assert (config.serve.port, config.serve.otlp_http_port) == (4400, 4500)
    assert config.redaction.secrets == ("fx", "plain")


def test_a_substituted_text_is_never_read_as_yaml_structure(write):
    path = write('telemetry: {agent_id: "${ID}"}')

    assert load_config(path, environ={"ID": "{a: [1]}"}).config.telemetry.agent_id == "{a: [1]}"


def test_the_price_table(write):
    path = write("""
llm:
  prices:
    - {provider: openai, model: "gpt-4o*", input_usd_per_million: 2.5, since: 2026-01-31}
""")

    prices = load_config(path, environ={}).config.llm.prices

    assert prices == (Price("openai", "gpt-4o*", 2.5, 0.0, "2026-01-31"),)


def test_anchors_and_merges(write):
    path = write("""
alerting:
  channels:
    telegram: &off {enabled: false}
    pagerduty: {<<: *off, routing_key: k}
""")

    pagerduty = load_config(path, environ={}).config.alerting.channels.pagerduty

    assert (pagerduty.enabled, pagerduty.routing_key) == (False, "k")


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n", "logging:\n", "\ufefflogging:"]
)
def test_a_file_without_settings_is_fine(write, text):
    assert load_config(write(text), environ=HOME).config == load_config(environ=HOME).config


def test_the_file_is_searched_in_order(write):
    plain = write("telemetry: {agent_id: plain}", "ffe_otel.yaml")
    assert load_config(environ={}).config.telemetry.agent_id == "plain"
    write("telemetry: {agent_id: folder}", "config/ffe_otel.yaml")
    assert load_config(environ={}).config.telemetry.agent_id == "folder"
    named = write("telemetry: {agent_id: named}", "x.yaml")
    environ = {"FFE_OTEL_CONFIG": str(named)}
    assert load_config(environ=environ).config.telemetry.agent_id == "named"
    loaded = load_config(plain, environ=environ)
    assert (loaded.config.telemetry.agent_id, loaded.path) == ("plain", plain)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/var/state", "HOME": "/home/a"}, "/var/state/ffe_otel"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/state/ffe_otel"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/ffe_otel"),
        ({"FFE_OTEL__STATE_DIR": "/data"}, "/data"),
    ],
)
def test_state_dir_and_what_lies_in_it(write, environ, expected):
    config = load_config(environ=environ).config

    assert config.state_dir == expected
    assert config.logging.outputs.file.path == f"{expected}/logs/ffe.log"
    assert config.serve.store_path == f"{expected}/store"


def test_state_dir_without_a_home_is_still_absolute(write):
    assert Path(load_config(environ={}).config.state_dir).is_absolute()


def test_relative_and_absolute_paths(write, tmp_path):
    path = write("state_dir: here\nlogging: {outputs: {file: {path: /var/log/x.log}}}\n")

    config = load_config(path, environ=HOME).config

    assert config.state_dir == str(tmp_path / "here")
    assert config.logging.outputs.file.path == "/var/log/x.log"


def test_a_loaded_configuration_cannot_be_changed(write):
    loaded = load_config(environ=HOME)

    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.config.serve.port = 1
    with pytest.raises(TypeError):
        loaded.origins["serve.port"] = None


def test_importing_it_brings_no_heavy_library():
    heavy = "jsonschema pydantic click psutil requests opentelemetry.sdk"
    script = (
        "import sys, ffe_otel.config; ffe_otel.config.load_config(environ={});"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )

    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "[]"


def test_a_secret_may_be_in_a_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    variables = {"FFE_OTEL__METRICS__INFLUXDB__PASSWORD_FILE": str(secret)}
    loaded = load_config(environ=variables)
    assert loaded.config.metrics.influxdb.password == "s3cret"


def test_only_secrets_are_in_files_and_a_missing_one_is_named(tmp_path):
    variables = {
        "FFE_OTEL__METRICS__INFLUXDB__URL_FILE": str(tmp_path / "url"),
        "FFE_OTEL__SERVE__TOKEN_FILE": str(tmp_path / "none"),
    }
    with pytest.raises(ConfigError) as caught:
        load_config(environ=variables)
    assert "there is no key metrics.influxdb.url_file" in str(caught.value)
    assert f"cannot read {tmp_path / 'none'}: No such file or directory" in str(caught.value)
