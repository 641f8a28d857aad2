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


@pytest.fixture
def damaged(home):
    queue = Path("state/tempo/exporter_otlp_grpc_tempo_traces")
    queue.parent.mkdir(parents=True)
    queue.write_bytes(b"not a database")
    return queue


def test_a_damaged_queue_is_one_line_and_an_exit_code(cli, damaged):
    result = cli("collector", "check-queues", "state")
    assert result.exit_code == 1
    (line,) = [said for said in result.stdout.splitlines() if "exporter_otlp" in said]
    assert f"the queue file {damaged} is damaged" in line
    assert "check-queues --repair" in line
    assert damaged.exists()


def test_a_repair_says_where_the_file_is_and_counts_it(cli, damaged):
    result = cli("collector", "check-queues", "state", "--repair", "--textfile", "queues.prom")
    assert result.exit_code == 0
    (aside,) = damaged.parent.iterdir()
    assert f"set aside as {aside.name}" in result.stdout
    metrics = Path("queues.prom")
    assert 'ffe_collector_queue_files_set_aside{queue="tempo"} 1\n' in metrics.read_text()
    assert metrics.stat().st_mode & 0o777 == 0o644
    again = cli("collector", "check-queues", "state", "--repair", "--json")
    assert (again.exit_code, json.loads(again.stdout)) == (0, [])


def test_before_the_collector_s_first_start_there_is_nothing_to_check(cli, home):
    result = cli("collector", "check-queues", "state", "--repair")
    assert result.exit_code == 0
    assert "no queues yet" in result.stdout


def test_a_text_file_that_cannot_be_written_is_named(cli, damaged):
    result = cli("collector", "check-queues", "state", "--textfile", "missing/queues.prom")
    assert result.exit_code == 2
    assert "missing/queues.part: No such file" in result.output
