# SPDX-License-Identifier: Apache-2.0
"""What ``ffe-otel redact`` reads: files, folders, standard input, gzip."""

from __future__ import annotations

import codecs
import io
import itertools
import os
import select
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STANDARD_INPUT: Final = Path("-")
_CHUNK: Final = 65_536
_PAUSE: Final = 0.1
_GZIP: Final = b"\x1f\x8b"
_LONGEST_MAGIC: Final = 6
_UNREADABLE: Final = (
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    (b"\xfd7zXZ\x00", "compressed with xz; unpack it first"),
    (b"BZh", "compressed with bzip2; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"\xff\xfe", "UTF-16; convert it first: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "UTF-16; convert it first: iconv -f UTF-16 -t UTF-8"),
)


class InputError(Exception):
    """An input that cannot be read; the text says why and what to do."""


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, with the regular files below in place of each folder."""
    for path in paths:
        if path == STANDARD_INPUT or not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path, onerror=_raise):
            folders.sort()
            yield from (
                file for file in (Path(folder, name) for name in sorted(names)) if file.is_file()
            )


def read(path: Path) -> Iterator[str | None]:
    """The text of a file, unpacked if it is gzip; None where a pipe has nothing for now.

    Bytes that are not UTF-8 come as surrogates, see :func:`encode`.

    Raises:
        InputError: it cannot be read, or holds what only looks clean because it is packed.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    try:
        for chunk in _unpacked(_chunks(path)):
            yield None if chunk is None else decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
    except zlib.error as error:
        raise InputError(f"broken gzip data: {error}") from error


def encode(text: str) -> bytes:
    """The bytes of a text that :func:`read` gave."""
    return text.encode("utf-8", "surrogateescape")


def _raise(error: OSError) -> None:
    raise InputError(f"{error.filename}: {error.strerror}")


def _chunks(path: Path) -> Iterator[bytes | None]:
    if path == STANDARD_INPUT:
        stream: Any = sys.stdin.buffer
        while chunk := stream.read1(_CHUNK):
            yield chunk
            if not _more(stream):
                yield None
    else:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _more(stream: Any) -> bool:
    """Say whether a stream has something to read within a moment, or has ended."""
    try:
        return bool(select.select([stream], [], [], _PAUSE)[0])
    except (OSError, ValueError, io.UnsupportedOperation):
        return True


def _unpacked(chunks: Iterator[bytes | None]) -> Iterator[bytes | None]:
    head, paused = b"", False
    for chunk in chunks:
        head += chunk or b""
        paused = chunk is None
        if paused or len(head) >= _LONGEST_MAGIC:
            break
    if paused:
        chunks = itertools.chain((None,), chunks)
    for magic, what in _UNREADABLE:
        if head.startswith(magic):
            raise InputError(f"this is {what}")
    if head.startswith(_GZIP):
        yield from _gunzipped(head, chunks)
    else:
        yield head
        yield from chunks


def _gunzipped(head: bytes, chunks: Iterator[bytes | None]) -> Iterator[bytes | None]:
    unpacker = zlib.decompressobj(wbits=31)
    for chunk in itertools.chain((head,), chunks):
        if chunk is None:
            yield None
            continue
        data = chunk
        while data:
            yield unpacker.decompress(data, _CHUNK)
            data = unpacker.unconsumed_tail
            if unpacker.eof and (data := unpacker.unused_data):
                unpacker = zlib.decompressobj(wbits=31)
    if not unpacker.eof:
        raise InputError("broken gzip data: it ends too early")
