# SPDX-License-Identifier: Apache-2.0
"""Redacting what was redacted changes nothing, with either gate the same comes out."""

from __future__ import annotations

import pytest
from canary_rows import KNOWN, UNKNOWN

from ffe_otel.redaction import Redactor, load_catalogue


@pytest.fixture(scope="module")
def redactors() -> tuple[Redactor, Redactor]:
    pytest.importorskip("re2")
    catalogue = load_catalogue()
    return Redactor(catalogue, gate="re2"), Redactor(catalogue, gate="python")


def test_twice_is_as_once(redactors: tuple[Redactor, Redactor]) -> None:
    redactor, _ = redactors
    for row in (*KNOWN, *UNKNOWN):
        once = redactor.text(row.text, "body")
        assert redactor.text(once, "body") == once
        mapping = redactor.mapping({row.key: row.value}, "attribute")
        assert redactor.mapping(mapping, "attribute") == mapping


def test_both_gates_agree(redactors: tuple[Redactor, Redactor]) -> None:
    quick, plain = redactors
    for row in (*KNOWN, *UNKNOWN):
        assert quick.text(row.text, "body") == plain.text(row.text, "body")
        mapping = {row.key: row.value}
        assert quick.mapping(mapping, "attribute") == plain.mapping(mapping, "attribute")
