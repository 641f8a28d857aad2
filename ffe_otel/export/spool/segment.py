# SPDX-License-Identifier: Apache-2.0
"""Segment files: what a spool's files look like, and how they are written, read and repaired.

A file begins with a header of 24 bytes (``_HEADER``, little endian): the magic text, the
version of the format, the number of the signal, for how many seconds its last record has
certainly waited, and up to which byte the records have been delivered. Records follow without
gaps: payload length, number of items, Unix time in nanoseconds, CRC-32 of these three and of
the payload, then the payload, which is an OTLP request in protobuf. The delivered mark is one
aligned write of 8 bytes, so it is never torn, and the age one of 4.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation.descriptors import Descriptor, LostError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".spool"
VERSION: Final = 1
_MAGIC: Final = b"FFESPOOL"
_HEADER: Final = struct.Struct("<8sBB2xIQ")
_MARK: Final = struct.Struct("<Q")
_MARK_AT: Final = 16
_AGE: Final = struct.Struct("<I")
_AGE_AT: Final = 12
_FIELDS: Final = struct.Struct("<IIQ")
_RECORD: Final = struct.Struct("<IIQI")
HEADER_SIZE: Final = _HEADER.size
OVERHEAD: Final = _RECORD.size
"""Bytes a record takes beside its payload."""


class UnreadableError(Exception):
    """A file that is no segment, or one of another version; the text says which."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored request; ``end`` is the offset in the file where the next one begins."""

    payload: bytes
    items: int
    unix_nano: int
    end: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment holds that has not been delivered.

    Attributes:
        delivered: offset up to which records have been delivered.
        end: offset behind the last whole record.
        items: spans, log records or points in the undelivered records.
        newest: Unix time of the last undelivered record in nanoseconds, 0 without one.
        age: seconds that it has waited while somebody watched.
        lost: items in damaged records, at least 1 for each damaged end.
    """

    delivered: int
    end: int
    items: int
    newest: int
    age: int
    lost: int


def create(path: Path, signal: int) -> Descriptor:
    """Make an empty segment that only its owner can read; its descriptor.

    Raises:
        OSError: it cannot be made.
    """
    descriptor = Descriptor.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        write_at(descriptor, _HEADER.pack(_MAGIC, VERSION, signal, 0, HEADER_SIZE), 0)
    except OSError:
        descriptor.close()
        path.unlink(missing_ok=True)
        raise
    return descriptor


def append(descriptor: Descriptor, offset: int, payload: bytes, items: int, unix_nano: int) -> int:
    """Write a record at ``offset``; where it ends.

    Raises:
        OSError: it could not be written in whole; what is there of it is to be cut off.
    """
    fields = _FIELDS.pack(len(payload), items, unix_nano)
    check = zlib.crc32(payload, zlib.crc32(fields))
    data = b"".join((fields, check.to_bytes(4, "little"), payload))
    write_at(descriptor, data, offset)
    return offset + len(data)


def write_at(descriptor: Descriptor, data: bytes, offset: int) -> None:
    """Write all of ``data``, also where the system takes it in pieces.

    Raises:
        OSError: that is not possible.
    """
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor.number, rest, offset)
        rest, offset = rest[written:], offset + written


def _read(number: int, offset: int, end: int) -> Record | None:
    """The record at ``offset``; ``None`` where none is left before ``end`` or it is damaged."""
    if offset + OVERHEAD > end:
        return None
    head = os.pread(number, OVERHEAD, offset)
    if len(head) < OVERHEAD:
        return None
    length, items, unix_nano, check = _RECORD.unpack(head)
    if offset + OVERHEAD + length > end:
        return None
    payload = os.pread(number, length, offset + OVERHEAD)
    if zlib.crc32(payload, zlib.crc32(head[: _FIELDS.size])) != check:
        return None
    return Record(payload, items, unix_nano, offset + OVERHEAD + length)


def read_some(
    descriptor: Descriptor, offset: int, end: int, most_bytes: int, most_records: int
) -> tuple[Record, ...]:
    """Records from ``offset`` on within these bounds; none where the first is damaged.

    Raises:
        OSError: the file cannot be read now.
    """
    found: list[Record] = []
    size, number = 0, descriptor.number
    while len(found) < most_records and (record := _read(number, offset, end)):
        size += len(record.payload)
        if found and size > most_bytes:
            break
        found.append(record)
        offset = record.end
    if not found and not descriptor.ours:
        # What looked like damage was somebody else's file.
        raise LostError
    return tuple(found)


def time_at(path: Path, offset: int) -> int:
    """Unix time in nanoseconds of the record at ``offset``, 0 without one.

    Raises:
        OSError: the file cannot be read.
    """
    with Descriptor.open(path, os.O_RDONLY) as file:
        head = os.pread(file.number, _FIELDS.size, offset)
    return int(_FIELDS.unpack(head)[2]) if len(head) == _FIELDS.size else 0


def waiting(path: Path) -> tuple[int, int]:
    """Bytes of a segment that are not delivered, and Unix time in nanoseconds of the first.

    Both are 0 for a file that is none.

    Raises:
        OSError: the file cannot be read.
    """
    with Descriptor.open(path, os.O_RDONLY) as file:
        head, size = os.pread(file.number, HEADER_SIZE, 0), os.fstat(file.number).st_size
        if len(head) < HEADER_SIZE or not head.startswith(_MAGIC):
            return 0, 0
        delivered = int(_HEADER.unpack(head)[4])
        fields = os.pread(file.number, _FIELDS.size, delivered)
    first = int(_FIELDS.unpack(fields)[2]) if len(fields) == _FIELDS.size else 0
    return max(0, size - delivered), first


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk.

    Raises:
        OSError: that is not possible.
    """
    with Descriptor.open(path, os.O_RDONLY) as file:
        os.fsync(file.number)


