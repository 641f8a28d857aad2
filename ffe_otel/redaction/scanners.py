# SPDX-License-Identifier: Apache-2.0
"""Detectors for shapes, URLs, PEM blocks and literal values.

All of them jump from anchor to anchor with ``str.find`` and look closer only there, so a
text costs linear time and no single step holds the interpreter for long. A regular
expression over the whole text would do neither: an unclosed PEM header under a lazy repeat
took seconds for 80 kB.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from ffe_otel.redaction.checks import CHECKS
from ffe_otel.redaction.spans import Span, positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ffe_otel.redaction.catalogue import Rule

_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_SHORTEST_VARIANT: Final = 8


class ShapeDetector:
    """Finds what looks like one particular kind of credential."""

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``shape``."""
        anchors = rule.anchors
        self.anchors = () if rule.digits else anchors
        self.digit_anchors = anchors if rule.digits else ()
        self._rule = rule
        self._pattern = re.compile(rule.pattern, re.ASCII)
        self._tail = re.compile(f"[{rule.tail}]+", re.ASCII) if rule.tail else None
        self._check = CHECKS[rule.check]

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the matches (see :class:`Detector`)."""
        if self.digit_anchors:
            low = zeroed(low)
        for anchor in self.anchors or self.digit_anchors:
            done = 0
            for position in positions(low, anchor):
                if position < done:
                    continue
                match = self._match(text, position)
                if match is None:
                    continue
                start, end = match
                # A rejected match is skipped whole: its end passes no check that it failed.
                done = end
                if self._check(text[start:end]):
                    yield Span(start, end, self._rule)

    def _match(self, text: str, position: int) -> tuple[int, int] | None:
        """The match that covers the anchor at ``position``, stretched over the tail."""
        starts = range(max(0, position - self._rule.lead), position + 1)
        match = next(filter(None, (self._pattern.match(text, start) for start in starts)), None)
        if match is None:
            return None
        start, end = match.span("secret" if "secret" in self._pattern.groupindex else 0)
        if self._tail and (tail := self._tail.match(text, end)):
            end = tail.end()
        return start, end


_AUTHORITY: Final = re.compile(r"[^\s\"'<>`/?#\\]{0,1024}")
_SLASHED: Final = re.compile(r"[^\s\"'<>`\\@]{1,256}@")


class UserinfoDetector:
    """Finds passwords, and user names that are tokens, in URLs."""

    anchors: tuple[str, ...] = ("://",)
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``userinfo``."""
        self._rule = rule

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the matches (see :class:`Detector`)."""
        for position in positions(low, "://"):
            start = position + 3
            if low.find("@", start, start + 1024) < 0:
                continue
            end = self._userinfo_end(text, start)
            if end < 0:
                continue
            user, colon, password = text[start:end].partition(":")
            if colon and password:
                yield Span(end - len(password), end, self._rule)
            elif not colon and len(user) >= 16:
                yield Span(start, end, self._rule)

    @staticmethod
    def _userinfo_end(text: str, start: int) -> int:
        """Where the ``@`` behind the credentials stands, or -1."""
        authority = _AUTHORITY.match(text, start)
        end = authority.end() if authority else start
        at = text.rfind("@", start, end)
        if at >= 0:
            return at
        # People do not escape the `/` in a password. What follows the colon is no port.
        _, colon, port = text[start:end].partition(":")
        if not colon or not port or port.isdigit() or text[end : end + 1] not in {"/", "?", "#"}:
            return -1
        slashed = _SLASHED.match(text, end)
        return slashed.end() - 1 if slashed else -1


_PEM_BEGIN: Final = "-----begin "
_LONGEST_PEM: Final = 16_384
_PEM_LABEL: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,48})(?:-----)?", re.IGNORECASE)
# Base64, headers such as `Proc-Type: 4,ENCRYPTED`, line ends as they are and as they are
# written in JSON.
_PEM_BODY: Final = re.compile(r"[A-Za-z0-9+/=\s\\:,\-]+")


class PemDetector:
    """Finds private keys in PEM form with a scanner that never goes back."""

    anchors: tuple[str, ...] = (_PEM_BEGIN,)
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``pem``."""
        self._rule = rule

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the blocks (see :class:`Detector`)."""
        done = 0
        for position in positions(low, _PEM_BEGIN):
            label = _PEM_LABEL.match(text, position) if position >= done else None
            if label is None or "PRIVATE" not in label[1].upper():
                continue
            first = done = label.end()
            far = first + _LONGEST_PEM
            following = low.find(_PEM_BEGIN, first, far)
            # The headers of a PGP block hold characters that no body has.
            closing = low.find("-----end ", first, far if following < 0 else following)
            if closing < 0:
                body = _PEM_BODY.match(text, first)
                done = body.end() if body else first
                # The body runs through the END line and into the words behind it.
                closing = low.find("-----end ", first, done)
            if closing >= 0:
                line = low.find("-----", closing + 9, closing + 80)
                done = line + 5 if line >= 0 else done
            yield Span(position, done, self._rule)


class LiteralDetector:
    """Finds configured values, also URL-encoded, JSON-escaped and in base64."""

    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule, literals: Iterable[str]) -> None:
        """Look for ``literals``, values of 4 or more characters."""
        self._rule = rule
        self._values = tuple(
            sorted({variant for literal in literals for variant in _variants(literal)})
        )
        self.anchors = tuple({lowered(value) for value in self._values})

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the matches (see :class:`Detector`)."""
        del low
        for value in self._values:
            for position in positions(text, value, len(value)):
                yield Span(position, position + len(value), self._rule)


def lowered(text: str) -> str:
    """``text`` in lower-case ASCII, with ``?`` for every other character."""
    if text.isascii():
        return text.lower()
    return text.encode("ascii", "replace").decode("ascii").lower()


def zeroed(low: str) -> str:
    """``low``, which is ASCII, with a 0 in place of every digit."""
    return low.encode("ascii").translate(_DIGITS_TO_ZERO).decode("ascii")


def _variants(literal: str) -> Iterator[str]:
    yield literal
    yield quote(literal, safe="", errors="surrogateescape")
    yield quote(literal, errors="surrogateescape")
    yield quote_plus(literal, errors="surrogateescape")
    yield json.dumps(literal)[1:-1]
    yield repr(literal)[1:-1]
    for variant in _base64_variants(literal.encode("utf-8", "surrogateescape")):
        if len(variant) >= _SHORTEST_VARIANT:
            yield variant
            yield variant.replace("+", "-").replace("/", "_")


def _base64_variants(value: bytes) -> Iterator[str]:
    """Base64 of ``value`` as it looks at each of the three offsets in a longer text.

    The characters that also carry bits of the neighbours are left out.
    """
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + value).decode("ascii")
        first = (offset * 8 + 5) // 6
        last = (offset + len(value)) * 8 // 6
        yield encoded[first:last]
