# SPDX-License-Identifier: Apache-2.0
"""The gate in front of the detectors: which of them could find anything in a text?

Almost every text is clean. A gate answers from the detectors' anchors alone, with one pass
of an RE2 ``Set`` where google-re2 is installed and otherwise with set operations on a text's
tokens. Both may let a detector look in vain but never keep one out.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from ffe_otel.redaction.anchors import Anchors
from ffe_otel.redaction.fallback import PythonGate
from ffe_otel.redaction.keys import KeyDetector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ffe_otel.redaction.anchors import Choice
    from ffe_otel.redaction.spans import Detector, Span

_DRAIN_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.001
GateName = Literal["auto", "re2", "python", "none"]


class Gate(Protocol):
    """Chooses detectors for a text given in lower-case ASCII."""

    def __call__(self, low: str) -> Sequence[Choice]:
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
        return PythonGate(detectors)
    if name == "re2":
        return _Re2Gate(detectors)
    try:
        return _Re2Gate(detectors)
    except ImportError:
        return PythonGate(detectors)


def look(choice: Choice, text: str, low: str) -> Iterator[Span]:
    """What the chosen detector finds in a text (see :class:`Detector`)."""
    detector, anchors = choice
    if isinstance(detector, KeyDetector):
        return detector.find_at(text, low, anchors)
    return detector.find(text, low)


class _OpenGate:
    """Lets every detector look; what the other gates are tested against."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._choices = [(d, (*d.anchors, *d.digit_anchors)) for d in detectors]

    def __call__(self, low: str) -> Sequence[Choice]:
        del low
        return self._choices


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
    """One RE2 ``Set`` of all anchors.

    While the interpreter ends, substring searches take over.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        import re2

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = 64 << 20
        self._anchors = Anchors(detectors)
        self._set: Any = re2.Set.SearchSet(options)
        for anchor in self._anchors.all:
            escaped = re2.escape(anchor.text)
            self._set.Add(escaped.replace("0", "[0-9]") if anchor.is_digits else escaped)
        if self._anchors.all:
            self._set.Compile()
        self._at_end = PythonGate(detectors)
        self._calls = _Calls()
        weakref.finalize(self, self._calls.end)

    def __call__(self, low: str) -> Sequence[Choice]:
        calls = self._calls
        calls.inside.append(None)
        try:
            if calls.over:
                return self._at_end(low)
            found = self._set.Match(low.encode("ascii")) if self._anchors.all else ()
        finally:
            calls.inside.pop()
        return self._anchors.choices(found or ())
