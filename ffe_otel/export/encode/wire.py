# SPDX-License-Identifier: Apache-2.0
"""Protobuf's wire format, and OTLP's attributes and values in it.

A field is its tag, for most types a length, and the data. Tags are written as bytes where
they are used: field number times 8, plus 0 for a varint, 1 for 64 bits, 2 for a length and
5 for 32 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.export.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TABLE: Final = 4096
_INT64: Final = 1 << 63
_MASK64: Final = (1 << 64) - 1

fixed64: Final = Struct("<BQ").pack
"""Tag of one byte, unsigned 64 bits."""
signed64: Final = Struct("<Bq").pack
"""Tag of one byte, signed 64 bits."""
double: Final = Struct("<Bd").pack
"""Tag of one byte, floating-point number."""
_double_value: Final = Struct("<3sd").pack


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


_VARINTS: Final = tuple(_varint(number) for number in range(_TABLE))
# What stands before the text in a KeyValue: the AnyValue's tag and length, the text's.
_TEXT_HEADS: Final = tuple(
    b"\x12" + _varint(1 + len(_varint(n)) + n) + b"\x0a" + _varint(n) for n in range(_TABLE)
)


def varint(number: int) -> bytes:
    """A number that is not negative."""
    return _VARINTS[number] if number < _TABLE else _varint(number)


def field(tag: bytes, data: bytes) -> bytes:
    """A field with a length."""
    return tag + varint(len(data)) + data


def text(tag: bytes, value: str | None) -> bytes:
    """A text field; nothing for an empty one, as proto3 has it."""
    return field(tag, octets(value)) if value else b""


def number(tag: bytes, value: int) -> bytes:
    """A varint field; nothing for 0."""
    return tag + varint(value) if value else b""


def zigzag(tag: bytes, value: int) -> bytes:
    """A field of type ``sint32``; nothing for 0."""
    return number(tag, value * 2 if value >= 0 else -value * 2 - 1)


def octets(value: str) -> bytes:
    """UTF-8; what has no UTF-8 becomes a question mark, or the whole request is refused."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


_KEYS: Final = Memo(lambda key: field(b"\x0a", octets(key)))
"""The keys of attributes as fields of a KeyValue."""


def attributes(tag: bytes, mapping: Mapping[str, Any] | None, parts: list[bytes]) -> None:
    """Append attributes, as repeated fields ``tag`` of type KeyValue, to ``parts``."""
    if not mapping:
        return
    if type(mapping) is not dict:
        # The SDK's mappings iterate in Python, but copy in C.
        copy = getattr(mapping, "copy", None)
        mapping = mapping if copy is None else copy()
    keys, varints, heads, scalars = _KEYS, _VARINTS, _TEXT_HEADS, _SCALARS
    for key, value in mapping.items():
        prefix = keys[key] if type(key) is str else keys[str(key)]
        kind = type(value)
        if kind is str:
            try:
                data = value.encode()
            except UnicodeEncodeError:
                data = octets(value)
            length = len(data)
            if length < _TABLE:
                head = heads[length]
                size = len(prefix) + len(head) + length
                length_of = varints[size] if size < _TABLE else _varint(size)
                parts += (tag, length_of, prefix, head, data)
                continue
            data = field(b"\x12", field(b"\x0a", data))
        else:
            encode = scalars.get(kind)
            data = encode(value) if encode is not None else field(b"\x12", any_value(value))
        parts += (tag, varint(len(prefix) + len(data)), prefix, data)


def _int_value(value: int) -> bytes:
    if 0 <= value < _TABLE:
        data = _VARINTS[value]
    elif -_INT64 <= value < _INT64:
        data = _varint(value & _MASK64)
    else:
        return field(b"\x12", any_value(str(value)))
    return b"\x12" + _VARINTS[1 + len(data)] + b"\x18" + data


_SCALARS: Final[dict[type, Callable[[Any], bytes]]] = {
    bool: lambda value: b"\x12\x02\x10\x01" if value else b"\x12\x02\x10\x00",
    int: _int_value,
    float: lambda value: _double_value(b"\x12\x09\x21", value),
    type(None): lambda _: b"\x12\x00",
}
"""The field ``value`` of a KeyValue, of which AnyValue is the type."""


def any_value(value: Any) -> bytes:  # noqa: PLR0911 - one branch for each type there is
    """An AnyValue; what OTLP has no type for becomes its text."""
    if value is None:
        return b""
    if isinstance(value, str):
        return field(b"\x0a", octets(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if -_INT64 <= value < _INT64:
            return b"\x18" + varint(value & _MASK64)
        return any_value(str(value))
    if isinstance(value, float):
        return double(0x21, value)
    if isinstance(value, bytes):
        return field(b"\x3a", value)
    if isinstance(value, Mapping):
        parts: list[bytes] = []
        attributes(b"\x0a", value, parts)
        return field(b"\x32", b"".join(parts))
    if isinstance(value, Sequence):
        return field(b"\x2a", b"".join(field(b"\x0a", any_value(item)) for item in value))
    return any_value(str(value))


def repeated(tag: bytes, messages: Iterable[bytes]) -> bytes:
    """A repeated field of messages."""
    return b"".join([part for each in messages for part in (tag, varint(len(each)), each)])
