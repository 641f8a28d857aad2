# SPDX-License-Identifier: Apache-2.0
"""The times of a trace: one reading of the wall clock, and the monotonic clock from then on.

A wall clock is set now and then, and then no difference of two of its times is a duration.
So all spans below a root take their times from the root's (docs/decisions/0028).
"""

from __future__ import annotations

from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Timeline:
    """Nanoseconds since the epoch that never go back.

    Attributes:
        offset, monotonic: the time is the sum of the one and what the other gives; spans
            add them up themselves, because a call costs more.
    """

    __slots__ = ("monotonic", "offset")

    def __init__(
        self, clock: Callable[[], int] = time_ns, monotonic: Callable[[], int] = perf_counter_ns
    ) -> None:
        """Begin at what ``clock`` says, in nanoseconds; go on as ``monotonic`` does."""
        self.monotonic = monotonic
        self.offset = clock() - monotonic()

    def now(self) -> int:
        """The time."""
        return self.offset + self.monotonic()

    def end(self, start: int, began: int, asked: int | None) -> int:
        """When a span ends that ``began``, by this timeline, and says that it did at ``start``.

        Args:
            start: what the span has as its start.
            began: when it really was started.
            asked: the end that somebody gives; one before ``start`` is none.
        """
        now = self.now()
        end = now if asked is None else asked
        return end if end >= start else start + now - began


def timeline_of(span: Any) -> Timeline | None:
    """The timeline of a span that was started by a tracer of ours in this process."""
    found = getattr(span, "timeline", None)
    return found if type(found) is Timeline else None
