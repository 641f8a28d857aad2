# SPDX-License-Identifier: Apache-2.0
"""Texts of a batch that are clean for sure, found out together.

A text costs little beside what it costs to look at it: calls, conversions, a search for
each detector. So the gate looks at many texts as one, and what stands in it is laid to the
texts that it stands in. Those are read one by one afterwards, all others are done.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation.pace import resting
from ffe_otel.redaction.gate import look
from ffe_otel.redaction.keys import SENTENCE, KeyDetector
from ffe_otel.redaction.phrases import PhraseDetector
from ffe_otel.redaction.scanners import lowered, zeroed
from ffe_otel.redaction.spans import LONG
from ffe_otel.redaction.words import WordDetector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ffe_otel.redaction.anchors import Choice
    from ffe_otel.redaction.gate import Gate
    from ffe_otel.redaction.spans import SelfGated

LONGEST: Final = LONG // 2
"""Characters of the texts that are looked at together; longer ones gain nothing by it."""
# It ends words, sentences and what looks like a wallet phrase.
_BETWEEN: Final = "\n\x1f\n"


def clean_texts(
    texts: Iterable[str], gate: Gate, self_gated: Sequence[SelfGated]
) -> Iterator[list[str]]:
    """Yield, a list at a time, texts in which no detector finds anything.

    Args:
        texts: each of at most :data:`LONGEST` characters.
        gate: chooses detectors for a text.
        self_gated: those that choose for themselves.
    """
    for chunk in resting(_chunks(texts)):
        together = _Together(chunk)
        suspects: set[int] = set()
        if _needs_decoding(together.joined):
            suspects.update(n for n, text in enumerate(chunk) if _needs_decoding(text))
        for choice in gate(together.low):
            for n in together.with_anchors(choice) - suspects:
                if any(look(choice, chunk[n], together.low_of(n))):
                    suspects.add(n)
        for detector in self_gated:
            for n in together.wanted_by(detector) - suspects:
                if any(detector.find(chunk[n], together.low_of(n))):
                    suspects.add(n)
        yield [t for n, t in enumerate(chunk) if n not in suspects] if suspects else chunk


class _Together:
    """Texts as one, and which of them a detector has to see; they are named by their number."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self.joined = _BETWEEN.join(texts)
        self.low = lowered(self.joined)
        self._starts = [0, *accumulate(len(text) + len(_BETWEEN) for text in texts)]

    @cached_property
    def _zeroed(self) -> str:
        return zeroed(self.low)

    def low_of(self, number: int) -> str:
        """A text in lower case."""
        start = self._starts[number]
        return self.low[start : start + len(self._texts[number])]

    def with_anchors(self, choice: Choice) -> set[int]:
        """Those with one of the anchors that the gate has found."""
        detector, anchors = choice
        digits = frozenset(detector.digit_anchors)
        dull = SENTENCE.match if isinstance(detector, KeyDetector) else None
        owners: set[int] = set()
        for anchor in anchors:
            searched = self._zeroed if anchor in digits else self.low
            shift = detector.shifts.get(anchor, 0) if isinstance(detector, KeyDetector) else 0
            position = searched.find(anchor)
            while position >= 0:
                if dull is not None and dull(self.joined, position + shift):
                    position = searched.find(anchor, position + 1)
                    continue
                owner = bisect_right(self._starts, position) - 1
                owners.add(owner)
                position = searched.find(anchor, self._starts[owner + 1])
        return owners

    def wanted_by(self, detector: SelfGated) -> set[int]:
        """Those that a detector without anchors wants."""
        if isinstance(detector, WordDetector):
            return {bisect_right(self._starts, at) - 1 for at in detector.places(self.low)}
        # This one can say of many texts at once that it wants none of them.
        hinted = detector.hinted if isinstance(detector, PhraseDetector) else detector.wanted
        if not hinted(self.low):
            return set()
        return {n for n in range(len(self._texts)) if detector.wanted(self.low_of(n))}


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts of up to ``LONG`` characters together."""
    chunk: list[str] = []
    room = LONG
    for text in texts:
        if len(text) >= room:
            yield chunk
            chunk, room = [], LONG
        chunk.append(text)
        room -= len(text) + len(_BETWEEN)
    if chunk:
        yield chunk


def _needs_decoding(text: str) -> bool:
    """Whether a text holds markers, or escapes that the gate cannot look through."""
    return "[redacted:" in text or "%" in text or ("+" in text and "=" in text)
