# SPDX-License-Identifier: Apache-2.0
"""Spans of text to take out, and the detectors' interface.

Every detector looks at the text as it came, and all spans are cut out in one pass. That
makes the order of detectors irrelevant and keeps one detector's marker out of another's
sight.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from ffe_otel.redaction.pace import resting
from ffe_otel.redaction.values import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ffe_otel.redaction.catalogue import Rule


_MARKER_START: Final = "[redacted:"
LONG: Final = 16_384
"""Characters from which on a text is worked through with rests for other threads."""
_WORK: Final = 0.002
_MANY: Final = 2_048
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
    if len(low) <= LONG:
        position = low.find(anchor)
        while position >= 0:
            yield position
            position = low.find(anchor, position + step)
        return
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
    return iter(items) if len(text) <= LONG else resting(items, spell=_WORK, first=True)


def hide_markers(text: str) -> str:
    """Put as many NUL characters in place of each marker.

    A detector must see that something stands there, but nothing to take out again.
    """
    return text if _MARKER_START not in text else join(_hidden(text), text)


def _hidden(text: str) -> Iterator[str]:
    position = 0
    for marker in paced(MARKER.finditer(text), text):
        yield text[position : marker.start()]
        yield "\0" * len(marker[0])
        position = marker.end()
    yield text[position:]


def join(pieces: Iterable[str], text: str) -> str:
    """Join the pieces made of ``text``; those of a long one some at a time.

    To join many small pieces takes long, and so does freeing them.
    """
    if len(text) <= LONG:
        return "".join(pieces)
    joined: list[str] = []
    some: list[str] = []
    for piece in pieces:
        some.append(piece)
        if len(some) >= _MANY:
            joined.append("".join(some))
            some.clear()
    return "".join((*joined, *some))


def release(items: list[Any], text: str) -> None:
    """Empty a list made of ``text``; with rests, as what it holds is freed with it."""
    for _ in paced(range(0, len(items), _MANY), text):
        del items[-_MANY:]


def in_order(spans: Iterable[Span], text: str) -> Iterator[Span]:
    """Sort spans of ``text`` by where they begin, the longest first.

    Sorting very many at once would hold the interpreter for long.
    """
    if len(text) <= LONG:
        yield from sorted(spans, key=_place)
        return
    rooms: dict[int, list[Span]] = {}
    for span in paced(spans, text):
        rooms.setdefault(span.start // LONG, []).append(span)
    for number in paced(sorted(rooms), text):
        yield from sorted(rooms.pop(number), key=_place)


def _place(span: Span) -> tuple[int, int]:
    return span.start, -span.end


def merge(spans: Iterable[Span], text: str) -> list[Span]:
    """Sort spans, join those that overlap, and drop those that hide only markers.

    Of overlapping spans the one that begins first gives its rule, of those that begin
    together the longest.

    Args:
        spans: what the detectors found.
        text: the text they saw, see :func:`hide_markers`.
    """
    merged: list[Span] = []
    for span in paced(in_order(spans, text), text):
        if not text[span.start : span.end].strip("\0 "):
            continue
        if merged and span.start < merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = merged[-1]._replace(end=span.end)
        else:
            merged.append(span)
    return merged


def widen(spans: Sequence[Span], more: Iterable[Span], text: str) -> list[Span]:
    """Join spans of ``text`` with ``more``, found once markers stood in their place.

    What reaches into a marker takes in all that the marker hides.

    Returns:
        Spans of the original text, sorted and apart from each other.
    """
    begins: list[int] = []
    ends: list[int] = []
    shift = 0
    for span in paced(spans, text):
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

    found = (Span(start(s.start), end(s.end), s.rule) for s in more)
    widened: list[Span] = []
    for span in paced(in_order(chain(found, spans), text), text):
        if not widened or span.start >= widened[-1].end:
            widened.append(span)
    return widened


def cut(text: str, spans: Iterable[Span], limit: int) -> tuple[str, dict[str, int]]:
    """Put markers in place of spans and keep at most ``limit`` characters.

    What is kept comes from the first ``limit`` characters of ``text`` alone, and a marker
    is kept whole or not at all: a secret that was cut in half could not be recognised any
    more.

    Returns:
        The text, and how many markers in it have which rule, by its id.
    """
    rules: dict[str, int] = {}
    return join(_pieces(text, spans, limit, rules), text), rules


def _pieces(text: str, spans: Iterable[Span], limit: int, rules: dict[str, int]) -> Iterator[str]:
    position, room = 0, limit
    for span in paced(spans, text):
        if span.start >= limit:
            break
        piece = text[position : span.start][:room]
        yield piece
        room -= len(piece)
        position = span.end
        marker = span.rule.marker
        if len(marker) > room:
            room = 0
            break
        yield marker
        rules[span.rule.id] = rules.get(span.rule.id, 0) + 1
        room -= len(marker)
    yield text[position:limit][:room]
