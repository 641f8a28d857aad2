# SPDX-License-Identifier: Apache-2.0
"""How full a spool is, seen from outside: no lock is taken and nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffe_otel.export.spool import segment
from ffe_otel.export.spool.folder import ASIDE, QUARANTINE

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT_FILE = "endpoint"
"""Names, in each folder below the root, where its telemetry is to go."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What lies in the folder of one signal and endpoint.

    Attributes:
        signal: ``traces``, ``metrics`` or ``logs``.
        endpoint: where it is to go; empty when that cannot be read.
        waiting_bytes: not delivered yet.
        refused: requests in quarantine.
        aside: files of other versions.
    """

    signal: str
    endpoint: str
    waiting_bytes: int
    refused: int
    aside: int


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
    files = {folder.name: sorted(folder.glob(f"*{segment.SUFFIX}")) for folder in places}
    refused = len(files.pop(QUARANTINE, ()))
    aside = len(files.pop(ASIDE, ()))
    waiting = sum(_waiting(file) for found in files.values() for file in found)
    try:
        endpoint = (path / ENDPOINT_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        endpoint = ""
    return Usage(path.name.partition("-")[0], endpoint, waiting, refused, aside)


def _waiting(path: Path) -> int:
    try:
        return segment.bytes_waiting(path)
    except OSError:
        # Delivered and deleted while we looked.
        return 0
