# SPDX-License-Identifier: Apache-2.0
"""The gate in front of the detectors: which of them could find anything in a text?

Almost every text is clean. A gate answers from the detectors' anchors alone, with set
operations on a text's words or, where google-re2 is installed, with one pass of an RE2
``Set``. Both give the same answer, and both may let a detector look in vain but never keep
one out.
"""

from __future__ import annotations

import re
import string
import time
import weakref
from collections import deque
from itertools import compress, filterfalse
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from ffe_otel.redaction.keys import KeyDetector
from ffe_otel.redaction.scanners import zeroed
from ffe_otel.redaction.spans import LONG, paced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ffe_otel.redaction.spans import Detector, Span

_DRAIN_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.001
GateName = Literal["auto", "re2", "python", "none"]
# A detector that has to see a text, and those of its anchors that stand in it.
Choice: TypeAlias = "tuple[Detector, Sequence[str]]"
_WORDS: Final = bytes(c if chr(c) in string.ascii_lowercase else 32 for c in range(256))
_LETTERS: Final = re.compile(r"[a-z]+")
# Shorter runs of letters stand in too many words.
_SHORTEST_CORE: Final = 2
_MOST_WORDS: Final = 16_384
_LONGEST_WORD: Final = 32


class Gate(Protocol):
    """Chooses detectors for a text given in lower-case ASCII."""

    def __call__(self, low: str) -> Sequence[Choice]:
        """The detectors that have to see the text, in their order."""
        ...


def make_gate(detectors: Sequence[Detector], name: GateName) -> Gate:
    """Build the gate called ``name``; ``auto`` takes RE2 if it is there.

    Raises:
        ImportError: ``re2`` was asked for and google-re2 is not installed.
    """
    if name == "none":
        return _OpenGate(detectors)
    if name == "python":
        return _PythonGate(detectors)
    if name == "re2":
        return _Re2Gate(detectors)
    try:
        return _Re2Gate(detectors)
    except ImportError:
        return _PythonGate(detectors)


class _Anchor(NamedTuple):
    """An anchor of the detector with number ``owner``; in a digit anchor a 0 is any digit."""

    owner: int
    text: str
    is_digits: bool


def _anchors(detectors: Sequence[Detector]) -> list[_Anchor]:
    found = [_Anchor(i, a, is_digits=False) for i, d in enumerate(detectors) for a in d.anchors]
    found += [
        _Anchor(i, a, is_digits=True) for i, d in enumerate(detectors) for a in d.digit_anchors
    ]
    return found


def _choices(
    detectors: Sequence[Detector], anchors: Sequence[_Anchor], found: Iterable[int]
) -> list[Choice]:
    """The detectors of the anchors with the numbers ``found``."""
    present: dict[int, list[str]] = {}
    for number in sorted(found):
        owner, text, _ = anchors[number]
        present.setdefault(owner, []).append(text)
    return [(detectors[owner], present[owner]) for owner in sorted(present)]


def look(choice: Choice, text: str, low: str) -> Iterator[Span]:
    """What the chosen detector finds in a text (see :class:`Detector`)."""
    detector, anchors = choice
    if isinstance(detector, KeyDetector):
        return detector.find_at(text, low, anchors)
    return detector.find(text, low)


