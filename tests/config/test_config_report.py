# SPDX-License-Identifier: Apache-2.0
"""The rows `ffe-otel config show` prints."""

from __future__ import annotations

from ffe_otel.config import load_config
from ffe_otel.config.report import describe
from ffe_otel.config.schema import keys


def rows(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return {row.key: row for row in describe(load_config(path, environ={"HOME": "/home/t"}))}


def test_every_key_has_a_row_with_help_and_origin(tmp_path):
    found = rows(tmp_path, "serve:\n  port: 5000\n")

    assert list(found) == list(keys())
    assert all(row.help for row in found.values())
    assert found["serve.port"].value == "5000"
    assert str(found["serve.port"].origin) == f"{tmp_path}/c.yaml:2"


def test_secrets_are_masked_and_unset_ones_recognisable(tmp_path):
    found = rows(
        tmp_path,
        "serve: {token: tok-secret}\n"
        "telemetry: {otlp_headers: {authorization: Bearer secret}}\n"
        "redaction: {secrets: [secret]}\n"
        "metrics: {influxdb: {url: 'http://root:secret@influx:8086'}}\n",
    )

    assert "secret" not in "".join(row.value for row in found.values())
    assert found["serve.token"].value == "****"
    assert found["telemetry.otlp_headers"].value == "****"
    assert found["metrics.influxdb.url"].value == "http://root:****@influx:8086"
    assert found["alerting.channels.telegram.bot_token"].value == '""'
    assert found["optimization.cache.redis_url"].value == "redis://localhost:6379"


def test_values_read_like_yaml(tmp_path):
    found = rows(
        tmp_path,
        "alerting: {channels: {email: {to_addresses: [a, b]}}}\n"
        "llm: {prices: [{provider: p, model: m, input_usd_per_million: 0.5}]}\n"
        "logging: {async_logging: false}\n",
    )

    assert found["alerting.channels.email.to_addresses"].value == "[a, b]"
    assert found["llm.prices"].value == (
        "[{provider: p, model: m, input_usd_per_million: 0.5, "
        'output_usd_per_million: 0, since: ""}]'
    )
    assert found["logging.async_logging"].value == "false"
