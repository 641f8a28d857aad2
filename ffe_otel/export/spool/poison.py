# SPDX-License-Identifier: Apache-2.0
"""Whether a request is to blame for a failure that the server takes on itself.

A server that fails on one request, with 500, would hold up everything behind it until it
ages out. A server that fails on all of them must not have anything put aside. So after some
failures of the same request another one is sent in between, and only a request that fails
right after another was taken is to blame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffe_otel.export.spool.parts import Batch, Segment


class Suspicion:
    """Remembers the failures of the oldest request. For the one sender of a spool."""

    def __init__(self, patience: int) -> None:
        """Ask for proof after ``patience`` failures of the same request."""
        self._patience = patience
        self.clear()

    def clear(self) -> None:
        """Suspect nobody."""
        self._failures = 0
        self._source: Segment | None = None
        self._start = 0
        self._end = 0
        self._taken = False  # another was, since the last failure
        self._dividing = False

    @property
    def wants_proof(self) -> bool:
        """Whether it is time to send another request in between."""
        return self._dividing or self._failures >= self._patience

    def failed(self, batch: Batch) -> bool:
        """Note a failure; whether this request is to blame for it, or one that is part of it.

        The parts that the sender divides it into then are asked for proof when one is left.
        """
        if not (self._dividing or self._is_same(batch)):
            self.clear()
            self._source, self._start = batch.source, batch.start
        divisible = self._dividing and len(batch.records) > 1
        guilty = divisible or (self._taken and self.wants_proof)
        self._failures += 1
        self._taken = False
        if guilty and not self._dividing:
            self._dividing = True
            self._end = batch.records[-1].end
        return guilty

    def other_taken(self) -> None:
        """Note that the server takes other requests."""
        self._taken = True

    def taken(self, batch: Batch) -> None:
        """Note that the oldest request was taken."""
        within = batch.source is self._source and batch.records[-1].end < self._end
        if self._dividing and within:
            self._taken = True
        else:
            self.clear()

    def _is_same(self, batch: Batch) -> bool:
        return batch.source is self._source and batch.start == self._start
