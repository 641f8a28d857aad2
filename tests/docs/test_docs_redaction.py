# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/redaction.md work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ffe_otel.config import load_config
from ffe_otel.redaction import Redactor, load_catalogue

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "redaction.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_settings_are_known(tmp_path):
    path = tmp_path / "ffe_otel.yaml"
    path.write_text(blocks("yaml")[0])
    settings = load_config(path).config.redaction
    assert settings.disabled_rules == ("email",)
    load_catalogue(
        None,
        settings.disabled_rules,
        enabled=settings.enabled_rules,
        classes=settings.classes,
        jurisdiction=settings.jurisdiction,
    )


def test_the_rule_file_does_what_it_says(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(blocks("yaml")[1])
    redactor = Redactor(load_catalogue(path, jurisdiction="house"))
    assert redactor.text("desk-1234, desk-lamp, ops@desk.example, 203.0.113.7", "body") == (
        "[redacted:desk-code], desk-lamp, ops@desk.example, [redacted:client-ip]"
    )
    assert redactor.text("password=test-12 password=test-x", "body") == (
        "password=test-12 password=[redacted:password]"
    )


def test_the_plugin_does_what_it_says():
    names: dict[str, object] = {}
    exec(blocks("python")[0], names)
    redactor = Redactor(load_catalogue(contributions=[names["contribution"]()]))
    assert redactor.text("badge 123456 opened", "body") == "badge [redacted:desk-badge] opened"


def test_every_class_is_explained():
    known = {rule.sensitivity for rule in load_catalogue(classes=["network", "financial"]).rules}
    assert {name for name in known if f"| `{name}` |" not in TEXT} == set()


def test_every_jurisdiction_of_the_settings_exists():
    root = Path(__file__).resolve().parents[2] / "config"
    known = yaml.safe_load((root / "redaction.yaml").read_text())["jurisdictions"]
    line = next(
        line
        for line in (root / "ffe_otel.yaml").read_text().splitlines()
        if "jurisdiction:" in line
    )
    assert {name.strip() for name in line.rpartition(": ")[2].split(",")} == set(known)
