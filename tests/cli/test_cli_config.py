# SPDX-License-Identifier: Apache-2.0
"""`ffe-otel config`, `--version`, `--help`, and what all commands have in common."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from ffe_otel.cli.main import main


def test_show_prints_every_key_with_its_origin(cli):
    Path("ffe_otel.yaml").write_text("serve:\n  token: very-secret\n  port: 5000\n")

    result = cli("config", "show", env={"FFE_OTEL__LOGGING__LEVEL": "DEBUG"})

    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    assert rows["serve.port"] == ["5000", "ffe_otel.yaml:3"]
    assert rows["logging.level"] == ["DEBUG", "FFE_OTEL__LOGGING__LEVEL"]
    assert rows["serve.host"] == ["127.0.0.1", "default"]
    assert rows["serve.token"][0] == "****"
    assert "very-secret" not in result.output


def test_show_one_key_explains_it(cli):
    output = cli("config", "show", "--key", "serve.port").output

    assert output.splitlines()[1:] == ["serve.port  4319  default", "page and API"]


def test_show_one_section(cli):
    output = cli("config", "show", "--key", "metrics.intervals").output

    assert [line.split()[0] for line in output.splitlines()[1:]] == [
        "metrics.intervals.agent_state",
        "metrics.intervals.api_metrics",
        "metrics.intervals.resource_metrics",
    ]


def test_show_an_unknown_key(cli):
    result = cli("config", "show", "--key", "serve.prt")

    assert result.exit_code == 2
    assert "there is no key serve.prt; did you mean serve.port?" in result.output


def test_show_as_json(cli):
    found = json.loads(cli("config", "show", "--json", "--key", "serve.port").output)

    assert found["settings"] == [
        {"key": "serve.port", "value": "4319", "origin": "default", "source": "default",
         "help": "page and API", "effect": ""}
    ]  # fmt: skip


def test_check_names_every_problem(cli):
    Path("bad.yaml").write_text("logging: {levle: x}\nserve: {port: x}\n")

    result = cli("config", "check", "bad.yaml")

    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith("✗ bad.yaml:1: logging.levle: unknown key; did you mean")
    assert lines[1].startswith("✗ bad.yaml:2: serve.port: expected an integer")
    found = json.loads(cli("config", "check", "bad.yaml", "--json").output)
    assert [problem["where"] for problem in found["problems"]] == ["bad.yaml:1", "bad.yaml:2"]


def test_check_a_good_file_and_none(cli):
    assert cli("config", "check").output == "✓ no file: all values are defaults\n"
    Path("ffe_otel.yaml").write_text("serve: {port: 1}")
    assert cli("config", "check").output == "✓ ffe_otel.yaml\n"


def test_what_has_no_effect_yet_says_so(cli):
    Path("ffe_otel.yaml").write_text(
        "alerting: {channels: {telegram: {enabled: true, bot_token: x, chat_id: y}}}\n"
    )
    key = "alerting.channels.telegram.enabled"

    checked, shown = cli("config", "check"), cli("config", "show", "--key", key)

    assert checked.exit_code == 0
    assert f"! ffe_otel.yaml:1: {key}: no effect yet" in checked.output
    assert "ffe_otel.yaml:1, no effect yet" in shown.output
    assert key in json.loads(cli("config", "check", "--json").output)["no_effect_yet"]
    row = json.loads(cli("config", "show", "--key", key, "--json").output)["settings"][0]
    assert row["effect"] == "no effect yet"
    assert "no effect yet" not in cli("config", "show", "--key", "serve").output


def test_check_says_when_only_skeletons_go_out(cli):
    Path("ffe_otel.yaml").write_text("redaction: {classes: [finacial]}\nserve: {port: 77}\n")

    checked, shown = cli("config", "check"), cli("config", "show", "--key", "redaction")

    assert checked.exit_code == 1
    assert "ffe_otel.yaml:1: redaction.classes: nothing is called finacial" in checked.output
    assert "only skeletons go out" in checked.output
    assert json.loads(cli("config", "check", "--json").output)["skeletons_only"] is True
    assert shown.exit_code == 0


def test_show_goes_on_with_what_can_be_used(cli):
    Path("ffe_otel.yaml").write_text("redaction: [\n")

    shown = cli("config", "show", "--key", "redaction.skeletons_only")

    assert shown.exit_code == 0
    assert "is not valid YAML" in shown.stderr
    assert "true" in shown.stdout


def test_a_guess_is_named_and_no_problem(cli):
    Path("ffe_otel.yaml").write_text("telemetry: {otlp_endpoint: '127.0.0.1:4318'}\n")

    checked = cli("config", "check")

    assert checked.exit_code == 0
    assert "names no scheme, so it is http://127.0.0.1:4318" in checked.output


def test_check_a_file_that_is_not_there(cli):
    result = cli("config", "check", "gone.yaml")

    assert result.exit_code == 1
    assert "gone.yaml: there is no such file" in result.output


@pytest.mark.parametrize(
    "command", ["status", "doctor", "config", "run", "serve", "trace", "collector"]
)
def test_every_command_is_listed_and_explains_itself(cli, command):
    assert f"  {command} " in cli("--help").output
    result = cli(command, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ffe-otel")


def test_every_command_takes_json():
    def leaves(group: click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from leaves(command)
            else:
                yield command

    for command in leaves(main):
        assert "as_json" in {parameter.name for parameter in command.params}, command.name


def test_version(cli):
    assert cli("--version").output == f"ffe-otel, version {version('ffe-otel')}\n"


def test_an_unknown_command(cli):
    result = cli("sreve")

    assert result.exit_code == 2
    assert "sreve" in result.output
