# SPDX-License-Identifier: Apache-2.0
"""No wallet phrase survives, whatever its words are and however they are written down."""

from __future__ import annotations

import hmac
import json
import re
import zlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mnemonic import Mnemonic

from ffe_otel.redaction import Redactor, load_catalogue

REDACTOR = Redactor(load_catalogue())
BIP39 = Mnemonic("english")
WORDS = BIP39.wordlist
COUNTS = (12, 15, 18, 21, 24)
# Words of the list that are ordinary ones in our own lists: states, types, things to count.
ORDINARY = ("absent", "valid", "empty", "wrong", "any", "object", "token", "order", "position")


def phrase(rng: Random, count: int, word: str | None = None, place: int = 0) -> list[str]:
    """A phrase with a right checksum, and a word at a place but the last one."""
    bits = count * 32 // 3
    entropy = rng.getrandbits(bits)
    if word is not None:
        shift = bits - 11 * (place + 1)
        entropy = entropy & ~(2047 << shift) | WORDS.index(word) << shift
    return BIP39.to_mnemonic(entropy.to_bytes(bits // 8, "big")).split()


NOTATIONS = {
    "words": " ".join,
    "upper case": lambda w: " ".join(w).upper(),
    "title case": lambda w: " ".join(w).title(),
    "two spaces": "  ".join,
    "lines": "\n".join,
    "escaped lines": "\\n".join,
    "commas": ", ".join,
    "CSV": ",".join,
    "semicolons": "; ".join,
    "hyphens": "-".join,
    "underscores": "_".join,
    "pipes": " | ".join,
    "tabs": "\t".join,
    "JSON": json.dumps,
    "JSON in JSON": lambda w: json.dumps(json.dumps(w)),
    "indented JSON": lambda w: json.dumps(w, indent=2),
    "Python": repr,
    "tuple": lambda w: repr(tuple(w)),
    "numbers": lambda w: " ".join(f"{n}. {x}" for n, x in enumerate(w, 1)),
    "numbered lines": lambda w: "\n".join(f"{n}) {x}" for n, x in enumerate(w, 1)),
    "numbered from zero": lambda w: "\n".join(f"{n:02d}: {x}" for n, x in enumerate(w)),
    "numbered mapping": lambda w: json.dumps({str(n): x for n, x in enumerate(w, 1)}),
    "named mapping": lambda w: json.dumps({f"word{n}": x for n, x in enumerate(w, 1)}),
    "numbered arguments": lambda w: " ".join(f"word_{n}={x}" for n, x in enumerate(w, 1)),
    "numbered objects": lambda w: json.dumps([{"index": n, "word": x} for n, x in enumerate(w, 1)]),
    "YAML": lambda w: "".join(f"\n  - {x}" for x in w),
    "percent": "%20".join,
}
SURROUNDINGS = (
    "{}",
    "restored from {}!",
    "2026-11-30 12:00:01,123 INFO wallet: loaded {}",
    "the engine read the following from its file: {} and went on",
    "mnemonic: {}",
    "MNEMONIC={}",
    '{{"mnemonic": "{}"}}',
    "seed phrase is {} ok",
)


def left(text: str, words: list[str], around: str = "") -> list[str]:
    """Words of a phrase that stand in a text."""
    low = re.sub(r"\[redacted:[a-z-]*\]", "", text).lower()
    return [x for x in words if len(x) > 5 and x in low and x not in around]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("count", COUNTS)
def test_no_phrase_survives_in_any_notation(notation: str, count: int) -> None:
    rng = Random(f"{notation}/{count}")
    for first in (*ORDINARY, None):
        words = phrase(rng, count, first)
        for surrounding in SURROUNDINGS[:5]:
            text = surrounding.format(NOTATIONS[notation](words))
            after = REDACTOR.text(text, "body")
            assert not left(after, words, surrounding), f"{text!r}\n -> {after!r}"


def test_no_word_in_any_place_keeps_a_phrase_readable() -> None:
    rng = Random("places")
    for number, word in enumerate(WORDS):
        text = " ".join(phrase(rng, 12, word, (0, 5, 10)[number % 3]))
        assert REDACTOR.text(text, "body") == "[redacted:wallet-phrase]"
    for _ in range(300):
        text = " ".join(phrase(rng, 24))
        assert REDACTOR.text(text, "body") == "[redacted:wallet-phrase]"


@pytest.mark.parametrize("first", [*ORDINARY, "abandon", "zoo"])
def test_what_is_called_a_phrase_needs_no_checksum(first: str) -> None:
    """One word mistyped or left out, or a checksum that we do not know."""
    rng = Random(first)
    for _ in range(10):
        words = [first, *rng.choices(WORDS, k=11)]
        plain = " ".join(words)
        for text in (
            f"mnemonic: {plain}", f"mnemonic={plain}", f"MNEMONIC={plain}",
            f"seed phrase: {plain}", f"seed_phrase={plain} ok", f"recovery phrase is {plain}",
            f"wallet seed: {plain}", f"passphrase: {plain}", f"--mnemonic {plain}",
            f"export MNEMONIC={plain}", f"the mnemonic was: {plain}",
        ):  # fmt: skip
            after = REDACTOR.text(text, "body")
            assert not left(after, words[1:], "seed phrase recovery wallet"), (
                f"{text!r}\n -> {after!r}"
            )


@settings(max_examples=100, deadline=None)
@given(
    entropy=st.sampled_from([16, 20, 24, 28, 32]).flatmap(
        lambda size: st.binary(min_size=size, max_size=size)
    ),
    notation=st.sampled_from(sorted(NOTATIONS)),
    surrounding=st.sampled_from(SURROUNDINGS[:5]),
    before=st.text(alphabet="abcXYZ 019:=,.[]{}\"'\n", max_size=30),
)
def test_phrases_in_any_surroundings_are_hidden(
    entropy: bytes, notation: str, surrounding: str, before: str
) -> None:
    words = BIP39.to_mnemonic(entropy).split()
    text = f"{before} ! {surrounding.format(NOTATIONS[notation](words))}"
    assert not left(REDACTOR.text(text, "body"), words, surrounding)


def test_a_phrase_that_was_split_up_is_hidden() -> None:
    rng = Random("split")
    for count in COUNTS:
        words = phrase(rng, count, "absent")
        for value in (
            words,
            tuple(words),
            [f"{n}. {word}" for n, word in enumerate(words, 1)],
            {str(n): word for n, word in enumerate(words, 1)},
            {f"word_{n}": word for n, word in enumerate(words, 1)},
            dict(enumerate(words, 1)),
        ):
            for _ in range(2):  # what is remembered of single words must not let them pass
                assert not left(repr(REDACTOR.value(value, "note", "attribute")), words)
                assert not left(repr(REDACTOR.mapping({"n": value}, "attribute")), words)
        flat = {f"wallet.word.{n}": word for n, word in enumerate(words, 1)}
        assert not left(repr(REDACTOR.mapping({**flat, "symbol": "BTCUSD"}, "attribute")), words)


def test_seeds_of_electrum_and_monero_are_hidden() -> None:
    rng = Random("others")
    while True:
        seed = " ".join(rng.choices(WORDS, k=12))
        digest = hmac.digest(b"Seed version", seed.encode(), "sha512").hex()
        if digest.startswith(("01", "100")) and not BIP39.check(seed):
            break
    assert REDACTOR.text(f"opened {seed}.", "body") == "opened [redacted:wallet-phrase]."
    # Words of Monero are known by three letters; the list is not needed for the checksum.
    words = ["".join(rng.choices("bcdfghjklmnprstvz", k=6)) for _ in range(24)]
    checksum = zlib.crc32("".join(word[:3] for word in words).encode())
    words.append(words[checksum % 24])
    text = f"restored {' '.join(words)}, ok"
    assert REDACTOR.text(text, "body") == "restored [redacted:wallet-phrase], ok"


SENTENCES = (
    "market order rate above limit, risk budget average, margin call notice, slow trade, asset",
    "mnemonic is not set; the seed phrase must be given in the configuration before the start",
    "the mnemonic was loaded from the environment and checked against the address of the wallet",
    "1. open the market 2. sell the asset 3. close 4. wait 5. check 6. report 7. end 8. sleep",
)


def test_sentences_of_such_words_stay() -> None:
    assert [REDACTOR.text(text, "body") for text in SENTENCES] == list(SENTENCES)
