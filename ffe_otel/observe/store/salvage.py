# SPDX-License-Identifier: Apache-2.0
"""Taking a segment apart that cannot be loaded: all of it is loaded but the lines at fault.

Other senders' rows stand in the same segment and were acknowledged. The segment itself
stays until all its pieces are settled: after a kill in between it is taken apart again,
and what was loaded already is left out by its identity.
"""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.journal import Segment
from ffe_otel.observe.quarantine import copy, private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ffe_otel.observe.quarantine import Extent

MAX_TRIES: Final = 1000
"""Loads one segment is worth. It finds some seventy bad lines among thousands in about ten
seconds, in which nothing else is loaded; what is not settled then is set aside with them."""


def salvage(segment: Segment, take: Callable[[Segment, bool], bool]) -> list[Extent]:
    """Load a segment by halves, and halves of those that fail; the lines that fail alone.

    Args:
        segment: it could not be loaded as a whole.
        take: loads a piece and tells whether that worked; the flag says that the piece is
            a single line, the end of the search. What it raises ends the search.
    """
    edges = _edges(segment.path)
    waiting, tries = _halves(0, len(edges) - 1), 0
    bad: list[Extent] = []
    while waiting:
        first, last = waiting.pop()
        extent = (edges[first], edges[last], last - first)
        tries += 1
        if tries <= MAX_TRIES and _loaded(segment, extent, take):
            continue
        if tries > MAX_TRIES or last - first == 1:
            bad.append(extent)
        else:
            waiting += _halves(first, last)
    return bad


def _edges(path: Path) -> array[int]:
    """Where each line of a file begins, and where the last one ends."""
    edges = array("Q", [0])
    with path.open("rb") as file:
        for line in file:
            edges.append(edges[-1] + len(line))
    return edges


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    """Two ranges, the later one first: the end of the list is looked at next."""
    middle = (first + last + 1) // 2
    return [(a, b) for a, b in ((middle, last), (first, middle)) if a < b]


def _loaded(segment: Segment, extent: Extent, take: Callable[[Segment, bool], bool]) -> bool:
    begin, end, lines = extent
    path = segment.path.with_suffix(".part")
    try:
        with os.fdopen(private(path), "wb") as file:
            copy(segment.path, begin, end, file)
        return take(Segment(path, segment.signal, end - begin, segment.longest), lines == 1)
    finally:
        path.unlink(missing_ok=True)
