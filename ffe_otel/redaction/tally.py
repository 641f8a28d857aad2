# SPDX-License-Identifier: Apache-2.0
"""What a redactor hid, and where it failed."""

from __future__ import annotations

import os
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.redaction.catalogue import Rule

TRUNCATED: Final = "truncated"
_FAILED: Final = ""
_MANY: Final = 256
_PATIENCE_SECONDS: Final = 0.1


class Tally:
    """Counts by rule and surface, from any thread.

    Who counts waits for nobody. The engine's own log lines are counted on its threads: in a
    signal handler, where the interrupted code may be counting, and in forked children, where
    another thread's count may have stopped half-way.
    """

    def __init__(self) -> None:
        self._new: deque[tuple[str, str, int]] = deque()
        self._adding, self._process = native.Lock(), os.getpid()
        self._counts: Counter[tuple[str, str]] = Counter()

    def hidden(self, surface: str, rules: Mapping[str, int], *, truncated: bool = False) -> None:
        """Count how often which rule, by its id, hid something in a text, and if it was cut."""
        for rule, times in rules.items():
            self._count(rule, surface, times)
        if truncated:
            self._count(TRUNCATED, surface)

    def hidden_one(self, surface: str, rule: Rule) -> None:
        """Count what one rule hid."""
        self.hidden(surface, {rule.id: 1})

    def failed(self, surface: str) -> None:
        """Count a value or record that was replaced because redaction failed."""
        self._count(_FAILED, surface)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How often which rule hid something on which surface."""
        self._add(_PATIENCE_SECONDS)
        return {key: times for key, times in self._counts.copy().items() if key[0] != _FAILED}

    def failures(self) -> Mapping[str, int]:
        """Failures by surface."""
        self._add(_PATIENCE_SECONDS)
        found = self._counts.copy().items()
        return {surface: times for (rule, surface), times in found if rule == _FAILED}

    def _count(self, rule: str, surface: str, times: int = 1) -> None:
        self._new.append((rule, surface, times))
        if len(self._new) > _MANY:
            self._add()

    def _add(self, patience: float = 0.0) -> None:
        """Add up what is new, unless somebody else is at it for longer than ``patience``."""
        if self._process != os.getpid():
            self._adding, self._process = native.Lock(), os.getpid()
        if not self._adding.acquire(patience > 0, patience if patience > 0 else -1):
            return
        try:
            while self._new:
                rule, surface, times = self._new.popleft()
                self._counts[rule, surface] += times
        finally:
            self._adding.release()
