# SPDX-License-Identifier: Apache-2.0
"""Ordinary values and ordinary log lines: redaction touches none of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canary_ordinary import CURSORS, SENTENCES, Value, ordinary

from ffe_otel.redaction import Redactor, load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 100_000
ENGINE_LINES = Path(__file__).with_name("engine_lines.txt")


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(load_catalogue())


def touched(redactor: Redactor, value: Value) -> Iterator[tuple[str, str, str]]:
    """The contexts in which a value did not stay as it is: sort, before and after."""
    mapping = {value.key: value.value}
    found = redactor.mapping(mapping, "attribute")
    if found != mapping:
        yield f"{value.sort} under {value.key}", value.value, str(found)
    for context, text in (
        ("bare", value.value),
        ("in a sentence", value.text),
        ("in JSON", value.document),
    ):
        after = redactor.text(text, "body")
        if after != text:
            yield f"{value.sort} {context}", text, after


def report(found: list[tuple[str, str, str]]) -> str:
    counts = Counter(where for where, _, _ in found)
    first = {where: (before, after) for where, before, after in reversed(found)}
    lines = [f"{n:7} {where}: {first[where][0]!r} -> {first[where][1]!r}"
             for where, n in counts.most_common()]  # fmt: skip
    return "\n".join(("", *lines))


def test_ordinary_values_stay_as_they_are(redactor: Redactor) -> None:
    found = [one for value in ordinary(COUNT, "ordinary") for one in touched(redactor, value)]
    assert not found, report(found)


def test_opaque_cursors_stay_as_they_are(redactor: Redactor) -> None:
    values = ordinary(COUNT // 10, "cursors", CURSORS)
    found = [one for value in values for one in touched(redactor, value)]
    assert not found, report(found)


def test_sentences_about_secrets_stay_as_they_are(redactor: Redactor) -> None:
    assert [redactor.text(sentence, "body") for sentence in SENTENCES] == list(SENTENCES)


def test_lines_of_the_engine_stay_as_they_are(redactor: Redactor) -> None:
    """Made by running the engine and the reference engine offline, a line of each sort."""
    lines = ENGINE_LINES.read_text(encoding="utf-8").splitlines()
    found = [("line", x, after) for x in lines if (after := redactor.text(x, "body")) != x]
    assert len(lines) > 300
    assert not found, "\n".join(f"{before!r} -> {after!r}" for _, before, after in found)
