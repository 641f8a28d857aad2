# SPDX-License-Identifier: Apache-2.0
"""Log records get an identity when they are stored, which they keep however often they are sent.

A span has its ids; a log record that arrives twice cannot be told from two that are alike.
"""

from __future__ import annotations

import os
import time
from itertools import product
from typing import Final

from ffe_otel import semconv

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple((a + b).encode() for a, b in product(_DIGITS, repeat=2))
_LENGTH: Final = 26
_MOST: Final = 1 << 20
_NAME: Final = semconv.LOG_RECORD_UID.encode()
_KEY: Final = bytes((0x0A, len(_NAME))) + _NAME
# Field 6 of a LogRecord, a KeyValue of the key and a text of 26 characters.
_ATTRIBUTE: Final = (
    bytes((0x32, len(_KEY) + 4 + _LENGTH)) + _KEY + bytes((0x12, 2 + _LENGTH, 0x0A, _LENGTH))
)


class Uids:
    """ULIDs for the records of a batch: a time in ms, 60 random bits, a number of 20.

    See https://github.com/ulid/spec.
    """

    def __init__(self) -> None:
        """Begin a batch."""
        self._number = _MOST
        self._head = b""

    def mark(self, record: bytes) -> bytes:
        """An encoded LogRecord with an attribute more, unless it has that already."""
        if _KEY in record:
            return record
        number = self._number
        if number >= _MOST:
            number, self._head = 0, _ATTRIBUTE + _new_head()
        self._number = number + 1
        return record + self._head + _PAIRS[number >> 10] + _PAIRS[number & 1023]


def _new_head() -> bytes:
    bits = time.time_ns() // 1_000_000 << 60 | int.from_bytes(os.urandom(8)) >> 4
    return b"".join(_PAIRS[bits >> shift & 1023] for shift in range(100, -1, -10))
