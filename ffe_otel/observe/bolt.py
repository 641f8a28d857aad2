# SPDX-License-Identifier: Apache-2.0
"""Whether a bbolt database can be read to its end, found out without opening it.

The Collector keeps its queues in such files. The format is that of go.etcd.io/bbolt, file
version 2, in little-endian order: pages of one size, of which the first two hold the file's
meta data and one page each of those that are reachable from there belongs to a tree.
"""

from __future__ import annotations

import itertools
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC: Final = 0xED0CDAED
_VERSION: Final = 2
_NO_FREELIST: Final = 2**64 - 1
_BRANCH, _LEAF, _FREELIST = 0x01, 0x02, 0x10
_IS_BUCKET: Final = 0x01
_HEADER: Final = struct.Struct("<QHHI")  # page id, kind, elements, pages that follow
_META: Final = struct.Struct("<IIIIQQQQQQ")
_META_SUMMED: Final = 56
_BRANCH_ELEMENT: Final = struct.Struct("<IIQ")  # offset and size of the key, page id
_LEAF_ELEMENT: Final = struct.Struct("<IIII")  # kind, offset, size of the key, of the value
_BUCKET: Final = struct.Struct("<QQ")  # root page, or 0 and a page follows; sequence

_Keys = tuple[bytes, bytes | None]
"""The least key that a page may have, and the first that it may not."""
_ANY: Final[_Keys] = (b"", None)


class DamageError(Exception):
    """The file cannot be read to its end; the text says why."""


@dataclass(frozen=True, slots=True)
class _Meta:
    page_size: int
    root: int
    freelist: int
    pages: int
    transaction: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value, which begins at the byte ``position`` of the file."""

    key: bytes
    value: bytes
    position: int


def read(path: Path) -> Iterator[Entry]:
    """Every entry of the file's buckets, in no order that matters.

    Raises:
        DamageError: something that bbolt would need is broken. What came before is sound. An
            empty file is broken, too, although bbolt takes it for a new one.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if not size:
            raise DamageError("it is empty")
        yield from _File(descriptor, size).entries()
    finally:
        os.close(descriptor)


