# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's own entry of the W3C ``tracestate`` header.

The entry ``ot`` is a list of ``key:value`` pairs separated by semicolons. Two of them
concern sampling: ``th``, the rejection threshold (1 to 14 lower-case hexadecimal
digits, trailing zeros left out), and ``rv``, explicit randomness (exactly 14). Source:
OpenTelemetry specification, "TraceState Handling" and "TraceState: Probability
Sampling" (OTEP 235).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import TraceState

_KEY: Final = "ot"
_TH: Final = re.compile(r"[0-9a-f]{1,14}")
_RV: Final = re.compile(r"[0-9a-f]{14}")
_ENTRY_LIMIT: Final = 256
_MEMBER_LIMIT: Final = 32


@dataclass(frozen=True, slots=True)
class SamplingState:
    """What the ``ot`` entry says.

    Attributes:
        threshold: ``th`` as a 56-bit integer; None when absent or malformed.
        randomness: ``rv`` as a 56-bit integer; None when absent or malformed.
        rest: All other pairs, as they came.
    """

    threshold: int | None = None
    randomness: int | None = None
    rest: tuple[str, ...] = ()

    def entry(self) -> str:
        """Write the entry; pairs of others that no longer fit into 256 characters go."""
        parts = []
        if self.threshold is not None:
            parts.append("th:" + (f"{self.threshold:014x}".rstrip("0") or "0"))
        if self.randomness is not None:
            parts.append(f"rv:{self.randomness:014x}")
        entry = ";".join(parts)
        for pair in self.rest:
            longer = f"{entry};{pair}" if entry else pair
            if len(longer) > _ENTRY_LIMIT:
                break
            entry = longer
        return entry


_NOTHING: Final = SamplingState()


def read(trace_state: TraceState | None) -> SamplingState:
    """Read the ``ot`` entry; malformed values count as absent.

    Args:
        trace_state: The whole trace state, or None.
    """
    entry = trace_state.get(_KEY) if trace_state else None
    if not entry:
        return _NOTHING
    threshold = randomness = None
    rest = []
    for pair in entry.split(";"):
        key, _, value = pair.partition(":")
        if key == "th":
            threshold = int(value.ljust(14, "0"), 16) if _TH.fullmatch(value) else None
        elif key == "rv":
            randomness = int(value, 16) if _RV.fullmatch(value) else None
        elif pair:
            rest.append(pair)
    return SamplingState(threshold, randomness, tuple(rest))


def write(trace_state: TraceState | None, state: SamplingState) -> TraceState:
    """Put a sampling state into a trace state, keeping the members of others.

    The entry moves to the front, as W3C asks of a changed one. When there is no room
    for it, the oldest member, at the end, gives way.

    Args:
        trace_state: The trace state to start from, or None.
        state: What the ``ot`` entry shall say; an empty one removes the entry.

    Returns:
        A new trace state.
    """
    entry = state.entry()
    if not trace_state:
        return TraceState(((_KEY, entry),)) if entry else TraceState()
    others = [item for item in trace_state.items() if item[0] != _KEY]
    if entry:
        others = [(_KEY, entry), *others[: _MEMBER_LIMIT - 1]]
    return TraceState(others)
