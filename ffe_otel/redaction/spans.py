# SPDX-License-Identifier: Apache-2.0
"""Spans of text to take out, and the detectors' interface.

Every detector looks at the text as it came, and all spans are cut out in one pass. That
makes the order of detectors irrelevant and keeps one detector's marker out of another's
sight.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from ffe_otel.redaction.pace import resting
from ffe_otel.redaction.values import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ffe_otel.redaction.catalogue import Rule


_MARKER_START: Final = "[redacted:"
LONG: Final = 16_384
"""Characters from which on a text is worked through with rests for other threads."""
_WORK: Final = 0.002
T = TypeVar("T")


class Span(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) are what ``rule`` hides."""

    start: int
    end: int
    rule: Rule


class Detector(Protocol):
    """Finds what one rule, or one family of rules, hides.

    ``anchors`` are lower-case ASCII texts one of which stands in every text the detector
    has to see; in ``digit_anchors`` a 0 stands for any digit.
    """

    anchors: tuple[str, ...]
    digit_anchors: tuple[str, ...]

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield spans in any order.

        Args:
            text: the text.
            low: the same text in lower-case ASCII with ``?`` for every other character;
                positions in both are the same.
        """
        ...


@runtime_checkable
class SelfGated(Protocol):
    """A detector that no anchor announces, and that can tell cheaply whether it has to look."""

    def wanted(self, low: str) -> bool:
        """Say whether there may be something; never False when there is."""
        ...

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield spans, see :class:`Detector`."""
        ...


def positions(low: str, anchor: str, step: int = 1) -> Iterator[int]:
    """Where ``anchor`` stands in ``low``; looks on ``step`` characters behind each place."""
    # One search through a long text may take too long already.
    following = 0
    for start in paced(range(0, len(low), LONG), low):
        end = start + LONG + len(anchor) - 1
        position = low.find(anchor, max(start, following), end)
        while position >= 0:
            yield position
            following = position + step
            position = low.find(anchor, following, end)


def paced(items: Iterable[T], text: str) -> Iterator[T]:
    """Go through ``items``; if ``text`` is long, let other threads run now and then.

    Without that they would wait for the interpreter's switch interval each time they need
    the interpreter.
    """
    return iter(items) if len(text) <= LONG else resting(items, spell=_WORK)


def hide_markers(text: str) -> str:
    """Put as many NUL characters in place of each marker.

    A detector must see that something stands there, but nothing to take out again.
    """
    if _MARKER_START not in text:
        return text
    pieces: list[str] = []
    position = 0
    for marker in paced(MARKER.finditer(text), text):
        pieces += (text[position : marker.start()], "\0" * len(marker[0]))
        position = marker.end()
    return "".join((*pieces, text[position:]))


def merge(spans: Iterable[Span], text: str) -> list[Span]:
    """Sort spans, join those that overlap, and drop those that hide only markers.

    Of overlapping spans the one that begins first gives its rule, of those that begin
    together the longest.

    Args:
        spans: what the detectors found.
        text: the text they saw, see :func:`hide_markers`.
    """
    merged: list[Span] = []
    for span in paced(sorted(spans, key=lambda s: (s.start, -s.end)), text):
        if not text[span.start : span.end].strip("\0 "):
            continue
        if merged and span.start < merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = merged[-1]._replace(end=span.end)
        else:
            merged.append(span)
    return merged


def widen(spans: Sequence[Span], more: Iterable[Span]) -> list[Span]:
    """Join spans of a text with ``more``, found once markers stood in their place.

    What reaches into a marker takes in all that the marker hides.

    Returns:
        Spans of the original text, sorted and apart from each other.
    """
    begins: list[int] = []
    ends: list[int] = []
    shift = 0
    for span in spans:
        begins.append(span.start - shift)
        ends.append(begins[-1] + len(span.rule.marker))
        shift = span.end - ends[-1]

    def start(position: int) -> int:
        index = bisect_right(begins, position) - 1
        if index < 0:
            return position
        over = position - ends[index]
        return spans[index].start if over < 0 else spans[index].end + over

    def end(position: int) -> int:
        index = bisect_left(begins, position) - 1
        return position if index < 0 else spans[index].end + max(0, position - ends[index])

    found = [Span(start(s.start), end(s.end), s.rule) for s in more]
    widened: list[Span] = []
    for span in sorted((*found, *spans), key=lambda s: (s.start, -s.end)):
        if not widened or span.start >= widened[-1].end:
            widened.append(span)
    return widened


def cut(text: str, spans: Iterable[Span], limit: int) -> tuple[str, list[Rule]]:
    """Put markers in place of spans and keep at most ``limit`` characters.

    What is kept comes from the first ``limit`` characters of ``text`` alone, and a marker
    is kept whole or not at all: a secret that was cut in half could not be recognised any
    more.

    Returns:
        The text and the rules of the markers in it.
    """
    pieces: list[str] = []
    rules: list[Rule] = []
    position, room = 0, limit
    for span in paced(spans, text):
        if span.start >= limit:
            break
        piece = text[position : span.start][:room]
        pieces.append(piece)
        room -= len(piece)
        position = span.end
        marker = span.rule.marker
        if len(marker) > room:
            room = 0
            break
        pieces.append(marker)
        rules.append(span.rule)
        room -= len(marker)
    pieces.append(text[position:limit][:room])
    return "".join(pieces), rules
