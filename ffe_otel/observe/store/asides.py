# SPDX-License-Identifier: Apache-2.0
"""Store files that were set aside: their names, what is known of them, how many are kept.

A damaged file is read for what it still gives and then kept for a while. A file that another
version wrote is well; it is the user's, and nothing here deletes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".aside"
_FOREIGN: Final = f".other{SUFFIX}"
_NOTE: Final = ".json"
LOG: Final = ".wal"
_LOG_BEGIN: Final = b"\x64\x00"
"""How every write-ahead log begins; DuckDB passes over one that does not, without a word."""
MAX_DAMAGED: Final = 2
"""Damaged files kept at once; of more the oldest go, read or not."""
MAX_DONE: Final = 1
"""Damaged files kept that nothing more can be read from."""


@dataclass(slots=True)
class Note:
    """What is known of a damaged file, kept beside it.

    Attributes:
        why: what was found wrong.
        at: when, seconds since the epoch.
        taken: rows read from it, by table.
        lost: rows that could not be read, by table; -1 for an unknown number.
        remarks: what else was done to read it.
        table: the table that is being read, empty before the first.
        below: rows with numbers below this one are still to be read; None before the first.
        tries: reads begun where it stopped, so that a crash in one is not repeated for ever.
        done: nothing is left to be read.
    """

    why: str
    at: float
    taken: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    table: str = ""
    below: int | None = None
    tries: int = 0
    done: bool = False

    def sentence(self, name: str) -> str:
        """What became of the file ``name``, for people."""
        text = f"the store was damaged ({self.why}) and set aside as {name}"
        read = sum(self.taken.values())
        if not self.done:
            return f"{text}; {read} rows are read back so far"
        parts = [f"{text}; {read} rows were read back", self._losses(), *self.remarks]
        return "; ".join(parts)

    def _losses(self) -> str:
        if not self.lost:
            return "none is known to be lost"
        parts = [f"{n} of {t}" if n >= 0 else f"all of {t}" for t, n in sorted(self.lost.items())]
        return f"lost are {', '.join(parts)}"


def files(path: Path) -> list[Path]:
    """A store file and its write-ahead log."""
    return [path, path.with_name(path.name + LOG)]


def has_sound_log(path: Path) -> bool:
    """Whether the log of a store file is none, empty, or begins as one does."""
    try:
        with files(path)[1].open("rb") as file:
            return file.read(len(_LOG_BEGIN)) in {b"", _LOG_BEGIN}
    except FileNotFoundError:
        return True


def set_aside(path: Path, why: str, *, foreign: bool) -> Path:
    """Rename a store file and its log; where it is now."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    ending = _FOREIGN if foreign else SUFFIX
    aside = path.with_name(f"{path.name}.{stamp}-{time.time_ns() % 1_000_000_000:09d}{ending}")
    if not foreign:
        write(aside, Note(why, time.time()))
    for old, new in zip(files(path), files(aside), strict=True):
        with contextlib.suppress(FileNotFoundError):
            old.rename(new)
    if not foreign:
        _bound(path)
    return aside


def damaged(path: Path) -> dict[Path, Note]:
    """The damaged files of the store ``path``, newest first."""
    found = {}
    for aside in sorted(path.parent.glob(f"{path.name}.*{SUFFIX}"), reverse=True):
        if not aside.name.endswith(_FOREIGN):
            found[aside] = _read(aside)
    return found


def write(aside: Path, note: Note) -> None:
    """Keep what is known of a file.

    Raises:
        OSError: it cannot be written.
    """
    target = _note_path(aside)
    half = target.with_name(target.name + ".part")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(note), file)
    half.replace(target)


def drop(aside: Path) -> None:
    """Delete a damaged file and what belongs to it."""
    for file in aside.parent.glob(f"{aside.name}*"):
        with contextlib.suppress(OSError):
            file.unlink()


def retire(path: Path, age_seconds: float, now: float) -> None:
    """Delete damaged files that were read long ago, and more of them than are kept."""
    read = [(aside, note) for aside, note in damaged(path).items() if note.done]
    for number, (aside, note) in enumerate(read):
        if number >= MAX_DONE or note.at < now - age_seconds:
            drop(aside)


def make_room(path: Path) -> bool:
    """Delete the damaged files that were read already; whether there was one."""
    read = [aside for aside, note in damaged(path).items() if note.done and aside.exists()]
    for aside in read:
        drop(aside)
    return bool(read)


def _bound(path: Path) -> None:
    for aside in list(damaged(path))[MAX_DAMAGED:]:
        drop(aside)


def _note_path(aside: Path) -> Path:
    return aside.with_name(aside.name + _NOTE)


def _read(aside: Path) -> Note:
    try:
        known: dict[str, Any] = json.loads(_note_path(aside).read_bytes())
        return Note(**known)
    except (OSError, ValueError, TypeError):
        # One of an earlier version of this program, which did not read such files.
        when = aside.stat().st_mtime if aside.exists() else 0.0
        return Note("for an unknown reason", when, done=True)
