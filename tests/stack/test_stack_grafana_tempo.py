# SPDX-License-Identifier: Apache-2.0
"""Grafana's data sources and Tempo's file, as far as they can be checked without the programs.

Neither can be had from a package registry. With TEMPO_BIN set, Tempo itself reads its file.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
import yaml
from stack_server import CONFIG, ROOT

from ffe_otel import semconv

pytestmark = pytest.mark.stack

FOLDER = CONFIG / "grafana" / "provisioning" / "datasources"
TEMPO = CONFIG / "tempo" / "tempo.yaml"


def sources() -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        written = yaml.safe_load(path.read_text())
        assert written["apiVersion"] == 1
        for source in written["datasources"]:
            found[source["uid"]] = source
    return found


def walk(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for k, v in value.items() for pair in [(k, v), *walk(v)]]
    if isinstance(value, list):
        return [pair for item in value for pair in walk(item)]
    return []


def test_uids_are_fixed():
    """Dashboards and alerts name them; a generated uid would break every one of them."""
    assert set(sources()) == {"prometheus", "tempo", "influxdb"}
    assert [uid for uid, source in sources().items() if source.get("isDefault")] == ["prometheus"]


def test_links_lead_to_a_data_source_that_is_there():
    named = [value for key, value in walk(sources()) if key in {"datasourceUid", "targetUID"}]

    assert set(named) == {"prometheus", "tempo"}


def test_an_exemplar_leads_to_its_trace():
    ways = sources()["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]

    assert {way["name"] for way in ways} == {"trace_id"}
    assert [way.get("datasourceUid") for way in ways] == ["tempo", None]


def test_a_trace_leads_to_its_logs():
    """By a correlation: Grafana's own trace to logs knows no store of ours.

    Provisioning asserts that label and description are there and dies otherwise; the type stands
    beside config and not in it.
    """
    (correlation,) = sources()["tempo"]["correlations"]

    assert set(correlation) == {"type", "label", "description", "config"}
    assert correlation["type"] == "external"
    assert set(correlation["config"]) == {"field", "target"}
    url = correlation["config"]["target"]["url"]
    assert url == "http://127.0.0.1:4319/#/trace/$${traceID}?span=$${spanID}"


def test_a_dollar_is_a_dollar():
    """Grafana expands $NAME in these files; what the browser is to expand needs two."""
    for path in FOLDER.glob("*.yaml"):
        text = "\n".join(
            line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")
        )
        lonely = re.findall(r"(?<!\$)\$(?!\$)[\w{]+", text)
        assert set(lonely) <= {"$__file{"}, path.name


def test_queries_name_metrics_that_exist():
    known = {
        value.prometheus for value in vars(semconv).values() if isinstance(value, semconv.Metric)
    }
    queries = [value for key, value in walk(sources()) if key == "query"]
    used = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for query in queries
        for name in re.findall(r"\bffe_\w+", query)
    }

    assert queries
    assert used <= known


def test_influxdb_is_read_as_a_user_who_cannot_write():
    source = sources()["influxdb"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    environ = compose["influx-init"]["environment"]

    assert source["user"] == environ["FFE_OTEL__METRICS__INFLUXDB__READER_USERNAME"]
    assert source["user"] != environ["FFE_OTEL__METRICS__INFLUXDB__USERNAME"]
    assert source["secureJsonData"] == {
        "password": "$__file{/run/secrets/influxdb_reader_password}"
    }
    assert "influxdb_reader_password" in compose["grafana"]["secrets"]


def test_tempo_keeps_its_state_in_its_volume_and_talks_to_nobody():
    written = yaml.safe_load(TEMPO.read_text())
    paths = [value for key, value in walk(written) if isinstance(value, str) and value[:1] == "/"]

    assert len(paths) == 4
    assert all(path.startswith("/var/tempo/") for path in paths)
    assert written["usage_report"] == {"reporting_enabled": False}


def test_tempo_accepts_its_file():
    binary = os.environ.get("TEMPO_BIN")
    if not binary:
        pytest.skip("TEMPO_BIN names no Tempo")

    done = subprocess.run(
        [binary, f"-config.file={TEMPO}", "-config.verify=true"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
