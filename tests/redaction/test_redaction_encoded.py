# SPDX-License-Identifier: Apache-2.0
"""Secrets in percent-encoded text: URLs in log lines, spans and exception messages."""

from urllib.parse import quote, quote_plus

import pytest

from ffe_otel.redaction import Redactor, load_catalogue

KEY = "sk-proj-Fake0Fake1Fake2Fake3Fake"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIFAKE/FAKE+fake==\n-----END EC PRIVATE KEY-----"


@pytest.fixture(params=["re2", "python"])
def redact(request):
    if request.param == "re2":
        pytest.importorskip("re2")
    redactor = Redactor(load_catalogue(), gate=request.param)
    return lambda text: redactor.text(text, "body")


@pytest.mark.parametrize(
    ("plain", "rest"),
    [
        (f"the agent used {KEY} today", "the%20agent%20used%20[redacted:sk-key]%20today"),
        (f"a, {PEM} b", "a%2C%20[redacted:pem-private-key]%20b"),
        ("redis://:hunter2x@cache/0", "redis%3A%2F%2F%3A[redacted:url-password]%40cache%2F0"),
        ("account 101-001-1234567-001 is ok", "account%20[redacted:oanda-account]%20is%20ok"),
    ],
)  # fmt: skip
def test_what_is_recognised_plain_is_recognised_encoded(redact, plain, rest):
    before, after = "GET http://api.example/say/", " 404 (93% of 100%)"
    assert redact(f"{before}{quote(plain, safe='')}{after}") == f"{before}{rest}{after}"


def test_a_plus_is_a_space_and_a_plus(redact):
    assert redact(f"?note={quote_plus(PEM)}&limit=5") == "?note=[redacted:pem-private-key]&limit=5"
    iban = quote_plus("DE89 3704 0044 0532 0130 00")
    assert redact(f"?a=1&note={iban}") == "?a=1&note=[redacted:iban]"
    assert redact("api_key:%20abc+def123/+g") == "api_key:[redacted:api-key]"


def test_redacting_twice_changes_nothing(redact):
    once = redact(f"http://api.example/{quote(f'with {KEY}, {PEM}')}?x=%00%zz%2")
    assert redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "GET http://api.example/v1/candles?start=2026-01-05T00%3A00%3A00Z&tz=%2B01%3A00 200",
        "confidence 93%, margin usage 5.44% < 60.00% limit",
        "%d of %s failed, %20",
        "GET /wiki/S%26P_500_%E2%82%AC",
    ],
)
def test_ordinary_encoded_text_stays(redact, text):
    assert redact(text) == text
