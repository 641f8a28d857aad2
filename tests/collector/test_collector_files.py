# SPDX-License-Identifier: Apache-2.0
"""The Collector's configuration as data; tests/stack starts a Collector with it."""

import re
from pathlib import Path

import pytest
import yaml

from ffe_otel import semconv
from ffe_otel.redaction.collector import PROCESSORS

CONFIGS = Path(__file__).parents[2] / "collector"
OVERLAYS = ("tls", "tail_sampling", "kafka", "filelog")
RENAMED = {"otlphttp", "filelog", "prometheusremotewrite", "logging"}
OUTCOMES = {"executed", "rejected", "failed", "cancelled"}


def load(name):
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())


def merged(*names):
    """What the Collector makes of several files: maps are merged, lists replaced."""

    def merge(old, new):
        if not (isinstance(old, dict) and isinstance(new, dict)):
            return new
        return {**old, **{k: merge(old[k], v) if k in old else v for k, v in new.items()}}

    result = {}
    for name in names:
        result = merge(result, load(name))
    return result


def lists(document, path=()):
    if isinstance(document, list):
        yield path, document
    elif isinstance(document, dict):
        for key, value in document.items():
            yield from lists(value, (*path, key))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_takes_nothing_out_of_the_base(overlay):
    base, both = dict(lists(load("config"))), dict(lists(merged("config", overlay)))
    for path, items in base.items():
        kept = [item for item in both[path] if item in items]
        assert kept == items, path


def test_no_two_overlays_change_the_same_list():
    base = dict(lists(load("config")))
    changed = [p for o in OVERLAYS for p, items in lists(load(o)) if p in base]
    assert len(changed) == len(set(changed))


def test_every_pipeline_redacts_before_anything_else_sees_the_data():
    for pipeline in merged("config", *OVERLAYS)["service"]["pipelines"].values():
        first = ["memory_limiter", *PROCESSORS]
        assert pipeline["processors"][: len(first)] == first


def test_no_queue_gives_up_or_forgets():
    exporters = dict(merged("config", "kafka")["exporters"].items())
    del exporters["prometheus"]
    stores = set()
    for exporter in exporters.values():
        queue = exporter["sending_queue"]
        assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
        assert not queue["block_on_overflow"]
        assert queue["batch"]
        stores.add(queue["storage"])
    assert len(stores) == len(exporters)
    for store in stores:
        assert load("config")["extensions"][store]["fsync"] is True


def test_listeners_are_on_loopback_unless_configured():
    text = "".join((CONFIGS / f"{name}.yaml").read_text() for name in ("config", *OVERLAYS))
    endpoints = re.findall(r"(?:endpoint|host): (.*)", text)
    assert endpoints
    assert all(re.search(r":-(?:http://)?127\.0\.0\.1", endpoint) for endpoint in endpoints)


def test_no_deprecated_component():
    document = merged("config", *OVERLAYS)
    for kind in ("receivers", "processors", "exporters", "extensions"):
        for name in document[kind]:
            assert name.partition("/")[0] not in RENAMED | {"batch"}


def test_names_are_those_of_the_vocabulary():
    policies = {
        p["name"]: p for p in load("tail_sampling")["processors"]["tail_sampling"]["policies"]
    }
    outcomes = policies["outcomes"]["string_attribute"]
    assert outcomes["key"] == semconv.CYCLE_OUTCOME
    assert set(outcomes["values"]) == OUTCOMES
    assert all(o in semconv.ATTRIBUTES[semconv.CYCLE_OUTCOME].description for o in OUTCOMES)
    assert policies["rejected trades"]["string_attribute"]["key"] == semconv.RISK_VERDICT
    (condition,) = policies["executed trades"]["ottl_condition"]["span"]
    assert set(re.findall(r'"(.*?)"', condition)) == {
        semconv.SPAN_TRADE_EXECUTE,
        semconv.SPAN_TRADE_OUTCOME,
    }
    moved = re.findall(r'to: \'attributes\["(.*?)"\]', (CONFIGS / "filelog.yaml").read_text())
    known = {*semconv.ATTRIBUTES, semconv.EXCEPTION_TYPE, semconv.EXCEPTION_MESSAGE}
    known |= {semconv.CODE_FUNCTION_NAME, semconv.CODE_LINE_NUMBER}
    assert moved
    assert set(moved) <= known


def test_every_setting_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "collector.md").read_text()
    used = {
        name
        for file in CONFIGS.glob("*.yaml")
        for name in re.findall(r"env:([A-Z_]+)", file.read_text())
    }
    # In a row the first one has its whole name, the others their ends.
    missing = [n for n in used if n not in text and not re.search(f"`_{n.split('_', 2)[2]}`", text)]
    assert missing == []


def test_versions_agree():
    manifest = (CONFIGS / "builder.yaml").read_text()
    assert set(re.findall(r" v(0\.\S+)", manifest)) == {yaml.safe_load(manifest)["dist"]["version"]}
    assert yaml.safe_load(manifest)["dist"]["version"] in (CONFIGS / "config.yaml").read_text()
