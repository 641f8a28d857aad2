# SPDX-License-Identifier: Apache-2.0
"""Values of query parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel.redaction.notations import query_value
from ffe_otel.redaction.spans import Span, positions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ffe_otel.redaction.catalogue import Rule


class QueryDetector:
    """Finds query parameters whose short names mean a credential only there."""

    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rules: Sequence[Rule], allowed_parameters: Collection[str]) -> None:
        """Look for ``rules``; ``allowed_parameters`` stay."""
        self._names = {
            f"{mark}{name.lower()}=": rule
            for rule in rules
            for name in rule.names
            if name.lower() not in allowed_parameters
            for mark in "?&;"
        }
        self.anchors = tuple(self._names)

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the values (see :class:`Detector`)."""
        for anchor, rule in self._names.items():
            done = 0
            for position in positions(low, anchor):
                if position < done:
                    continue
                for value in query_value(text, position + len(anchor), len(text)):
                    done = value.resume
                    yield Span(value.start, value.end, rule)
