# SPDX-License-Identifier: Apache-2.0
"""Every rule does what its examples say."""

import re

import pytest

from ffe_otel.redaction import Redactor, load_catalogue

CATALOGUE = load_catalogue(classes=["financial", "network"])
DEFAULT = load_catalogue()
REDACTORS = {
    rule.id: Redactor(DEFAULT if rule.enabled else load_catalogue(enabled=[rule.id]))
    for rule in CATALOGUE.rules
}
MATCHING = [(rule.id, text) for rule in CATALOGUE.rules for text in rule.match]
CLEAN = [(rule.id, text) for rule in CATALOGUE.rules for text in rule.no_match]


@pytest.mark.parametrize(("rule", "example"), MATCHING)
def test_example_is_replaced_exactly(rule, example):
    text = example.replace("«", "").replace("»", "")
    expected = re.sub("«[^»]*»", f"[redacted:{rule}]", example)
    assert REDACTORS[rule].text(text, "body") == expected


@pytest.mark.parametrize(("rule", "example"), CLEAN)
def test_counterexample_stays(rule, example):
    assert REDACTORS[rule].text(example, "body") == example
