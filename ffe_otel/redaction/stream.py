# SPDX-License-Identifier: Apache-2.0
"""Redaction of a text of any length that comes in pieces: log files, pipes.

The text is given out in whole lines, once enough of what follows has been seen, and is
looked at together with some of what came before. So a value is found under its name and a
PEM block is found whole although they stand on several lines, and the result is that of the
whole text as long as nothing that belongs together is longer than the margin.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.found import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ffe_otel.redaction.redactor import Redactor
    from ffe_otel.redaction.spans import Span

_BLOCK: Final = 131_072
_MARGIN: Final = 8_192
_QUOTES: Final = frozenset("\"'`")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text and what has to be hidden in it.

    Attributes:
        text: the text as it came.
        spans: what :meth:`redacted` replaces, sorted, with positions in ``text``.
        line: number of the line the piece begins in, from 1.
        column: number of the character in that line, from 1.
    """

    text: str
    spans: Sequence[Span]
    line: int
    column: int

    def redacted(self) -> str:
        """The piece without secrets."""
        return cut(self.text, self.spans, sys.maxsize)[0]

    def place(self, position: int) -> tuple[int, int]:
        """Line and column of a position in ``text``."""
        lines = self.text.count("\n", 0, position)
        if not lines:
            return self.line, self.column + position
        return self.line + lines, position - self.text.rindex("\n", 0, position)


class RedactedStream:
    """Takes a text in pieces of any size and gives it out in pieces that can be redacted.

    Holds at most a few times ``block`` characters. A single secret longer than eight blocks
    takes the rest of its line with it. ``line`` is the number of the line it has come to.
    """

    def __init__(self, redactor: Redactor, *, block: int = _BLOCK, margin: int = _MARGIN) -> None:
        """Begin a text.

        Args:
            redactor: the rules.
            block: characters looked at in one go.
            margin: characters before and behind a piece that are looked at with it.
        """
        self._redactor = redactor
        self._block = block
        self._margin = margin
        self._wanted = block
        self._text = ""
        self._done = 0
        self.line = self._column = 1
        self._swallowing = False

    def feed(self, text: str) -> Iterator[Piece]:
        """Take the next piece; what raises here is a detector's exception."""
        self._text += self._swallow(text) if self._swallowing else text
        while len(self._text) - self._done >= self._wanted + self._margin:
            spans = self._redactor.spans(self._text)
            latest = len(self._text) - self._margin
            end = self._line_end(spans, latest)
            if end <= self._done:
                if self._wanted < 8 * self._block:
                    self._wanted *= 2
                    continue
                end = self._forced(spans, latest)
            self._wanted = self._block
            yield self._give(spans, end)

    def pause(self) -> Iterator[Piece]:
        """Give out the lines that are complete, because nothing follows for now.

        A PEM block or quotation that may go on waits for the next line.
        """
        spans = self._redactor.spans(self._text) if self._done < len(self._text) else ()
        if spans and self._may_go_on(spans[-1]):
            spans = [*spans[:-1], spans[-1]._replace(end=len(self._text) + 1)]
        end = self._line_end(spans, len(self._text))
        if end > self._done:
            yield self._give(spans, end)

    def finish(self) -> Iterator[Piece]:
        """Give out the rest."""
        if self._done < len(self._text):
            yield self._give(self._redactor.spans(self._text), len(self._text))

    def _line_end(self, spans: Sequence[Span], latest: int) -> int:
        """The last end of a line up to ``latest`` that is not in a span, or 0."""
        end = self._text.rfind("\n", self._done, latest) + 1
        for span in reversed(spans):
            if span.start < end < span.end:
                end = self._text.rfind("\n", self._done, span.start) + 1
        return end

    def _forced(self, spans: Sequence[Span], latest: int) -> int:
        """Where to end in a line without end."""
        inside = next((s for s in spans if s.start < latest < s.end), None)
        if inside is None:
            return latest
        if inside.start > self._done:
            return inside.start
        self._swallowing = True
        return len(self._text)

    def _swallow(self, text: str) -> str:
        """Drop what belongs to a secret that was given up on: the rest of its line."""
        end = text.find("\n")
        self._swallowing = end < 0
        return "" if end < 0 else text[end:]

    def _may_go_on(self, span: Span) -> bool:
        if self._text[span.end :].strip():
            return False
        return span.rule.kind == "pem" or self._text[span.start - 1 : span.start] in _QUOTES

    def _give(self, spans: Sequence[Span], end: int) -> Piece:
        text, done = self._text, self._done
        inner = [
            span._replace(start=max(span.start, done) - done, end=min(span.end, end) - done)
            for span in spans
            if span.end > done and span.start < end
        ]
        piece = Piece(text[done:end], inner, self.line, self._column)
        self.line, self._column = piece.place(end - done)
        keep = max(0, end - self._margin)
        # A line that is looked at again is looked at from its beginning.
        keep = keep and (text.find("\n", keep, end) + 1 or keep)
        self._text, self._done = text[keep:], end - keep
        return piece
