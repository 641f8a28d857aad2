# SPDX-License-Identifier: Apache-2.0
"""Texts of a batch that are clean for sure, found out together.

A text costs little beside what it costs to look at it: calls, conversions, a search for
each detector. So the gate looks at many texts as one, and what stands in it is laid to the
texts that it stands in. Those are read one by one afterwards, all others are done.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.gate import look
from ffe_otel.redaction.keys import SENTENCE, KeyDetector
from ffe_otel.redaction.pace import resting
from ffe_otel.redaction.scanners import lowered, zeroed
from ffe_otel.redaction.spans import LONG

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
        joined = _BETWEEN.join(chunk)
        low = lowered(joined)
        suspects: set[int] = set()
        if _needs_decoding(joined):
            suspects.update(n for n, text in enumerate(chunk) if _needs_decoding(text))
        starts = [0, *accumulate(len(text) + len(_BETWEEN) for text in chunk)]
        for choice in gate(low):
            for n in _owners(choice, joined, low, starts) - suspects:
                if any(look(choice, chunk[n], low[starts[n] : starts[n] + len(chunk[n])])):
                    suspects.add(n)
        for detector in self_gated:
            # Some can say of many texts at once that they want none of them.
            if getattr(detector, "hinted", detector.wanted)(low):
                for n, text in enumerate(chunk):
                    part = low[starts[n] : starts[n] + len(text)]
                    if (
                        n not in suspects
                        and detector.wanted(part)
                        and any(detector.find(text, part))
                    ):
                        suspects.add(n)
        yield [t for n, t in enumerate(chunk) if n not in suspects] if suspects else chunk


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


def _owners(choice: Choice, joined: str, low: str, starts: Sequence[int]) -> set[int]:
    """The texts that a detector has to see: those with one of its anchors."""
    detector, anchors = choice
    digits = frozenset(detector.digit_anchors)
    dull = SENTENCE.match if isinstance(detector, KeyDetector) else None
    owners: set[int] = set()
    for anchor in anchors:
        searched = zeroed(low) if anchor in digits else low
        position = searched.find(anchor)
        while position >= 0:
            if dull is not None and dull(joined, position):
                position = searched.find(anchor, position + 1)
                continue
            owner = bisect_right(starts, position) - 1
            owners.add(owner)
            position = searched.find(anchor, starts[owner + 1])
    return owners
