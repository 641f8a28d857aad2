# SPDX-License-Identifier: Apache-2.0
"""Anchors: short texts one of which stands in every text that a detector has to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ffe_otel.redaction.scanners import zeroed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ffe_otel.redaction.spans import Detector

# A detector that has to see a text, and those of its anchors that may stand in it.
Choice: TypeAlias = "tuple[Detector, Sequence[str]]"
_MEMO_SIZE: Final = 1024


class Anchor(NamedTuple):
    """An anchor of the detector with number ``owner``; in a digit anchor a 0 is any digit."""

    owner: int
    text: str
    is_digits: bool

    def stands_in(self, low: str) -> bool:
        """Say whether a text in lower-case ASCII has the anchor."""
        return self.text in (zeroed(low) if self.is_digits else low)


class Anchors:
    """The anchors of detectors by number, and the way back from numbers to detectors.

    Few sets of anchors stand together in texts, so the answers are remembered.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        """Collect the anchors of ``detectors``, whose order is kept."""
        plain = [Anchor(i, a, is_digits=False) for i, d in enumerate(detectors) for a in d.anchors]
        digits = [
            Anchor(i, a, is_digits=True) for i, d in enumerate(detectors) for a in d.digit_anchors
        ]
        self.all = (*plain, *digits)
        self._detectors = tuple(detectors)
        self._known: dict[frozenset[int], Sequence[Choice]] = {}

    def choices(self, numbers: Collection[int]) -> Sequence[Choice]:
        """The detectors of the anchors with these numbers."""
        if not numbers:
            return ()
        key = frozenset(numbers)
        known = self._known.get(key)
        if known is None:
            known = self._choose(key)
            if len(self._known) >= _MEMO_SIZE:
                self._known.clear()
            self._known[key] = known
        return known

    def _choose(self, numbers: Iterable[int]) -> Sequence[Choice]:
        present: dict[int, list[str]] = {}
        for number in sorted(numbers):
            owner, text, _ = self.all[number]
            present.setdefault(owner, []).append(text)
        return [(self._detectors[owner], present[owner]) for owner in sorted(present)]
