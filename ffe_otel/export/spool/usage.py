# SPDX-License-Identifier: Apache-2.0
"""How full a spool is, for whom and by whom, seen from outside: nothing is changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffe_otel.export.spool import segment
from ffe_otel.export.spool.folder import ASIDE, QUARANTINE, is_abandoned

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT_FILE = "endpoint"
"""Names, in each folder below the root, where its telemetry is to go."""


@dataclass(frozen=True, slots=True)
class Share:
    """What waits in the folder of one process.

    Attributes:
        process: its id; it may be somebody else's by now.
        alive: it holds the folder's lock; where it does not, anybody may send what it left.
        waiting_bytes: not delivered yet.
        oldest_seconds: age of the first of it by the wall clock.
    """

    process: str
    alive: bool
    waiting_bytes: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What lies in the folder of one signal and endpoint.

    Attributes:
        signal: ``traces``, ``metrics`` or ``logs``.
        endpoint: where it is to go; empty when that cannot be read.
        path: the folder.
        shares: of the processes that have something there.
        refused: requests in quarantine.
        aside: files of other versions.
    """

    signal: str
    endpoint: str
    path: Path
    shares: tuple[Share, ...]
    refused: int
    aside: int

    @property
    def waiting_bytes(self) -> int:
        """Not delivered yet, of all processes."""
        return sum(share.waiting_bytes for share in self.shares)

    @property
    def left_bytes(self) -> int:
        """What the dead left of it."""
        return sum(share.waiting_bytes for share in self.shares if not share.alive)


def usage(root: Path) -> list[Usage]:
    """What lies in each folder of a spool; none where there is no spool.

    Raises:
        OSError: the spool cannot be read by this user.
    """
    if not root.is_dir():
        return []
    return [_look(path) for path in sorted(root.iterdir()) if path.is_dir()]


def _look(path: Path) -> Usage:
    places = [folder for folder in path.iterdir() if folder.is_dir()]
    held = {folder.name: len(list(folder.glob(f"*{segment.SUFFIX}"))) for folder in places}
    shares = [_share(folder) for folder in sorted(places) if folder.name not in (QUARANTINE, ASIDE)]
    try:
        endpoint = (path / ENDPOINT_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        endpoint = ""
    return Usage(
        path.name.partition("-")[0],
        endpoint,
        path,
        tuple(share for share in shares if share.waiting_bytes),
        held.get(QUARANTINE, 0),
        held.get(ASIDE, 0),
    )


def _share(folder: Path) -> Share:
    found = [_waiting(file) for file in sorted(folder.glob(f"*{segment.SUFFIX}"))]
    first = next((unix_nano for size, unix_nano in found if size), 0)
    age = max(0.0, time.time() - first / 1e9) if first else 0.0
    process = folder.name.partition("-")[0]
    return Share(process, not is_abandoned(folder), sum(size for size, _ in found), age)


def _waiting(path: Path) -> tuple[int, int]:
    try:
        return segment.waiting(path)
    except OSError:
        # Delivered and deleted while we looked.
        return 0, 0
