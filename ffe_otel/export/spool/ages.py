# SPDX-License-Identifier: Apache-2.0
"""How old is what a dead process left, as far as anything vouches for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffe_otel.export.spool.clocks import JUMP_SECONDS
from ffe_otel.export.spool.parts import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ffe_otel.export.spool import segment
    from ffe_otel.export.spool.bounds import Bounds
    from ffe_otel.export.spool.notices import Notices


@dataclass(frozen=True, slots=True)
class Ages:
    """Tells ages at one moment.

    Attributes:
        bounds: of the spool.
        notices: tells people about a clock that cannot be right.
        now: seconds of the clock that nobody sets.
        unix: seconds of the wall clock.
    """

    bounds: Bounds
    notices: Notices
    now: float
    unix: float

    def segments(self, taken: Sequence[tuple[Path, segment.Contents]]) -> list[Segment]:
        """Segments of dead processes, oldest first; none is younger than the one behind it."""
        made, age = [], 0.0
        for path, contents in reversed(taken):
            age = max(age, self._by_clock(contents), contents.age)
            written = self.now - age
            ahead = contents.newest / 1e9 - written
            made.append(
                Segment(
                    path, contents.end, contents.delivered, contents.items, written, ahead, written
                )
            )
        return made[::-1]

    def _by_clock(self, contents: segment.Contents) -> float:
        """Never so old that it has to go before its grace has passed."""
        age = self.unix - contents.newest / 1e9
        if age <= -JUMP_SECONDS:
            self.notices.clock(age, self.now)
        if not self.bounds.grace_seconds:
            return max(0.0, age)
        if age > self.bounds.age_seconds:
            self.notices.old(age)
        longest = max(0.0, self.bounds.age_seconds - self.bounds.grace_seconds)
        return min(max(0.0, age), longest)
