# SPDX-License-Identifier: Apache-2.0
"""What DuckDB's errors say about the file: damaged, of a newer program, or no room for it.

Versions of DuckDB raise the same trouble as different classes (a wrong checksum is an
``IOException`` in 1.4 and a plain ``Error`` in 2.0), so that the words count.
"""

from __future__ import annotations

import re
from typing import Final

import duckdb

_DAMAGE: Final = re.compile(
    r"corrupt|checksum|could not read enough bytes|could not read all bytes"
    r"|could not read from file .*input/output error|not a valid duckdb|deserializ"
    r"|failed to load metadata|invalid block|out of range .* block|replaying wal",
    re.IGNORECASE | re.DOTALL,
)
_NEWER: Final = re.compile(
    r"version number|newer (?:version|duckdb)|storage version|can only read version", re.IGNORECASE
)
_NO_ROOM: Final = re.compile(
    r"no space left|disk quota|too many open files|read-only file system|permission denied",
    re.IGNORECASE,
)
GIVEN_UP: Final = (duckdb.FatalException, duckdb.ConnectionException)
"""After these DuckDB refuses everything until the file is opened again."""
_SUSPICIOUS: Final = (*GIVEN_UP, duckdb.InternalException, duckdb.SerializationException)


def no_room(error: BaseException) -> bool:
    """Whether the file system is at fault, and the file may be well."""
    return _NO_ROOM.search(str(error)) is not None


def damaged(error: BaseException) -> bool:
    """Whether the words of an error are those of a file that is not what was written."""
    return not no_room(error) and _DAMAGE.search(str(error)) is not None


def suspicious(error: BaseException) -> bool:
    """Whether the file had better be looked at after this error."""
    return damaged(error) or (isinstance(error, _SUSPICIOUS) and not no_room(error))


def newer(error: BaseException) -> bool:
    """Whether a newer DuckDB wrote the file, so that it is well and not ours to mend."""
    return _NEWER.search(str(error)) is not None and not damaged(error)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has none."""
    return next(iter(str(error).splitlines()), "") or repr(error)
