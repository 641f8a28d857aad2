# SPDX-License-Identifier: Apache-2.0
"""Taking over what dead processes left in the spool."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ffe_otel.export.spool import folder, segment
from ffe_otel.foundation.descriptors import Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(slots=True)
class Taken:
    """What was found.

    Attributes:
        segments: files in our folder now, in their order, and what is in them.
        foreign: files that cannot be read here, and why; they are where they were.
        lost: items in ends that were damaged and cut off.
    """

    segments: list[tuple[Path, segment.Contents]] = field(default_factory=list)
    foreign: list[tuple[Path, str]] = field(default_factory=list)
    lost: int = 0


def take_over(parent: Path, own: Path | None, signal: int, place: Callable[[], Path]) -> Taken:
    """Move the segments of dead processes into our folder; never raises.

    Args:
        parent: the folder of the processes' folders.
        own: our folder, if there is one.
        signal: number of the signal.
        place: tells where the next file goes.
    """
    taken = Taken()
    with folder.abandoned(parent, own) as folders:
        for found in folders:
            for path in sorted(found.glob(f"*{segment.SUFFIX}")):
                try:
                    _take(path, signal, place, taken)
                except segment.UnreadableError as error:
                    taken.foreign.append((path, str(error)))
                except OSError:
                    # It stays where it is, for the next time or the next process.
                    continue
    return taken


def _take(path: Path, signal: int, place: Callable[[], Path], taken: Taken) -> None:
    with Descriptor.open(path, os.O_RDWR) as file:
        contents = segment.repair(file, signal)
    taken.lost += contents.lost
    if contents.delivered >= contents.end:
        path.unlink()
        return
    target = place()
    path.rename(target)
    taken.segments.append((target, contents))
