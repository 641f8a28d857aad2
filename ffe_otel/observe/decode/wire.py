# SPDX-License-Identifier: Apache-2.0
"""Protobuf messages whose texts are no UTF-8: parsers refuse them as a whole.

Only what the schema calls a string is looked at and written anew; a message that is broken
in any other way stays as it is.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

Descriptor = Any
"""A message's descriptor; protobuf's implementations have classes of their own for it."""

_VARINT: Final = 0
_FIXED64: Final = 1
_DELIMITED: Final = 2
_FIXED32: Final = 5
_DEEPEST: Final = 100
"""Messages in one another that protobuf's own parsers take."""


class _BrokenError(Exception):
    """Bytes that are no message."""


def mend(body: bytes, descriptor: Descriptor) -> bytes:
    """The message with every text made valid; the same bytes where that is not what it lacks."""
    try:
        return _message(body, descriptor, _DEEPEST)
    except _BrokenError:
        return body


def _message(body: bytes, descriptor: Descriptor, depth: int) -> bytes:
    if not depth:
        raise _BrokenError
    parts: list[bytes] = []
    fields = descriptor.fields_by_number
    place = 0
    while place < len(body):
        begin = place
        tag, place = _varint(body, place)
        kind = tag & 7
        if kind != _DELIMITED:
            place = _after(body, place, kind)
            parts.append(body[begin:place])
            continue
        length, start = _varint(body, place)
        place = start + length
        if place > len(body):
            raise _BrokenError
        field = fields.get(tag >> 3)
        value = body[start:place]
        new = _value(value, field, depth)
        parts.append(
            body[begin:place] if new is value else _written(tag) + _written(len(new)) + new
        )
    return b"".join(parts)


def _value(value: bytes, field: FieldDescriptor | None, depth: int) -> bytes:
    if field is None:
        return value
    if field.message_type is not None:
        new = _message(value, field.message_type, depth - 1)
        return value if new == value else new
    if field.type == FieldDescriptor.TYPE_STRING:
        try:
            value.decode()
        except UnicodeDecodeError:
            return value.decode("utf-8", "replace").encode()
    return value


def _after(body: bytes, place: int, kind: int) -> int:
    """Where a value of this wire type ends."""
    if kind == _VARINT:
        return _varint(body, place)[1]
    length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
    if length is None or place + length > len(body):
        raise _BrokenError
    return place + length


def _varint(body: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(body) and shift < 70:
        byte = body[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
    raise _BrokenError


def _written(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
