# SPDX-License-Identifier: Apache-2.0
"""Texts looked at together come out as those that are looked at one by one."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redaction_texts import CATALOGUE, LITERALS, TEXTS

from ffe_otel.redaction import Redactor, keys, screening
from ffe_otel.redaction.spans import LONG

GATES = ("python", "re2", "none")
SCREENED = {gate: Redactor(CATALOGUE, LITERALS, gate=gate) for gate in GATES}
SINGLE = Redactor(CATALOGUE, LITERALS, gate="python")
MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.sampled_from(
    [
        "session", "token", "the", "a", "of", "for", "is", "was", "from", "above", "EURUSD", "key",
        "0.12345", "12345678", "17", "password", "account", "secret", "signal", "value", "id",
        "hunter2hunter2", "Tr0ub4dor&3x9", "correcthorse", "abandon", "sk-", "number:", "code=",
        "login", "card", "API", "X-Api-Key:", "bearer", "ab12cd34ef56ab78", ".", ",", "\n", "\t",
        "=", ":", "(", "-", "--pw", "Zx9Kq2Lm4Np7Rt5v",
    ]
)  # fmt: skip
SENTENCES = st.lists(WORDS, max_size=14).map(" ".join)


@MANY
@given(st.lists(TEXTS | SENTENCES, max_size=12), st.sampled_from([None, 5, 200, 100_000]))
def test_as_one_by_one(texts: list[str], limit: int | None) -> None:
    expected = [SINGLE.strict_text(text, "body", limit) for text in texts]
    for gate, redactor in SCREENED.items():
        with redactor.screened(texts):
            found = [redactor.strict_text(text, "body", limit) for text in texts]
            mapped = redactor.strict_mapping(dict(enumerate(texts)), "body", limit)
        assert found == expected, gate
        assert list(mapped.values()) == expected, gate


@settings(MANY, max_examples=400)
@given(SENTENCES)
def test_a_name_in_a_sentence_is_dismissed_where_there_is_nothing_to_find(text: str) -> None:
    short_cut = list(SINGLE.spans(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "SENTENCE", re.compile(r"(?!)"))
        assert list(SINGLE.spans(text)) == short_cut


def test_most_texts_need_no_second_look() -> None:
    texts = [
        f"order {number} of EURUSD was filled above the session range" for number in range(900)
    ]
    found = screening.clean_texts(texts, SINGLE._state.gate, SINGLE._state.self_gated)
    assert [text for some in found for text in some] == texts


def test_of_those_with_secrets_only_they_do() -> None:
    texts = [f"price {number}" for number in range(400)]
    texts[17], texts[300] = f"password={LITERALS[0]}", "Authorization: Bearer aB3dE6gH9jK2mN5p"
    found = screening.clean_texts(texts, SINGLE._state.gate, SINGLE._state.self_gated)
    clean = [text for some in found for text in some]
    assert clean == [text for text in texts if text.startswith("price")]


def test_nothing_is_kept_of_a_batch_that_is_over() -> None:
    redactor = Redactor(CATALOGUE, LITERALS)
    texts = [
        f"a longer text about nothing in particular, number {n}, of many" * 3 for n in range(9)
    ]
    with redactor.screened(texts):
        assert redactor._state.screened == set(texts)
    assert not redactor._state.screened


def test_what_is_learned_meanwhile_holds_at_once() -> None:
    redactor = Redactor(CATALOGUE)
    text = "the word of the day is plumbiferous"
    with redactor.screened([text]):
        assert redactor.text(text, "body") == text
        redactor.learn(["plumbiferous"])
        assert "plumbiferous" not in redactor.text(text, "body")


def test_long_texts_are_left_to_themselves() -> None:
    redactor = Redactor(CATALOGUE, LITERALS)
    text = "word " * LONG + LITERALS[0]
    with redactor.screened([text]):
        assert LITERALS[0] not in redactor.strict_text(text, "body", len(text))


def test_a_detector_that_fails_leaves_every_text_to_itself() -> None:
    redactor = Redactor(CATALOGUE, LITERALS)

    def texts():
        yield "one text"
        raise ValueError("x")

    with redactor.screened(texts()):
        assert redactor.text(f"a {LITERALS[0]}", "body") == "a [redacted:literal]"
