# SPDX-License-Identifier: Apache-2.0
"""The Collector takes the configuration, with every combination of overlays."""

import itertools
import os
import subprocess

import pytest
import yaml
from stack_collector import CONFIGS

OVERLAYS = ("tls", "tail_sampling", "kafka", "filelog")
COMBINATIONS = [c for n in range(len(OVERLAYS) + 1) for c in itertools.combinations(OVERLAYS, n)]


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


def test_the_build_has_what_the_configuration_uses(collector_binary):
    listed = subprocess.run(
        [collector_binary, "components"], capture_output=True, text=True, check=True
    )
    built = yaml.safe_load(listed.stdout)
    documents = [yaml.safe_load((CONFIGS / f"{n}.yaml").read_text()) for n in ("config", *OVERLAYS)]
    for kind in ("receivers", "processors", "exporters", "extensions"):
        used = {name.partition("/")[0] for d in documents for name in d.get(kind, ())}
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
