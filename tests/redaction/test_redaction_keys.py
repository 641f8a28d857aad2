# SPDX-License-Identifier: Apache-2.0
"""Codes of a second factor under every name, and private keys as bytes and in calls."""

from __future__ import annotations

import json
from random import Random

import pytest

from ffe_otel.redaction import Redactor, load_catalogue

REDACTOR = Redactor(load_catalogue())
NAMES = (
    "twofa", "two_fa", "2fa", "twoFactor", "tfa", "mfa", "totp", "otp", "otp_code", "gauth",
    "google2fa", "hotp", "2fa_code", "twoFactorToken", "sms_code", "pincode", "pin_code",
    "trading_pin", "fund_password", "tradePassword", "authenticator", "KRAKEN_TWOFA",
)  # fmt: skip
NOTATIONS = (
    "{}: 482917", "{}=482917", '{{"{}": "482917"}}', '{{"{}": 482917}}', "{{'{}': '482917'}}",
    "login({}='482917')", "/0/private/Withdraw?a=1&{}=482917&b=2", "X-{}: 482917\r\nHost: x",
    "export {}=482917", "Kraken(api=1, {}=482917)",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_second_factor_is_hidden_under_every_name(name: str) -> None:
    for notation in NOTATIONS:
        assert "482917" not in REDACTOR.text(notation.format(name), "body"), notation
    for value in ("482917", 482917, "JBSWY3DPEHPK3PXP"):
        for given in ({name: value}, {"n": {name: value}}, {"n": [{name: value}]}):
            assert str(value) not in repr(REDACTOR.mapping(given, "attribute"))


@pytest.mark.parametrize("count", [32, 64])
def test_a_key_as_a_row_of_bytes_is_hidden(count: int) -> None:
    rng = Random(count)
    for _ in range(10):
        key = rng.randbytes(count)
        numbers, some = list(key), str(list(key[8:14]))[1:-1]
        for text in (
            f"keypair={numbers}", f"Keypair.from_bytes({numbers})", f"seed: {tuple(numbers)}",
            f"Keypair.from_bytes(bytes({numbers}))", f"signer loaded bytearray({numbers})",
            f"secretKey: Uint8Array({count}) {numbers}", json.dumps({"keypair": numbers}),
        ):  # fmt: skip
            assert some not in REDACTOR.text(text, "body"), text
        assert key.hex(" ")[12:30] not in REDACTOR.text(f"private key: {key.hex(' ')}", "body")
        for name in ("keypair", "secret_key", "seed", "privateKeyBytes"):
            for value in (numbers, tuple(numbers), key, {str(n): b for n, b in enumerate(key)}):
                found = REDACTOR.mapping({name: value}, "attribute")
                assert some not in repr(found)
                assert found[name] != value


def test_64_random_bytes_are_hidden_anywhere_and_other_numbers_stay() -> None:
    rng = Random(64)
    for _ in range(20):
        key = list(rng.randbytes(64))
        for text in (json.dumps(key), json.dumps(key, indent=1), f"id.json: {key}"):
            assert str(key[9]) + ", " + str(key[10]) not in REDACTOR.text(text, "body")
        assert REDACTOR.mapping({"data": key}, "attribute")["data"] != key
        prices = [rng.randint(140, 180) for _ in range(64)]
        sizes = [int(rng.expovariate(1 / 30)) for _ in range(64)]
        rsi = [rng.randint(0, 100) for _ in range(64)]
        for numbers in (prices, sizes, rsi, sorted(key), list(range(64)), key[:32]):
            assert REDACTOR.text(f"closes: {numbers}", "body") == f"closes: {numbers}"
            assert REDACTOR.mapping({"closes": numbers}, "attribute") == {"closes": numbers}
