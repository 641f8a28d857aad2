# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from ffe_otel.redaction import load_catalogue
from ffe_otel.redaction.collector import BEGIN, END, render

SECTION = render(load_catalogue())


@pytest.fixture
def stale(home):
    path = Path("collector.yaml")
    path.write_text(f"processors:\n{BEGIN}\n  old: {{}}\n{END}\n")
    return path


def test_without_a_file_the_section_is_printed(cli):
    result = cli("collector", "render")
    assert (result.exit_code, result.stdout) == (0, SECTION)


def test_a_stale_file_is_brought_up_to_date(cli, stale):
    check = cli("collector", "render", str(stale), "--check")
    assert check.exit_code == 1
    assert "is stale; run: ffe-otel collector render collector.yaml" in check.output
    assert "old" in stale.read_text()

    assert cli("collector", "render", str(stale)).exit_code == 0
    assert stale.read_text() == f"processors:\n{BEGIN}\n{SECTION}{END}\n"
    assert cli("collector", "render", str(stale), "--check").exit_code == 0


def test_the_configured_rules_count(cli, home):
    Path("ffe_otel.yaml").write_text("redaction: {disabled_rules: [jwt]}\n")
    assert "# jwt\n" not in cli("collector", "render").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--check",), "--check needs the FILE"),
        (("missing.yaml",), "missing.yaml: "),
        (("other.yaml",), "other.yaml: the lines "),
    ],
)
def test_what_cannot_be_done_is_said(cli, home, arguments, message):
    Path("other.yaml").write_text("processors: {}\n")
    result = cli("collector", "render", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_rules_that_cannot_be_used_are_named(cli, home):
    Path("ffe_otel.yaml").write_text("redaction: {rules_file: missing-rules.yaml}\n")
    result = cli("collector", "render")
    assert result.exit_code == 2
    assert "missing-rules.yaml" in result.output


def test_json_says_the_same(cli, stale):
    result = cli("collector", "render", "collector.yaml", "--check", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "path": "collector.yaml",
        "stale": True,
        "section": SECTION,
    }
