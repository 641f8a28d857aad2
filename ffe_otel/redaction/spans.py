# SPDX-License-Identifier: Apache-2.0
"""Spans of text to take out, and the detectors' interface.

Every detector looks at the text as it came, and all spans are cut out in one pass. That
makes the order of detectors irrelevant and keeps one detector's marker out of another's
sight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from ffe_otel.foundation.pace import resting
from ffe_otel.redaction.values import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ffe_otel.redaction.catalogue import Rule


_MARKER_START: Final = "[redacted:"
LONG: Final = 16_384
"""Characters from which on a text is worked through with rests for other threads."""
_WORK: Final = 0.001
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
