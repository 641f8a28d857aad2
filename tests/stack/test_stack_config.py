# SPDX-License-Identifier: Apache-2.0
"""The Collector takes the configuration, with every combination of overlays."""

import itertools
import os
import re
import subprocess

import pytest
import yaml
from stack_collector import CONFIGS

OVERLAYS = ("tls", "tail_sampling", "kafka", "filelog")
COMBINATIONS = [c for n in range(len(OVERLAYS) + 1) for c in itertools.combinations(OVERLAYS, n)]
RENAMED = {"otlphttp", "filelog", "prometheusremotewrite", "logging"}


def load(name):
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())


def validate(binary, overlays, env=None):
    configs = [f"--config={CONFIGS / name}.yaml" for name in ("config", *overlays)]
    return subprocess.run(
        [binary, "validate", *configs],
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("overlays", COMBINATIONS, ids="+".join)
def test_base_and_overlays_are_valid(collector_binary, overlays):
    result = validate(collector_binary, overlays)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_mistake_is_named(collector_binary):
    result = validate(collector_binary, (), {"FFE_COLLECTOR_QUEUE_BYTES": "plenty"})
    assert result.returncode != 0
    assert "queue_size" in result.stderr


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
        assert pipeline["processors"][:4] == [
            "memory_limiter", "transform/before", "redaction", "transform/after",
        ]  # fmt: skip


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


def test_the_build_has_what_the_configuration_uses(collector_binary):
    listed = subprocess.run(
        [collector_binary, "components"], capture_output=True, text=True, check=True
    )
    built = yaml.safe_load(listed.stdout)
    document = merged("config", *OVERLAYS)
    for kind in ("receivers", "processors", "exporters", "extensions"):
        used = {name.partition("/")[0] for name in document[kind]}
        assert {component["name"] for component in built[kind]} == used, kind


def test_the_log_has_no_warning_about_the_configuration(make_collector, sink):
    collector = make_collector(
        *("tail_sampling", "filelog"), env={"FFE_SERVE_OTLP": sink.url}
    ).run()
    warnings = [m["msg"] for m in collector.messages() if m["level"] != "info"]
    # Tempo is not there in this test.
    assert [w for w in warnings if "createTransport" not in w and "no files match" not in w] == []


def test_it_is_built_once(collector_binary, tmp_path):
    """The second time nothing is needed, not even Go."""
    again = subprocess.run(
        [str(CONFIGS / "build.sh")],
        env={**os.environ, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout.strip() == collector_binary


def test_without_go_the_build_says_what_to_do(tmp_path):
    result = subprocess.run(
        [str(CONFIGS / "build.sh")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "COLLECTOR_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "no Go toolchain on PATH" in result.stderr
    assert "otel/opentelemetry-collector-contrib:0.158.0" in result.stderr
