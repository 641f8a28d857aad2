# SPDX-License-Identifier: Apache-2.0
"""What holds for every text: one result from every gate, idempotence, linear time."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redaction_texts import CATALOGUE, LITERALS, TEXTS

from ffe_otel.redaction import Redactor

REDACTORS = {gate: Redactor(CATALOGUE, LITERALS, gate=gate) for gate in ("python", "re2", "none")}
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(TEXTS)
def test_every_gate_gives_the_same_result(text):
    results = {gate: r.strict_text(text, "body") for gate, r in REDACTORS.items()}
    assert results["python"] == results["none"]
    assert results["re2"] == results["none"]


@MANY
@given(TEXTS)
def test_redacting_twice_changes_nothing(text):
    redactor = REDACTORS["python"]
    once = redactor.strict_text(text, "body")
    assert redactor.strict_text(once, "body") == once


@MANY
@given(TEXTS, st.integers(min_value=0, max_value=400))
def test_cut_text_keeps_its_limit_and_no_literal(text, limit):
    cut = REDACTORS["python"].strict_text(text, "body", limit)
    assert len(cut) <= limit
    assert not any(literal in cut for literal in LITERALS)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit",
    [
        "token=", "token: ", 'token="', "password='", "://", "a://b:", "://:x/", "eyJaaaaaaaa",
        "eyJaaaaaaaaaa.", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "sk-", "bearer ",
        "bearer aaaaaaaa", "1:AA", "12345678:AA", "?key=", "&key=&", "apikey=apikey", "cookie: ",
        '("token",', "--token ", '\\"token\\":', "token%3D", "[redacted:", "token=('", "secret=,a",
        "secrets: {", "secrets: {'a", "credentials: ['a', {", "token=T(", "token=T('a1b2c3d4", "a@",
        "a@b.", "@", "%40", "+1 ", "+", "+41 79 ", "4", "4111 1111 ", "4111-", "DE89",
        "DE89 3704 ", "?a=", "?a=" + "aB1" * 9,
        "abandon ", '"abandon", ', "a" * 20, "aB1" * 9 + " ", "secret " + "aB1" * 9 + ".", "a/",
        "secret " * 5, "binance ", "aws ", "alphavantage ", "discord ", "/hooks/", "mysql ",
        "login ",
        "password for ", "a.b/", "-----BEGIN PRIVATE KEY-----.", "key_", "_key=", "$2b$", "-u a:",
    ],
)  # fmt: skip
def test_hostile_text_is_done_in_linear_time(unit):
    """Quadratic time would be many minutes for these; the timeout is the assertion."""
    text = unit * (100_000 // len(unit))
    assert REDACTORS["python"].strict_text(text, "body", 100_000)
