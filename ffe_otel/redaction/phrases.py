# SPDX-License-Identifier: Apache-2.0
"""Finds wallet phrases: 12 to 24 words of the English list of BIP-39 with a right checksum.

Also those of Electrum, which takes the same words and another checksum, phrases of Monero, and
whatever is called a mnemonic and consists of such words: people mistype the last one, and log it
all the same. The list is data of BIP-39 (https://github.com/bitcoin/bips, MIT), 2048 words in
order.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import string
import zlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.redaction.spans import LONG, Span, paced, positions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ffe_otel.redaction.catalogue import Rule

_FILE: Final = "bip39_english.txt"
_COUNTS: Final = (24, 21, 18, 15, 12)
_FEWEST: Final = 12
_OF_MONERO: Final = 25
_SHORTEST_OF_MONERO: Final = 4
# A longer run is looked at in parts.
_LONGEST_RUN: Final = 256
# Backslashes, which stand before quotation marks in a text in a text, count as letters.
_LETTERS: Final = string.ascii_lowercase.encode() + b"\\"
# Blanks, and other signs between words with or without blanks around them.
_GAPS: Final = bytes.maketrans(b"\"',\n\r\t;-_/*<>.", b"      " + b"|" * 8)
_TELLTALE: Final = b" " * (_FEWEST - 1)
_TELLTALE_OF_MONERO: Final = b" " * (_OF_MONERO - 1)
_TELLTALE_SIGNS: Final = b"|" * (_FEWEST - 1)
_WORDS: Final = bytes(c if chr(c) in string.ascii_lowercase else 32 for c in range(256))
_KNOWN: Final = bytes([True]) * _FEWEST
# Of twelve words in a row, four of every third.
_THIRDS: Final = bytes([True]) * (_FEWEST // 3)
_LONG_ENOUGH: Final = bytes([True]) * (_OF_MONERO - 1)
# What stands in every text that numbers its words.
_NUMBERED: Final = re.compile(r"10[^0-9]{2,40}11(?![0-9])")
_ESCAPE: Final = re.compile(r"\\[nrt]")
# What follows the `n` of an escaped line end is the beginning of a word.
_WORD: Final = re.compile(r"(?:(?<=\\[nrt])|(?<![a-z\\]))[a-z]+")
# Words of a list, numbered or not: `1. legal`, `"2": "winner"`, `- thank`, `word4=year`.
_SIGNS: Final = r"\\[nrt]|[ \"',\r\n\t|;\-_/\\*\[\]<>.(){}#]|(?<=[\"'])[ ]?:"
_GAP: Final = re.compile(
    rf"(?:{_SIGNS}){{1,24}}(?:(?:[a-z]{{1,8}}[ _-]?)?[0-9]{{1,2}}(?:{_SIGNS}|[:=]){{1,12}})?"
)
_ROW_OF_MONERO: Final = re.compile(
    r"(?<![a-z])(?:[a-z]{4,12}[ ,\"'\r\n\t]{1,4}){24,64}[a-z]{4,12}(?![a-z])"
)
_LABEL: Final = re.compile(r"[a-z]{1,8}[_-]?[0-9]{1,2}(?![0-9a-z])")
_CALLED: Final = re.compile(
    r"(?:mnemonics?|(?:seed|recovery|backup|wallet|secret)[ _.-]?(?:phrase|words?|key)|passphrase"
    r"|(?<![a-z])phrase|(?<![a-z])seed)[^a-z0-9\n]{0,12}(?:[a-z]{2,8}[^a-z0-9\n]{1,4}){0,2}$"
)
_LOOK_BACK: Final = 48
_LONGEST_LABEL: Final = 16
_MOST_CALLING: Final = 4
_ELECTRUM: Final = ("01", "100", "101", "102")


class _Word(NamedTuple):
    """A word of a run, and its number in the list."""

    start: int
    end: int
    number: int


class PhraseDetector:
    """Finds phrases whose words stand one behind the other, in a text or a list."""

    anchors: tuple[str, ...] = ()
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``phrase``."""
        self._rule = rule

    def hinted(self, low: str) -> bool:
        """Say whether any of many texts has eleven gaps with only letters between."""
        return _has_gaps(low.encode("ascii").translate(_GAPS, _LETTERS), low)

    def wanted(self, low: str) -> bool:
        """See :class:`SelfGated`: twelve known words one behind the other, too."""
        data = low.encode("ascii")
        gaps = data.translate(_GAPS, _LETTERS)
        if not _has_gaps(gaps, low):
            return False
        if len(low) > LONG:
            return True
        if "\\" in low:
            data = _ESCAPE.sub("  ", low).encode("ascii")
        words = data.translate(_WORDS).split()
        is_known = _known().__contains__
        if _THIRDS in bytes(map(is_known, words[::3])) and _KNOWN in bytes(map(is_known, words)):
            return True
        if _TELLTALE_OF_MONERO in gaps and _LONG_ENOUGH in bytes(
            map(_SHORTEST_OF_MONERO.__le__, map(len, words))
        ):
            return True
        # Between numbered words there may be others: `word1`, `index`.
        return _is_numbered(low) and sum(map(is_known, words)) >= _FEWEST

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the phrases (see :class:`Detector`)."""
        del text
        known = _numbers()
        run: list[_Word] = []
        labels = {label.start() for label in paced(_LABEL.finditer(low), low)}
        for word in paced(_WORD.finditer(low), low):
            if word.start() in labels:
                continue
            number = known.get(word[0])
            if number is None or (run and not _joined(low, run[-1].end, word.start())):
                yield from self._phrases(run, low)
                run = []
            if number is not None:
                run.append(_Word(word.start(), word.end(), number))
            if len(run) >= _LONGEST_RUN:
                yield from self._phrases(run, low)
                run = run[1 - _COUNTS[0] :]
        yield from self._phrases(run, low)
        for row in paced(_ROW_OF_MONERO.finditer(low), low):
            yield from self._of_monero(row)

    def _phrases(self, run: Sequence[_Word], low: str) -> Iterator[Span]:
        """The whole run if a phrase is in it: words around one are seldom in the list."""
        # What the gate would not let in by itself is not found beside something else either.
        if len(run) < _FEWEST or not self.hinted(
            low[max(0, run[0].start - _LONGEST_LABEL) : run[-1].end]
        ):
            return
        if _is_called(run, low) or any(_holds_phrase(some, low) for some in _readings(run)):
            yield Span(run[0].start, run[-1].end, self._rule)

    def _of_monero(self, row: re.Match[str]) -> Iterator[Span]:
        words = list(_WORD.finditer(row[0]))
        for first in range(len(words) - _OF_MONERO + 1):
            some = words[first : first + _OF_MONERO]
            if _is_monero([word[0] for word in some]):
                start = row.start()
                yield Span(start + some[0].start(), start + some[-1].end(), self._rule)


def _has_gaps(gaps: bytes, low: str) -> bool:
    """Say whether words may stand one behind the other; ``gaps`` is what is between letters."""
    return (
        _TELLTALE in gaps
        or (gaps.count(b"|") >= _FEWEST - 1 and _TELLTALE_SIGNS in gaps.translate(None, b" "))
        or _is_numbered(low)
        or ("\\" in low and low.count("\\n") >= _FEWEST - 1)
    )


def _is_numbered(low: str) -> bool:
    # Not `search`, which reads the text sign by sign for the `10`.
    return "11" in low and any(
        _NUMBERED.match(low, position) for position in paced(positions(low, "10"), low)
    )


def _joined(low: str, end: int, start: int) -> bool:
    """Say whether words of one list end and begin there; numbers between count one by one."""
    if start - end == 1:
        return low[end] in " ,\n-|;/._\t"
    return start - end <= _LOOK_BACK and _GAP.fullmatch(low, end, start) is not None


def _is_called(run: Sequence[_Word], low: str) -> bool:
    """Say whether what stands before a run, or at its begin, says that the rest is a phrase."""
    return any(
        _CALLED.search(low, max(0, word.start - _LOOK_BACK), word.start) is not None
        for word in run[: min(_MOST_CALLING, len(run) - _FEWEST + 1)]
    )


def _readings(run: Sequence[_Word]) -> Iterator[Sequence[_Word]]:
    """A run, and without what stands in front of each of its words: `index`, `word`."""
    yield run
    numbers = [word.number for word in run]
    often = {number for number in set(numbers) if numbers.count(number) >= _FEWEST}
    if often:
        yield [word for word in run if word.number not in often]


def _holds_phrase(run: Sequence[_Word], low: str) -> bool:
    numbers = [word.number for word in run]
    words = [low[word.start : word.end] for word in run]
    return any(
        (first + count <= len(run) and _checks(numbers[first : first + count]))
        or (count == _FEWEST and _is_electrum(words[first : first + count]))
        for first in range(len(run) - _FEWEST + 1)
        for count in _COUNTS
    )


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


def _is_electrum(words: Sequence[str]) -> bool:
    """Say whether words have the version number of an Electrum seed as their checksum."""
    digest = hmac.digest(b"Seed version", " ".join(words).encode(), "sha512").hex()
    return digest.startswith(_ELECTRUM)


def _is_monero(words: Sequence[str]) -> bool:
    """Say whether the last of 25 words is the one of the others that their checksum names."""
    checksum = zlib.crc32("".join(word[:3] for word in words[:-1]).encode())
    return words[checksum % (len(words) - 1)] == words[-1]
