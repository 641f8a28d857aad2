# SPDX-License-Identifier: Apache-2.0
"""The gate in front of the detectors: which of them could find anything in a text?

Almost every text is clean. A gate answers from the detectors' anchors alone, with plain
substring searches or, where google-re2 is installed, with one pass of an RE2 ``Set``. Both
give the same answer, and both may let a detector look in vain but never keep one out.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from ffe_otel.redaction.scanners import zeroed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ffe_otel.redaction.spans import Detector

_DRAIN_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.001
GateName = Literal["auto", "re2", "python", "none"]


class Gate(Protocol):
    """Chooses detectors for a text given in lower-case ASCII."""

    def __call__(self, low: str) -> Sequence[Detector]:
        """The detectors that have to see the text, in their order."""
        ...


def make_gate(detectors: Sequence[Detector], name: GateName) -> Gate:
    """Build the gate called ``name``; ``auto`` takes RE2 if it is there.

    Raises:
        ImportError: ``re2`` was asked for and google-re2 is not installed.
    """
    if name == "none":
        return _OpenGate(detectors)
    if name == "python":
        return _PythonGate(detectors)
    if name == "re2":
        return _Re2Gate(detectors)
    try:
        return _Re2Gate(detectors)
    except ImportError:
        return _PythonGate(detectors)


class _OpenGate:
    """Lets every detector look; what the other gates are tested against."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)

    def __call__(self, low: str) -> Sequence[Detector]:
        del low
        return self._detectors


class _PythonGate:
    """Substring searches; one translation turns digit shapes into substrings as well."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)
        self._groups: dict[str, list[tuple[str, int]]] = {}
        self._digit_anchors: list[tuple[str, int]] = []
        for index, detector in enumerate(detectors):
            self._digit_anchors += [(anchor, index) for anchor in detector.digit_anchors]
            for anchor in detector.anchors:
                self._groups.setdefault(_telling(anchor), []).append((anchor, index))

    def __call__(self, low: str) -> Sequence[Detector]:
        found = {
            index
            for character, anchors in self._groups.items()
            if character in low
            for anchor, index in anchors
            if anchor in low
        }
        if self._digit_anchors:
            shape = zeroed(low)
            found.update(index for anchor, index in self._digit_anchors if anchor in shape)
        return [self._detectors[index] for index in sorted(found)] if found else ()


class _Calls:
    """Threads that are inside of RE2, and whether more may go in.

    RE2 gives up the GIL. A daemon thread that wants it back when the interpreter has ended is
    unwound through C++ frames, which aborts the process: none may be in there at that moment.
    """

    __slots__ = ("inside", "over")

    def __init__(self) -> None:
        self.inside: deque[None] = deque()
        self.over = False

    def end(self) -> None:
        """Let nobody in any more and wait until nobody is in."""
        self.over = True
        # A forked child waits in vain for the parent's threads, hence not for long.
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.inside and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


class _Re2Gate:
    """One RE2 ``Set`` with an alternation of anchors for each detector.

    While the interpreter ends, substring searches take over.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        import re2

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = 64 << 20
        self._detectors = tuple(detectors)
        self._set: Any = re2.Set.SearchSet(options)
        for detector in detectors:
            alternatives = [re2.escape(a) for a in detector.anchors]
            alternatives += [re2.escape(a).replace("0", "[0-9]") for a in detector.digit_anchors]
            self._set.Add("|".join(alternatives) or "[^\\x00-\\xff]")
        self._set.Compile()
        self._at_end = _PythonGate(detectors)
        self._calls = _Calls()
        weakref.finalize(self, self._calls.end)

    def __call__(self, low: str) -> Sequence[Detector]:
        calls = self._calls
        calls.inside.append(None)
        try:
            if calls.over:
                return self._at_end(low)
            found = self._set.Match(low.encode("ascii"))
        finally:
            calls.inside.pop()
        return [self._detectors[index] for index in sorted(found or ())]


def _telling(anchor: str) -> str:
    """A character of ``anchor`` that most texts do not have; empty when there is none.

    One search for it saves those for all anchors that share it.
    """
    return next((character for character in "=@/_-:." if character in anchor), "")