class _OpenGate:
    """Lets every detector look; what the other gates are tested against."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._choices = [(d, (*d.anchors, *d.digit_anchors)) for d in detectors]

    def __call__(self, low: str) -> Sequence[Choice]:
        del low
        return self._choices


class _Column(NamedTuple):
    """Numbers of anchors, and the texts to look for."""

    numbers: tuple[int, ...]
    texts: tuple[str, ...]

    def within(self, low: str) -> Iterable[int]:
        """Those that stand in a text."""
        return compress(self.numbers, map(low.__contains__, self.texts))


class _PythonGate:
    """Looks at the words of a text, and closer only where one of them is telling.

    The letters of an anchor stand within a word of every text that has the anchor. Logs are
    written with few different words, so the gate remembers those without anything of an
    anchor, and most texts have no others.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)
        self._anchors = _anchors(detectors)
        self._longest = max((len(anchor.text) for anchor in self._anchors), default=0)
        digits: list[int] = []
        signs: dict[str, list[int]] = {}
        cores: dict[str, list[int]] = {}
        for number, anchor in enumerate(self._anchors):
            core = max(_LETTERS.findall(anchor.text), key=len, default="")
            if anchor.is_digits:
                digits.append(number)
            elif len(core) >= _SHORTEST_CORE:
                cores.setdefault(core, []).append(number)
            else:
                signs.setdefault(_rarest(anchor.text), []).append(number)
        self._digits = self._column(digits)
        self._plain = self._column(signs.pop("", []))
        self._signs = {sign: self._column(numbers) for sign, numbers in signs.items()}
        self._cores = cores
        self._dull: set[str] = set()
        self._telling: dict[str, _Column] = {}

    def __call__(self, low: str) -> Sequence[Choice]:
        if len(low) <= LONG:
            found = self._look(low)
        else:
            starts = paced(range(0, len(low), LONG), low)
            found = set().union(*(self._look(low[s : s + LONG + self._longest]) for s in starts))
        return _choices(self._detectors, self._anchors, found) if found else ()

    def _look(self, low: str) -> set[int]:
        found = set(self._plain.within(low))
        for sign, column in self._signs.items():
            if sign in low:
                found.update(column.within(low))
        if self._digits.numbers:
            found.update(self._digits.within(zeroed(low)))
        split = low.encode("ascii").translate(_WORDS).decode("ascii").split()
        words = set(filterfalse(self._dull.__contains__, split))
        if words and (new := words.difference(self._telling)):
            words -= self._learn(new)
        for word in words:
            column = self._telling.get(word) or self._anchors_in(word, self._cores)
            found.update(column.within(low))
        return found

    def _column(self, numbers: Sequence[int]) -> _Column:
        return _Column(tuple(numbers), tuple(self._anchors[number].text for number in numbers))

    def _anchors_in(self, word: str, cores: Iterable[str]) -> _Column:
        return self._column([n for core in cores if core in word for n in self._cores[core]])

    def _learn(self, new: set[str]) -> set[str]:
        """Remember words that were not seen before; gives those without anything of an anchor."""
        if len(self._dull) + len(self._telling) + len(new) > _MOST_WORDS:
            self._dull, self._telling = set(), {}
        together = " ".join(new)
        cores = tuple(compress(self._cores, map(together.__contains__, self._cores)))
        dull = {word for word in new if not any(core in word for core in cores)} if cores else new
        self._dull.update(word for word in dull if len(word) <= _LONGEST_WORD)
        if cores:
            for word in new - dull:
                if len(word) <= _LONGEST_WORD:
                    self._telling[word] = self._anchors_in(word, cores)
        return dull


def _rarest(anchor: str) -> str:
    """What of ``anchor`` most texts do not have; empty when there is nothing.

    One search for it saves those for all anchors that share it.
    """
    return next((sign for sign in ("$", "@", "+", "?", "&", ";", "%", "-u") if sign in anchor), "")


class _Calls:
    """Threads that are inside of RE2, and whether more may go in.

    RE2 gives up the GIL. A daemon thread that wants it back when the interpreter has ended is
    unwound through C++ frames, which aborts the process: none may be in there at that moment.
    """

    __slots__ = ("inside", "over")

    def __init__(self) -> None:
        self.inside: deque[None] = deque()
        self.over = False

    def end(self) -> None:
        """Let nobody in any more and wait until nobody is in."""
        self.over = True
        # A forked child waits in vain for the parent's threads, hence not for long.
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.inside and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


class _Re2Gate:
    """One RE2 ``Set`` of all anchors.

    While the interpreter ends, substring searches take over.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        import re2

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = 64 << 20
        self._detectors = tuple(detectors)
        self._anchors = _anchors(detectors)
        self._set: Any = re2.Set.SearchSet(options)
        for anchor in self._anchors:
            escaped = re2.escape(anchor.text)
            self._set.Add(escaped.replace("0", "[0-9]") if anchor.is_digits else escaped)
        if self._anchors:
            self._set.Compile()
        self._at_end = _PythonGate(detectors)
        self._calls = _Calls()
        weakref.finalize(self, self._calls.end)

    def __call__(self, low: str) -> Sequence[Choice]:
        calls = self._calls
        calls.inside.append(None)
        try:
            if calls.over:
                return self._at_end(low)
            found = self._set.Match(low.encode("ascii")) if self._anchors else None
        finally:
            calls.inside.pop()
        return _choices(self._detectors, self._anchors, found) if found else ()
