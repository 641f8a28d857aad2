# SPDX-License-Identifier: Apache-2.0
"""Small files in bbolt's format, of one bucket in one leaf."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = 4096


def bolt_file(entries: Mapping[bytes, bytes]) -> bytes:
    """A database with the bucket ``default``: two meta pages, its root, and the bucket's leaf."""
    leaf = page(3, entries)
    root = page(2, {b"default": struct.pack("<QQ", 3, 0)}, flags=1)
    pages = 3 + len(leaf) // PAGE
    return meta(0, pages, 6) + meta(1, pages, 7) + root + leaf


def page(number: int, entries: Mapping[bytes, bytes], flags: int = 0) -> bytes:
    """A leaf with these entries, and as many pages as they need."""
    elements, data = b"", b""
    ordered = sorted(entries.items())
    for index, (key, value) in enumerate(ordered):
        position = 16 * (len(ordered) - index) + len(data)
        elements += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    more = (16 + len(elements) + len(data) - 1) // PAGE
    head = struct.pack("<QHHI", number, 2, len(ordered), more)
    return (head + elements + data).ljust((more + 1) * PAGE, b"\0")


def meta(number: int, pages: int, transaction: int) -> bytes:
    said = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, 2, 0, 2**64 - 1, pages, transaction)
    checksum = 0xCBF29CE484222325
    for byte in said:
        checksum = ((checksum ^ byte) * 0x100000001B3) % 2**64
    head = struct.pack("<QHHI", number, 4, 0, 0)
    return (head + said + struct.pack("<Q", checksum)).ljust(PAGE, b"\0")
