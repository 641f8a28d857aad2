# SPDX-License-Identifier: Apache-2.0
"""A second look at percent-encoded text.

Nothing stands between ``%20`` and the secret behind it, so that no pattern sees where the
secret begins, and the line ends of a key or the colon of a password are no such characters.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final, NamedTuple

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
    escaped = [m.start() - 2 * number for number, m in enumerate(_ESCAPE.finditer(text))]
    if not escaped and not form:
        return None
    written = (text, text.replace("+", " ")) if "+" in text else (text,)
    return Decoded(
        tuple(_ESCAPE.sub(lambda m: chr(int(m[0][1:], 16) or 1), one) for one in written), escaped
    )
