# SPDX-License-Identifier: Apache-2.0
"""Every rule does what its examples say."""

import re

import pytest

from ffe_otel.redaction import Redactor, load_catalogue

CATALOGUE = load_catalogue()
REDACTOR = Redactor(CATALOGUE)
MATCHING = [(rule.id, text) for rule in CATALOGUE.rules for text in rule.match]
CLEAN = [(rule.id, text) for rule in CATALOGUE.rules for text in rule.no_match]


@pytest.mark.parametrize(("rule", "example"), MATCHING)
def test_example_is_replaced_exactly(rule, example):
    text = example.replace("«", "").replace("»", "")
    expected = re.sub("«[^»]*»", f"[redacted:{rule}]", example)
    assert REDACTOR.text(text, "body") == expected


@pytest.mark.parametrize(("rule", "example"), CLEAN)
def test_counterexample_stays(rule, example):
    assert REDACTOR.text(example, "body") == example
