# SPDX-License-Identifier: Apache-2.0
"""Finds private keys that are written as rows of bytes: ``[12, 34, ...]``, ``0a:1b:...``.

Solana's tools keep the 64 bytes of a key pair as a list of numbers, and print it as one. A list
of as many numbers as 64 random bytes is hidden wherever it stands; other rows are hidden where
the words in front of them say what they are.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.spans import Span, paced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ffe_otel.redaction.catalogue import Rule

FEWEST: Final = 16
_MOST: Final = 128
_KEY_PAIR: Final = 64
# What may stand between the commas of a row, and between the pairs of digits of one.
_OF_NUMBERS: Final = b"0123456789abcdefxn \n\r\t\"':\\"
_OF_PAIRS: Final = b"0123456789abcdef"
_COMMAS: Final = b"," * (FEWEST - 1)
_BLANKS: Final = b" " * (FEWEST - 1)
_COLONS: Final = b":" * (FEWEST - 1)
_GAP: Final = r"(?:\\n|\s){0,16}"
_NUMBER: Final = r"(?:0x[0-9a-f]{1,2}|[0-9]{1,3})"
_INDEX: Final = r"(?:\\{0,7}[\"']?[0-9]{1,2}\\{0,7}[\"']?: ?)?"
_NUMBERS: Final = re.compile(
    rf"(?<![0-9a-z.-]){_INDEX}{_NUMBER}(?:{_GAP},{_GAP}{_INDEX}{_NUMBER}){{15,}}+"
)
_ONE: Final = re.compile(rf"{_INDEX}(?P<number>{_NUMBER})(?:{_GAP},{_GAP}|$)")
_PAIRS: Final = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{2}(?:(?:[ :]|:?(?:\\n|\s){1,16})[0-9a-f]{2}){15,}+(?![0-9a-z])"
)
_LONGEST: Final = 4_096
_ESCAPED: Final = re.compile(
    r"(?<![a-z])b(?P<quote>[\"'])(?:\\x[0-9a-f]{2}|\\[^x\n]|(?!(?P=quote))[^\\\n]){16,160}(?P=quote)"
)
_FEWEST_ESCAPES: Final = 4
_LOOK_BACK: Final = 72
_TELLING: Final = re.compile(
    r"secret|priv|key[ _-]?pair|seed|signer|signing[ _-]?key|wallet|mnemonic|(?<![a-z])sk(?![a-z])"
)
_HARMLESS: Final = re.compile(r"pub(?!l?ish)|hash|digest|signature|address|fingerprint|cert")


class BytesDetector:
    """Finds rows behind words that say what they are, see :class:`Detector`."""

    anchors: tuple[str, ...] = (
        "secret", "priv", "keypair", "key pair", "key_pair", "key-pair", "seed", "signer",
        "signing", "wallet", "mnemonic", "sk = [", "sk = (", "sk = b", "sk=[",
    )  # fmt: skip
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``bytes``."""
        self._rule = rule

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the rows (see :class:`Detector`)."""
        del text
        for pattern, wanted in (
            (_NUMBERS, _has_commas),
            (_PAIRS, _has_pairs),
            (_ESCAPED, _has_escapes),
        ):
            if not wanted(low):
                continue
            for row in paced(pattern.finditer(low), low):
                before = low[max(0, row.start() - _LOOK_BACK) : row.start()]
                if (
                    _TELLING.search(before) is not None
                    and _HARMLESS.search(before) is None
                    and (pattern is not _NUMBERS or are_bytes(_numbers(row)))
                ):
                    yield Span(row.start(), row.end(), self._rule)


class KeyPairDetector:
    """Finds 64 random bytes wherever they stand, see :class:`Detector`."""

    anchors: tuple[str, ...] = ()
    # Of so many, two neighbours have three digits.
    digit_anchors: tuple[str, ...] = ("000,000", "000, 000", "000,\n")

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``bytes``."""
        self._rule = rule

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the rows (see :class:`Detector`)."""
        del text
        if low.count(",") < _KEY_PAIR - 1 or not _has_commas(low):
            return
        for row in paced(_NUMBERS.finditer(low), low):
            numbers = _numbers(row)
            if are_bytes(numbers) and is_key_pair(numbers):
                yield Span(row.start(), row.end(), self._rule)


def _numbers(row: re.Match[str]) -> list[int]:
    """The numbers of a row; none when it is longer than a key, or ends in the middle of one."""
    following = row.string[row.end() : row.end() + 1]
    if row.end() - row.start() > _LONGEST or following.isalnum() or following == ".":
        return []
    found = (one["number"] for one in _ONE.finditer(row[0]))
    return [int(number, 0 if "x" in number else 10) for number in found]


def _has_commas(low: str) -> bool:
    return _COMMAS in low.encode("ascii").translate(None, _OF_NUMBERS)


def _has_pairs(low: str) -> bool:
    pairs = low.encode("ascii").translate(None, _OF_PAIRS)
    return _BLANKS in pairs or _COLONS in pairs


def _has_escapes(low: str) -> bool:
    return low.count("\\x") >= _FEWEST_ESCAPES


def are_bytes(numbers: Sequence[object]) -> bool:
    """Say whether numbers may be the bytes of a key."""
    return FEWEST <= len(numbers) <= _MOST and all(
        type(number) is int and 0 <= number <= 255 for number in numbers
    )


def is_key_pair(numbers: Sequence[int]) -> bool:
    """Say whether 64 bytes look drawn by chance, as counts, prices and colours do not.

    Of 64 random bytes some 57 differ, and each quarter of their range gets some 16.
    """
    if len(numbers) != _KEY_PAIR or len(set(numbers)) < 46:
        return False
    quarters = [sum(number >> 6 == quarter for number in numbers) for quarter in range(4)]
    rises = sum(one < other for one, other in pairwise(numbers))
    return min(quarters) >= 5 and max(quarters) <= 30 and 20 <= rises <= 43
