# SPDX-License-Identifier: Apache-2.0
"""What a redactor hid, and where it failed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.redaction.catalogue import Rule

TRUNCATED: Final = "truncated"


class Tally:
    """Counts by rule and surface, from any thread."""

    def __init__(self) -> None:
        self._lock = native.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._failures: Counter[str] = Counter()

    def hidden(self, surface: str, rules: Mapping[str, int], *, truncated: bool = False) -> None:
        """Count how often which rule, by its id, hid something in a text, and if it was cut."""
        with self._lock:
            for rule, times in rules.items():
                self._counts[rule, surface] += times
            if truncated:
                self._counts[TRUNCATED, surface] += 1

    def hidden_one(self, surface: str, rule: Rule) -> None:
        """Count what one rule hid."""
        self.hidden(surface, {rule.id: 1})

    def failed(self, surface: str) -> None:
        """Count a value or record that was replaced because redaction failed."""
        with self._lock:
            self._failures[surface] += 1

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How often which rule hid something on which surface."""
        with self._lock:
            return dict(self._counts)

    def failures(self) -> Mapping[str, int]:
        """Failures by surface."""
        with self._lock:
            return dict(self._failures)
