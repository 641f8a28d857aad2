# SPDX-License-Identifier: Apache-2.0
"""What the detectors found in a text: sorted, joined, cut out."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from ffe_otel.redaction.spans import LONG, Span, join, paced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ffe_otel.redaction.catalogue import Rule


class Found(Sequence[Span]):
    """Spans, kept as columns.

    A long text may have a hundred thousand. As one object each they would set off a full
    garbage collection, which holds up every thread for tens of milliseconds.
    """

    __slots__ = ("_ends", "_rules", "_starts")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        """Take spans in any order."""
        self._starts = array("q")
        self._ends = array("q")
        self._rules: list[Rule] = []
        self.extend(spans)

    def append(self, span: Span) -> None:
        """Add a span."""
        self._starts.append(span.start)
        self._ends.append(span.end)
        self._rules.append(span.rule)

    def extend(self, spans: Iterable[Span]) -> None:
        """Add spans."""
        append = self.append
        for span in spans:
            append(span)

    def stretch(self, end: int) -> None:
        """Move the end of the last span."""
        self._ends[-1] = end

    def place(self, index: int) -> tuple[int, int]:
        """What spans are sorted by: where they begin, then the longest first."""
        return self._starts[index], -self._ends[index]

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Span]:
        return map(Span, self._starts, self._ends, self._rules)

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> list[Span]: ...
    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return Span(self._starts[index], self._ends[index], self._rules[index])


def in_order(found: Found, text: str) -> Iterator[Span]:
    """Sort spans of ``text`` by where they begin, the longest first.

    Sorting very many at once would hold the interpreter for long.
    """
    if len(text) <= LONG:
        for index in sorted(range(len(found)), key=found.place):
            yield found[index]
        return
    rooms: dict[int, list[int]] = {}
    for index, span in enumerate(paced(found, text)):
        rooms.setdefault(span.start // LONG, []).append(index)
    for number in paced(sorted(rooms), text):
        for index in sorted(rooms.pop(number), key=found.place):
            yield found[index]


def merge(found: Found, text: str) -> Found:
    """Sort spans, join those that overlap, and drop those that hide only markers.

    Of overlapping spans the one that begins first gives its rule, of those that begin
    together the longest.

    Args:
        found: what the detectors found.
        text: the text they saw, see ``hide_markers``.
    """
    merged, last = Found(), 0
    for span in paced(in_order(found, text), text):
        if not text[span.start : span.end].strip("\0 "):
            continue
        if merged and span.start < last:
            if span.end > last:
                last = span.end
                merged.stretch(last)
        else:
            merged.append(span)
            last = span.end
    return merged


def widen(spans: Found, more: Found, text: str) -> Found:
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

    both = Found(Span(start(s.start), end(s.end), s.rule) for s in paced(more, text))
    both.extend(paced(spans, text))
    widened, last = Found(), 0
    for span in paced(in_order(both, text), text):
        if span.start >= last:
            widened.append(span)
            last = span.end
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