class _File:
    """An open file with meta data that are sound."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._seen: set[int] = set()
        self._meta = self._newest_meta()

    def entries(self) -> Iterator[Entry]:
        if self._meta.freelist != _NO_FREELIST:
            kind, _, _ = self._page(self._meta.freelist)
            if kind != _FREELIST:
                raise DamageError(f"page {self._meta.freelist} is no list of free pages")
        pending = [(self._meta.root, _ANY)]
        while pending:
            number, keys = pending.pop()
            kind, count, data = self._page(number)
            if kind == _BRANCH:
                pending += _children(number, keys, count, data)
                continue
            place = number * self._meta.page_size
            for is_bucket, entry in _leaf(number, keys, kind, count, data, place):
                if not is_bucket:
                    yield entry
                    continue
                root, inline = _bucket(number, entry.value)
                if root:
                    pending.append((root, _ANY))
                else:
                    _, inner, elements, _ = _HEADER.unpack_from(inline)
                    place = entry.position + _BUCKET.size
                    yield from (e for _, e in _leaf(number, _ANY, inner, elements, inline, place))

    def _newest_meta(self) -> _Meta:
        found = [meta for position in self._places() if (meta := self._read_meta(position))]
        if not found:
            raise DamageError("neither of its two meta pages is sound")
        meta = max(found, key=lambda meta: meta.transaction)
        if self._size < 2 * meta.page_size:
            raise DamageError("it ends within its meta pages")
        return meta

    def _places(self) -> Iterator[int]:
        """Where meta pages are: at 0, and at the size of a page, which only they know."""
        first = self._read_meta(0)
        yield 0
        if first is not None:
            yield first.page_size
        else:
            yield from (1024 << shift for shift in range(15))

    def _read_meta(self, position: int) -> _Meta | None:
        data = self._read(position, _HEADER.size + _META.size)[_HEADER.size :]
        if len(data) < _META.size:
            return None
        magic, version, page_size, _, root, _, freelist, pages, number, checksum = _META.unpack(
            data
        )
        if (magic, version, checksum) != (_MAGIC, _VERSION, _fnv64a(data[:_META_SUMMED])):
            return None
        return _Meta(page_size, root, freelist, pages, number)

    def _page(self, number: int) -> tuple[int, int, bytes]:
        """The kind of a page, its number of elements, and all of it, each page once."""
        size = self._meta.page_size
        head = self._read(number * size, _HEADER.size)
        if not 2 <= number < self._meta.pages or len(head) < _HEADER.size:
            raise DamageError(f"page {number} is behind the end of the file")
        itself, kind, count, more = _HEADER.unpack(head)
        if itself != number:
            raise DamageError(f"page {number} is overwritten")
        pages = range(number, number + more + 1)
        if pages[-1] >= self._meta.pages or not self._seen.isdisjoint(pages):
            raise DamageError(f"page {number} and another one overlap")
        self._seen.update(pages)
        data = self._read(number * size, len(pages) * size)
        if len(data) < len(pages) * size:
            raise DamageError(f"page {number} is behind the end of the file")
        return kind, count, data

    def _read(self, position: int, length: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, position)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such place"
            raise DamageError(f"byte {position} cannot be read: {reason}") from error


def _children(page: int, within: _Keys, count: int, data: bytes) -> list[tuple[int, _Keys]]:
    keys, found = [], []
    for at, position, size, child in _elements(page, _BRANCH_ELEMENT, count, data):
        keys.append(_slice(page, data, at + position, size))
        found.append(child)
    _check_keys(page, keys, within)
    if not found:
        raise DamageError(f"page {page} leads nowhere")
    return list(zip(found, zip(keys, [*keys[1:], within[1]], strict=True), strict=True))


def _leaf(
    page: int, within: _Keys, kind: int, count: int, data: bytes, place: int
) -> Iterator[tuple[bool, Entry]]:
    """The entries of a leaf whose ``data`` begin at ``place``, and whether they are buckets."""
    if kind != _LEAF:
        raise DamageError(f"page {page} is of an unknown kind")
    found = []
    for at, flags, position, key_size, size in _elements(page, _LEAF_ELEMENT, count, data):
        key = _slice(page, data, at + position, key_size)
        begin = at + position + key_size
        value = _slice(page, data, begin, size)
        found.append((flags & _IS_BUCKET != 0, Entry(key, value, place + begin)))
    _check_keys(page, [entry.key for _, entry in found], within)
    yield from found


def _elements(
    page: int, element: struct.Struct, count: int, data: bytes
) -> Iterator[tuple[int, ...]]:
    """The place of each element, from which its offsets count, and what it says."""
    for at in range(_HEADER.size, _HEADER.size + count * element.size, element.size):
        if at + element.size > len(data):
            raise DamageError(f"page {page} has more elements than room")
        yield at, *element.unpack_from(data, at)


def _bucket(page: int, value: bytes) -> tuple[int, bytes]:
    """The root page of a bucket, or 0 and the page that is its root."""
    if len(value) < _BUCKET.size:
        raise DamageError(f"page {page} has half a bucket")
    root, _ = _BUCKET.unpack_from(value)
    inline = value[_BUCKET.size :]
    if not root and len(inline) < _HEADER.size:
        raise DamageError(f"page {page} has half a bucket")
    return root, inline


def _slice(page: int, data: bytes, begin: int, size: int) -> bytes:
    if begin + size > len(data):
        raise DamageError(f"page {page} has an element that does not fit into it")
    return data[begin : begin + size]


def _check_keys(page: int, keys: list[bytes], within: _Keys) -> None:
    least, limit = within
    sorted_ = all(a < b for a, b in itertools.pairwise(keys))
    if keys and (not sorted_ or keys[0] < least or (limit is not None and keys[-1] >= limit)):
        raise DamageError(f"page {page} has keys in disorder")
    if not all(keys):
        raise DamageError(f"page {page} has an empty key")


def _fnv64a(data: bytes) -> int:
    result = 0xCBF29CE484222325
    for byte in data:
        result = ((result ^ byte) * 0x100000001B3) & (2**64 - 1)
    return result
