# SPDX-License-Identifier: Apache-2.0
"""Values in a list or mapping that stands, in Python or JSON notation, inside of a text.

``credentials: {"user": "bob", "extra": ["x"]}`` hides ``bob`` and ``x``, as the same mapping
would as an attribute.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST: Final = 2_048
_MOST: Final = 32
_TOKEN: Final = re.compile(
    r"(?P<open>[\[{(])|(?P<close>[\]})])|[bBuUrR]?(?P<quote>\\{0,8}[\"'])"
    r"|(?<=[:\[(,\s])(?P<number>-?[0-9][0-9.eE+-]{0,40})(?=[\s,\]})]|$)"
)
# A key as the list of its bytes.
_BYTES: Final = re.compile(r"\[(?P<bytes>(?:[ ]?[0-9]{1,3},){15,255}[ ]?[0-9]{1,3})\]")
_COLON: Final = re.compile(r"\s{0,4}:")


def leaves(text: str, start: int, *, numbers: bool) -> Iterator[tuple[int, int]]:
    """Yield where the values of the container that opens at ``start`` begin and end.

    Keys are left out. What is longer than 2048 characters or 32 values is read in part.
    """
    limit = min(len(text), start + _LONGEST)
    if numbers and (row := _BYTES.match(text, start)):
        yield row.span("bytes")
        return
    position, depth = start, 0
    for _ in range(_MOST):
        token = _TOKEN.search(text, position, limit)
        if token is None:
            return
        position = token.end()
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
            if depth <= 0:
                return
        elif quote := token["quote"]:
            end = _closing(text, position, quote, limit)
            after = min(end + len(quote), limit)
            if not _COLON.match(text, after):
                yield position, end
            position = after
        elif numbers:
            yield token.span("number")


def _closing(text: str, start: int, quote: str, limit: int) -> int:
    """Where a string ends; at ``limit`` when its quotation mark is missing."""
    position = text.find(quote, start, limit)
    while position > start and len(quote) == 1 and text[position - 1] == "\\":
        position = text.find(quote, position + 1, limit)
    return limit if position < 0 else position
