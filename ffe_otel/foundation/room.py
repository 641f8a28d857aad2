# SPDX-License-Identifier: Apache-2.0
"""What waits in memory may take so many bytes, all queues of a process together."""

from __future__ import annotations

import math
from typing import Final

VALUE: Final = 60
"""Bytes that a value takes beside its characters, by estimate."""


class Room:
    """A bound and how much of it is used.

    There is no lock: ``used += size`` is one step for the interpreter, because it looks for
    other threads only where something is called or a loop begins again.

    Attributes:
        limit: bytes.
        used: bytes of what waits, by estimate.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: float = math.inf) -> None:
        """Allow ``limit`` bytes."""
        self.limit = limit
        self.used = 0
