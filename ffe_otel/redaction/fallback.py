# SPDX-License-Identifier: Apache-2.0
"""The gate for machines without google-re2: set operations on a text's tokens.

A token is what stands between separators, without digits: log lines consist of few different
ones once their numbers are gone. Of each anchor one piece is chosen that stands in a token of
every text that has the anchor. The gate remembers the tokens without any piece, and most texts
have no others. Anchors that consist of digits are looked for in a text whose digits are zeros.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import compress, filterfalse, groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.redaction.anchors import Anchors
from ffe_otel.redaction.spans import LONG, paced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ffe_otel.redaction.anchors import Anchor, Choice
    from ffe_otel.redaction.spans import Detector

_DIGITS: Final = b"0123456789"
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
_SEPARATORS: Final = b" \t\n\r\v\f{}[]()<>,;\"'="
_SPACED: Final = bytes(32 if c in _SEPARATORS else c for c in range(256))
_PIECE: Final = re.compile(b" ?[^ ]+ ?")
# Digits as zeros, and one sign for those that group digits.
_COARSE: Final = bytes.maketrans(b"123456789-", b"000000000 ")
_SHORTEST_MARK: Final = 7
_MANY_DIGITS: Final = 3
# Of a long text so much is looked at without a rest: some 1 ms if it is one new token.
_STEP: Final = 4_096
_MOST_TOKENS: Final = 16_384
_LONGEST_TOKEN: Final = 48
# Up to this length one search for all pieces at once is faster than one search for each.
_SHORT: Final = 160


class _Told(NamedTuple):
    """Numbers of the anchors that a token tells of, and of those to be looked for then."""

    sure: tuple[int, ...]
    unsure: tuple[int, ...]


class PythonGate:
    """See the module."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        """Look for the anchors of ``detectors``."""
        self._anchors = Anchors(detectors)
        self._longest = max((len(anchor.text) for anchor in self._anchors.all), default=0)
        pieces: dict[bytes, list[int]] = {}
        coarse: dict[tuple[bool, str], list[int]] = {}
        plain: list[int] = []
        for number, anchor in enumerate(self._anchors.all):
            if (piece := _piece(anchor)) is not None:
                pieces.setdefault(piece, []).append(number)
            elif _digits(anchor.text):
                coarse.setdefault((anchor.is_digits, _coarse(anchor.text)), []).append(number)
            else:
                plain.append(number)
        self._plain = tuple(plain)
        self._marks = _marked(coarse)
        self._pieces = pieces
        self._any = re.compile(_alternatives(pieces)) if pieces else None
        self._dull: set[bytes] = set()
        self._telling: dict[bytes, _Told] = {}

    def __call__(self, low: str) -> Sequence[Choice]:
        """The detectors that have to see the text, in their order."""
        if len(low) <= LONG:
            found = self._look(low)
        else:
            starts = paced(range(0, len(low), _STEP), low)
            found = set().union(*(self._look(low[s : s + _STEP + self._longest]) for s in starts))
        return self._anchors.choices(found)

    def _look(self, low: str) -> set[int]:
        data = low.encode("ascii")
        found: set[int] = set()
        if self._plain:
            found.update(self._standing(self._plain, low))
        coarse = data.translate(_COARSE).decode("ascii")
        for mark, numbers in self._marks:
            if mark in coarse:
                found.update(self._standing(numbers, low))
        tokens = data.translate(_SPACED, _DIGITS).split()
        if telling := set(filterfalse(self._dull.__contains__, tokens)):
            for sure, unsure in self._told(telling):
                found.update(sure)
                if unsure:
                    found.update(self._standing(unsure, low))
        return found

    def _standing(self, numbers: Iterable[int], low: str) -> Iterable[int]:
        anchors = self._anchors.all
        return (number for number in numbers if anchors[number].stands_in(low))

    def _told(self, tokens: set[bytes]) -> Iterable[_Told]:
        """What tokens tell of that are not known to be dull."""
        known = [told for told in map(self._telling.get, tokens) if told is not None]
        if len(known) < len(tokens):
            known += self._learn(tokens.difference(self._telling))
        return known

    def _learn(self, new: set[bytes]) -> list[_Told]:
        """Remember tokens that were not seen before; gives what they tell of."""
        if len(self._dull) + len(self._telling) + len(new) > _MOST_TOKENS:
            self._dull, self._telling = set(), {}
        together = b" " + b" ".join(new) + b" "
        pieces: Sequence[bytes] = ()
        if len(together) > _SHORT or (self._any and self._any.search(together)):
            pieces = tuple(compress(self._pieces, map(together.__contains__, self._pieces)))
        found = []
        for token in new:
            told = self._tells(token, pieces) if pieces else None
            if told:
                found.append(told)
            if len(token) <= _LONGEST_TOKEN:
                if told:
                    self._telling[token] = told
                else:
                    self._dull.add(token)
        return found

    def _tells(self, token: bytes, pieces: Iterable[bytes]) -> _Told | None:
        sure: list[int] = []
        unsure: list[int] = []
        padded = b" " + token + b" "
        for piece in compress(pieces, map(padded.__contains__, pieces)):
            for number in self._pieces[piece]:
                whole = self._anchors.all[number].text.encode("ascii") == piece
                (sure if whole else unsure).append(number)
        return _Told(tuple(sure), tuple(unsure)) if sure or unsure else None


def _piece(anchor: Anchor) -> bytes | None:
    """The most telling piece of an anchor; ``None`` when no token has one.

    A space at either end stands for the end of the token.
    """
    if anchor.is_digits:
        return None
    spaced = anchor.text.encode("ascii").translate(_SPACED, _DIGITS)
    best = max(_PIECE.findall(spaced), key=lambda piece: (_letters(piece), len(piece)), default=b"")
    # What is left of `:5432:` stands in too many tokens.
    if not best or (_digits(anchor.text) >= _MANY_DIGITS and not _letters(best)):
        return None
    return best


def _letters(piece: bytes) -> int:
    return len(piece) - len(piece.translate(None, _LETTERS))


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _coarse(text: str) -> str:
    return text.encode("ascii").translate(_COARSE).decode("ascii")


def _marked(
    coarse: Mapping[tuple[bool, str], Sequence[int]],
) -> Sequence[tuple[str, Sequence[int]]]:
    """Texts, and the anchors to look for in a text that has one."""
    found: list[tuple[str, Sequence[int]]] = []
    for kind in (False, True):
        texts = {text: numbers for (digits, text), numbers in coarse.items() if digits is kind}
        found += [
            (mark, [n for text, numbers in texts.items() if mark in text for n in numbers])
            for mark in _marks(texts)
        ]
    return found


def _marks(texts: Iterable[str]) -> list[str]:
    """Few texts one of which stands in each of ``texts``, long enough to be rare."""
    marks: list[str] = []
    for text in sorted(texts, key=len):
        for number, mark in enumerate(marks):
            common = SequenceMatcher(None, mark, text, autojunk=False).find_longest_match()
            if common.size >= min(_SHORTEST_MARK, len(mark)):
                marks[number] = mark[common.a : common.a + common.size]
                break
        else:
            marks.append(text)
    return marks


def _alternatives(texts: Iterable[bytes]) -> bytes:
    """A pattern for any of ``texts``; an engine that goes back tries few of them at a place."""
    groups = (
        re.escape(first) + b"(?:" + b"|".join(re.escape(text[1:]) for text in group) + b")"
        for first, group in groupby(sorted(texts), key=lambda text: text[:1])
    )
    return b"|".join(groups)
