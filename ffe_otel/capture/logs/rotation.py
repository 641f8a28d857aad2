# SPDX-License-Identifier: Apache-2.0
"""Rolled log files: ``ffe.log.1.gz`` is the newest, the highest number the oldest.

Everything here is built so that it can stop at any instruction: a compressed file gets its
name only when it is complete, and until then the plain one stays.
"""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation.descriptors import Descriptor, write_all

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_SUFFIX: Final = ".gz"
_PARTIAL: Final = ".gz.part"


def roll(path: Path, keep: int) -> Path | None:
    """Give the current log file the number 1 and every older one the next number.

    Args:
        path: The log file.
        keep: Rolled files to keep; older ones are deleted. 0 deletes the current one too.

    Returns:
        The file that was rolled, None when it was deleted.

    Raises:
        OSError: The directory cannot be changed.
    """
    for number, rolled in sorted(_rolled(path), key=_descending):
        if number >= keep:
            rolled.unlink(missing_ok=True)
        else:
            suffix = _SUFFIX if rolled.name.endswith(_SUFFIX) else ""
            rolled.rename(path.with_name(f"{path.name}.{number + 1}{suffix}"))
    if keep == 0:
        path.unlink(missing_ok=True)
        return None
    first = path.with_name(f"{path.name}.1")
    path.rename(first)
    return first


def waiting(path: Path) -> list[Path]:
    """Rolled files that are not compressed yet, oldest first."""
    found = sorted(_rolled(path), key=_descending)
    return [rolled for _, rolled in found if not rolled.name.endswith(_SUFFIX)]


def _descending(item: tuple[int, Path]) -> int:
    return -item[0]


def _rolled(path: Path) -> list[tuple[int, Path]]:
    name = re.compile(rf"{re.escape(path.name)}\.([1-9][0-9]{{0,8}})(\.gz)?")
    found = {}
    for entry in path.parent.iterdir():
        if match := name.fullmatch(entry.name):
            found[entry] = int(match[1])
    # Both forms of one number: compression ended just before the plain file could go.
    for entry in [entry for entry in found if entry.with_name(entry.name + _SUFFIX) in found]:
        entry.unlink(missing_ok=True)
        del found[entry]
    return [(number, entry) for entry, number in found.items()]


class Compression:
    """Compresses one rolled file in steps, so that the worker can write in between.

    Uses bare file descriptors: a forked child must not find a buffer of its parent's to
    flush.
    """

    def __init__(self, source: Path) -> None:
        """Open both files.

        Raises:
            OSError: One of them cannot be opened.
        """
        self._source = source
        self._partial = source.with_name(source.name + _PARTIAL)
        self._compressor = zlib.compressobj(wbits=_GZIP)
        self._input = Descriptor.open(source, os.O_RDONLY)
        try:
            mode = os.fstat(self._input.number).st_mode & 0o777
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._output = Descriptor.open(self._partial, flags, mode)
        except OSError:
            self._input.close()
            raise

    def step(self) -> bool:
        """Compress one chunk.

        Returns:
            Whether there is more to do.

        Raises:
            OSError: Reading or writing failed; the plain file is still there.
        """
        try:
            data = os.read(self._input.number, _CHUNK)
            if data:
                write_all(self._output, self._compressor.compress(data))
                return True
            write_all(self._output, self._compressor.flush())
        except OSError:
            self.abandon()
            raise
        self.forget()
        self._partial.rename(self._source.with_name(self._source.name + _SUFFIX))
        self._source.unlink(missing_ok=True)
        return False

    def abandon(self) -> None:
        """Give up; the plain file stays."""
        self.forget()
        self._partial.unlink(missing_ok=True)

    def forget(self) -> None:
        """Close both files and leave them as they are."""
        self._input.close()
        self._output.close()
