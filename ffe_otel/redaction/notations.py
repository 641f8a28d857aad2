# SPDX-License-Identifier: Apache-2.0
"""Reading a value behind a name and a separator, in any notation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.redaction.spans import LONG, paced

if TYPE_CHECKING:
    from collections.abc import Iterator

# A value that ends so close to where reading ended may have been cut.
_MARGIN: Final = 64
# Where a value that was opened is closed again; one that is not ends with its line.
_FARTHEST: Final = 8_192
QUOTE: Final = r"\\{0,8}[\"'`]|%22|&quot;"
_OPEN: Final = re.compile(rf"(?:[bBuUrRfF]{{1,2}}(?=[\"']))?(?P<quote>{QUOTE})")
_ITEM: Final = re.compile(r"[\s,]{0,8}")
_BARE: Final = re.compile(
    r"(?:[^\s,;&\"'<`\\]++|[,;](?![\s\"'`]|$|[\w.\-]{1,64}[=:])"
    r"|&(?!amp;|[\w.\-%]{1,64}=|$|\s)|\\(?![nrt\"'\\]))+"
)
# Characters that the parts of these patterns reach ahead, and more than the longest part has.
_AHEAD: Final = 80
_LONGEST_PART: Final = 640
_QUERY: Final = re.compile(r"[^&#;\s\"'<>`\\]+")
_LINE: Final = re.compile(r"[^\r\n\"']+")
_FIELDS: Final = re.compile(r"(?:[^\r\n\"'\\]++|\\{0,8}\"[^\"\r\n\\]{0,512}\\{0,8}\")+")
_SCHEME: Final = re.compile(
    r"(?:bearer|basic|token|apikey|bot|negotiate|(?P<list>digest|hawk|oauth|[a-z0-9-]{0,16}hmac-sha[0-9]{1,3})"
    # Schemes that nobody knows: a word, and behind it no word.
    r"|[a-z][a-z0-9-]{2,30}(?=[ \t]{1,4}[^\s,;\"']{0,64}[0-9][^\s,;\"']{8}))"
    r"[ \t,]{1,4}",
    re.IGNORECASE,
)
_BEHIND_STRING: Final = frozenset({"", ",", "}", "]", ")", ":", ";", " ", "\n", "\r", "'", "\\"})
_TRAILING: Final = ")]}.,;:!?>"


class Value(NamedTuple):
    """A value found: where it is, whether it was bare, where to go on reading.

    One that is not ``whole`` was read as far as is needed to decide on it.
    """

    start: int
    end: int
    bare: bool
    resume: int
    whole: bool = True


def read(text: str, start: int, op: str, extent: str, *, query: bool, far: int) -> Iterator[Value]:
    """Read the value, or the values of a list, at ``start``.

    Args:
        text: the text.
        start: behind the separator.
        op: the separator.
        extent: how far a value without quotes goes, see the catalogue's head.
        query: it is a parameter of a URL.
        far: where reading a value without quotes ends.
    """
    if query:
        yield from query_value(text, start, far)
    elif op == ">":
        yield from _element(text, start)
    elif text[start : start + 1] in {"(", "["} and (first := _quoted(text, start + 1)):
        yield from _items(text, first)
    elif (value := _quoted(text, start)) is not None:
        yield value
    elif text[start : start + 1] in {"{", "["} or start >= len(text):
        return
    elif op[0] == "%":
        yield from _encoded(text, start, far)
    elif extent == "word":
        yield from _bare(text, start, _BARE, far)
    elif extent == "line":
        yield from _bare(text, start, _LINE, far)
    else:
        yield from _scheme(text, start, far)


def _quoted(text: str, start: int) -> Value | None:
    match = _OPEN.match(text, start)
    if match is None:
        return None
    quote, begin = match["quote"], match.end()
    if text.startswith("\0", begin):
        return Value(begin, begin, bare=False, resume=begin)
    end = _closing(text, begin, quote)
    if end >= 0:
        return Value(begin, end, bare=False, resume=end + len(quote))
    # Cut off, or no quotation mark at all: better too much than too little.
    end = _line_end(text, begin)
    return Value(begin, end, bare=False, resume=end)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _closing(text: str, start: int, quote: str) -> int:
    far = start + _FARTHEST
    position = text.find(quote, start, far)
    while position >= 0:
        chunk = text[max(start, position - 32) : position]
        backslashes = len(chunk) - len(chunk.rstrip("\\"))
        # Behind `\"` in a text that was quoted with `"` the value goes on. Two backslashes may
        # be one that was quoted again; then something other than the next value follows.
        ends = text[position + 1 : position + 2] in _BEHIND_STRING
        if backslashes == 0 or (len(quote) == 1 and backslashes % 2 == 0 and ends):
            return position
        position = text.find(quote, position + 1, far)
    return -1


def _items(text: str, value: Value | None) -> Iterator[Value]:
    while value is not None:
        yield value
        gap = _ITEM.match(text, value.resume)
        value = None if gap is None or gap.end() == value.resume else _quoted(text, gap.end())


def query_value(text: str, start: int, far: int) -> Iterator[Value]:
    """Read the value of a query parameter, up to ``far`` characters into the text."""
    return _bare(text, start, _QUERY, far)


def _bare(text: str, start: int, pattern: re.Pattern[str], far: int) -> Iterator[Value]:
    # A value that begins with a marker (see ``hide_markers``) was dealt with, and what the
    # marker hid may have held its end.
    reached = start if text.startswith("\0", start) else _reach(text, start, pattern, far)
    if reached == start:
        return
    stripped = len(text[start:reached].rstrip(_TRAILING if pattern is not _LINE else " \t,"))
    end = start + stripped
    yield Value(start, end, bare=True, resume=end, whole=reached + _MARGIN < far)


def _reach(text: str, start: int, pattern: re.Pattern[str], far: int) -> int:
    """Where a match at ``start`` ends; a long one is made piece by piece.

    All parts of the pattern but quoted ones are single characters, so that it can go on
    anywhere in what it matched with enough text ahead.
    """
    far = min(far, len(text))
    position, stop = _step(text, start, pattern, min(start + LONG, far))
    if position < stop - _LONGEST_PART:
        return position
    for end in paced(range(stop, far, LONG), text):
        # Beyond where it stopped nothing was seen of what decides about the last characters.
        again = max(start, position - _AHEAD) if pattern is _BARE else position
        position, stop = _step(text, again, pattern, min(end + LONG, far))
        if position < stop - _LONGEST_PART:
            break
    return position


def _step(text: str, start: int, pattern: re.Pattern[str], stop: int) -> tuple[int, int]:
    match = pattern.match(text, start, stop)
    return (match.end() if match else start), stop


def _element(text: str, start: int) -> Iterator[Value]:
    end = text.find("<", start, start + _FARTHEST)
    end = _line_end(text, start) if end < 0 else end
    if end > start:
        yield Value(start, end, bare=False, resume=end)


def _encoded(text: str, start: int, far: int) -> Iterator[Value]:
    for value in query_value(text, start, far):
        content = text[value.start : value.end]
        end = min((p for p in (content.find("%26"), content.find("%22")) if p >= 0), default=-1)
        yield value if end < 0 else value._replace(end=start + end, resume=start + end)


def _scheme(text: str, start: int, far: int) -> Iterator[Value]:
    scheme = _SCHEME.match(text, start)
    if scheme is None:
        yield from _bare(text, start, _BARE, far)
        return
    pattern = _FIELDS if scheme["list"] else _BARE
    for value in _bare(text, scheme.end(), pattern, far):
        yield value._replace(start=start)
