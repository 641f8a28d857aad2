# SPDX-License-Identifier: Apache-2.0
"""The alert rules, in promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml
from stack_server import CONFIG, program

from ffe_otel import semconv

RULES = CONFIG / "prometheus" / "rules"
CASES = Path(__file__).parent / "telemetry_alerts.yml"


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> dict[str, str]:
    """The expression of each alert."""
    groups = [
        group
        for path in RULES.glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def test_promtool_accepts_them() -> None:
    promtool("check", "rules", *RULES.glob("*.yml"))


def test_they_begin_and_end_when_they_should() -> None:
    promtool("test", "rules", CASES)


def test_each_has_a_case_and_asks_for_metrics_that_there_are() -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    tested = {case["alertname"] for test in cases for case in test["alert_rule_test"]}
    assert set(rules()) == tested
    for expression in rules().values():
        names = set(re.findall(r"\bffe_otel_\w+", expression))
        assert names
        assert names <= semconv.PROMETHEUS_NAMES
