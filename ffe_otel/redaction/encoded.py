# SPDX-License-Identifier: Apache-2.0
"""A second look at percent-encoded text.

Nothing stands between ``%20`` and the secret behind it, so that no pattern sees where the
secret begins, and the line ends of a key or the colon of a password are no such characters.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.redaction.spans import LONG, join, paced, positions

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")


class Decoded(NamedTuple):
    """A text without its escapes.

    Attributes:
        texts: the text; each escape is one character. Again with spaces for plus signs, if
            there are any: in a form a plus is a space, in a path it is itself.
        escaped: positions of the escapes' characters, ascending.
    """

    texts: tuple[str, ...]
    escaped: list[int]

    def original(self, position: int) -> int:
        """The place of a position in the text as it came."""
        return position + 2 * bisect_left(self.escaped, position)


def decode(text: str) -> Decoded | None:
    """Decode a text; ``None`` when nothing in it is encoded.

    Each escape becomes the character of its number. That tears apart what is not ASCII, which
    no rule looks for. ``%00`` must not look like a marker (see ``hide_markers``).
    """
    form = "+" in text and "=" in text
    if "%" not in text and not form:
        return None
    found = enumerate(paced(_escapes(text), text))
    escaped = [position - 2 * number for number, position in found]
    if not escaped and not form:
        return None
    written = (text, text.replace("+", " ")) if "+" in text else (text,)
    return Decoded(tuple(join(_plain(one), one) for one in written), escaped)


def _escapes(text: str) -> Iterator[int]:
    return (p for p in positions(text, "%") if _ESCAPE.match(text, p))


def _plain(text: str) -> Iterator[str]:
    start = 0
    for end in paced(range(LONG, len(text) + LONG, LONG), text):
        # An escape must not be torn.
        sign = text.find("%", end - 2, end) if end < len(text) else -1
        stop = end if sign < 0 else sign
        yield _ESCAPE.sub(_character, text[start:stop])
        start = stop


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[0][1:], 16) or 1)
