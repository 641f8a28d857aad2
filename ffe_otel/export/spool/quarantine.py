# SPDX-License-Identifier: Apache-2.0
"""Bounded folders for what is not going to be sent: refused requests and foreign files."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from typing import TYPE_CHECKING, Final

from ffe_otel.export.spool import segment
from ffe_otel.export.spool.folder import private_folder
from ffe_otel.foundation.descriptors import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REASON_SUFFIX: Final = ".reason"


def keep(folder: Path, limit: int, signal: int, records: Sequence[segment.Record],
         reason: str) -> Path:  # fmt: skip
    """Write refused records to a file of their own, with the reason beside it.

    The file is a segment as any other: moved into the folder of a dead process, it is sent
    again.

    Args:
        folder: where to.
        limit: bytes all files in the folder may have; the oldest go.
        signal: number of the signal.
        records: what was refused.
        reason: why, redacted.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written.
    """
    private_folder(folder)
    target = folder / f"{_name(folder)}{segment.SUFFIX}"
    descriptor = segment.create(target, signal)
    try:
        offset = segment.HEADER_SIZE
        for record in records:
            offset = segment.append(
                descriptor, offset, record.payload, record.items, record.unix_nano
            )
    except OSError:
        target.unlink(missing_ok=True)
        raise
    finally:
        descriptor.close()
    write_private(target.with_suffix(REASON_SUFFIX), f"{reason}\n")
    bound(folder, limit)
    return target


def held(folder: Path) -> int:
    """How many refused requests are in ``folder``; none where it cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sum(entry.name.endswith(segment.SUFFIX) for entry in entries)
    return 0


def set_aside(folder: Path, limit: int, path: Path) -> Path:
    """Move a file that cannot be read here into ``folder``; where it is then.

    Raises:
        OSError: it cannot be moved.
    """
    private_folder(folder)
    target = path.rename(folder / f"{_name(folder)}-{path.name}")
    bound(folder, limit)
    return target


def bound(folder: Path, limit: int) -> None:
    """Delete the oldest files until the folder has at most ``limit`` bytes."""
    with contextlib.suppress(OSError):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        sizes = {path: path.stat().st_size for path in files}
        total = sum(sizes.values())
        for path in files:
            if total <= limit:
                break
            path.unlink(missing_ok=True)
            total -= sizes[path]


def _name(folder: Path) -> str:
    """A name behind all that are there, whatever the clock says: the first ones go first."""
    heads = [path.name.partition("-")[0] for path in folder.iterdir()]
    last = max((int(head) for head in heads if head.isdecimal()), default=0)
    return f"{max(time.time_ns(), last + 1):020d}-{uuid.uuid4().hex[:8]}"