def mark_delivered(descriptor: Descriptor, offset: int) -> None:
    """Write down that everything before ``offset`` is delivered.

    Raises:
        OSError: that is not possible; the records would be sent again after a restart.
    """
    write_at(descriptor, _MARK.pack(offset), _MARK_AT)


def mark_age(path: Path, seconds: float) -> None:
    """Write down how long the last record has certainly waited.

    Raises:
        OSError: that is not possible; the next process believes it to be younger.
    """
    with Descriptor.open(path, os.O_RDWR) as file:
        write_at(file, _AGE.pack(min(int(seconds), 0xFFFFFFFF)), _AGE_AT)


def repair(descriptor: Descriptor, signal: int) -> Contents:
    """Look through a segment that another process left, and cut off a damaged end.

    Raises:
        UnreadableError: it is not a segment of this version and signal.
        OSError: it cannot be read or cut.
    """
    head = os.pread(descriptor.number, HEADER_SIZE, 0)
    if not head.strip(b"\0"):
        # Killed, or out of power, before the header was there: nothing can be in it.
        os.ftruncate(descriptor.number, 0)
        return Contents(HEADER_SIZE, HEADER_SIZE, 0, 0, 0, 0)
    if len(head) < HEADER_SIZE or not head.startswith(_MAGIC):
        raise UnreadableError("it is not a spool file")
    _, version, belongs_to, age, mark = _HEADER.unpack(head)
    if version != VERSION:
        raise UnreadableError(f"it has version {version} of the format, this is {VERSION}")
    if belongs_to != signal:
        raise UnreadableError("it belongs to another signal")
    number = descriptor.number
    size = os.fstat(number).st_size
    delivered, items, newest, end = HEADER_SIZE, 0, 0, HEADER_SIZE
    while record := _read(number, end, size):
        end = record.end
        if end <= mark:
            delivered = end
            continue
        items += record.items
        newest = record.unix_nano
    lost = 0
    if end < size:
        lost = _items_at(descriptor.number, end)
        os.ftruncate(descriptor.number, end)
    return Contents(delivered, end, items, newest, age, lost)


def _items_at(number: int, offset: int) -> int:
    """How many items a damaged record says it has, where that can be believed."""
    head = os.pread(number, _FIELDS.size, offset)
    if len(head) < _FIELDS.size:
        return 1
    length, items, _ = _FIELDS.unpack(head)
    return items if 0 < items <= length else 1
