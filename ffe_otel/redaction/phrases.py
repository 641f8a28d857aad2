# SPDX-License-Identifier: Apache-2.0
"""Finds wallet phrases: 12 to 24 words of the English list of BIP-39 with a right checksum.

The list is data of BIP-39 (https://github.com/bitcoin/bips, MIT), 2048 words in order.
"""

from __future__ import annotations

import hashlib
import re
import string
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.spans import LONG, Span, paced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ffe_otel.redaction.catalogue import Rule

_FILE: Final = "bip39_english.txt"
_COUNTS: Final = (24, 21, 18, 15, 12)
_FEWEST: Final = 12
# A longer run is looked at in parts.
_LONGEST_RUN: Final = 256
_LETTERS: Final = string.ascii_lowercase.encode()
_GAPS: Final = bytes.maketrans(b"\"',\n\r\t", b"      ")
_TELLTALE: Final = b" " * (_FEWEST - 1)
_WORDS: Final = bytes(c if chr(c) in string.ascii_lowercase else 32 for c in range(256))
_KNOWN: Final = bytes([True]) * _FEWEST
# Of twelve words in a row, four of every third.
_THIRDS: Final = bytes([True]) * (_FEWEST // 3)
_WORD: Final = re.compile(r"[a-z]+")
_GAP: Final = re.compile(r"[ \"',\r\n\t]{1,6}")


class PhraseDetector:
    """Finds phrases whose words stand one behind the other, in a text or a list."""

    anchors: tuple[str, ...] = ()
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``phrase``."""
        self._rule = rule

    def hinted(self, low: str) -> bool:
        """Say whether any of many texts has eleven gaps with only letters between."""
        return _TELLTALE in low.encode("ascii").translate(_GAPS, _LETTERS)

    def wanted(self, low: str) -> bool:
        """See :class:`SelfGated`: twelve known words one behind the other, too."""
        if not self.hinted(low):
            return False
        if len(low) > LONG:
            return True
        words = low.encode("ascii").translate(_WORDS).split()
        is_known = _known().__contains__
        return _THIRDS in bytes(map(is_known, words[::3])) and _KNOWN in bytes(map(is_known, words))

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the phrases (see :class:`Detector`)."""
        del text
        known = _numbers()
        run: list[tuple[int, int, int]] = []
        for word in paced(_WORD.finditer(low), low):
            number = known.get(word[0])
            joined = not run or _GAP.fullmatch(low, run[-1][1], word.start())
            if number is None or not joined:
                yield from self._phrases(run)
                run = []
            if number is not None:
                run.append((word.start(), word.end(), number))
            if len(run) >= _LONGEST_RUN:
                yield from self._phrases(run)
                run = run[1 - _COUNTS[0] :]
        yield from self._phrases(run)

    def _phrases(self, run: Sequence[tuple[int, int, int]]) -> Iterator[Span]:
        """The whole run if a phrase is in it: words around one are seldom in the list."""
        numbers = [number for *_, number in run]
        for first in range(len(run) - _FEWEST + 1):
            for count in _COUNTS:
                if first + count <= len(run) and _checks(numbers[first : first + count]):
                    yield Span(run[0][0], run[-1][1], self._rule)
                    return


@cache
def _numbers() -> Mapping[str, int]:
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="ascii")
    return {word: number for number, word in enumerate(text.split())}


@cache
def _known() -> frozenset[bytes]:
    return frozenset(word.encode("ascii") for word in _numbers())


def _checks(numbers: Sequence[int]) -> bool:
    """Say whether the last bits are those of the SHA-256 of the bits before."""
    bits = len(numbers) * 11
    check = bits // 33
    value = 0
    for number in numbers:
        value = value << 11 | number
    entropy = (value >> check).to_bytes((bits - check) // 8, "big")
    return hashlib.sha256(entropy).digest()[0] >> (8 - check) == value & ((1 << check) - 1)
