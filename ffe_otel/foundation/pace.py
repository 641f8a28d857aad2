# SPDX-License-Identifier: Apache-2.0
"""Work on a thread of our own that leaves the interpreter to the engine's threads.

A thread that wants the interpreter waits for its switch interval, 5 ms, each time another
one is at work. So whoever has much to do gives it up himself before that.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeVar

from ffe_otel.foundation.native import sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
_SPELL: Final = 0.0005


def resting(
    items: Iterable[T],
    pressed: Callable[[], bool] | None = None,
    spell: float = _SPELL,
    *,
    first: bool = False,
) -> Iterator[T]:
    """Go through ``items`` with rests in which other threads run.

    Args:
        items: what takes time; at most one of them is worked on without a rest.
        pressed: whether there is no time for rests.
        spell: seconds of work between two rests.
        first: rest before the first item: one who goes through many short series would not
            rest at all otherwise.
    """
    due = 0.0 if first else perf_counter() + spell
    for item in items:
        if perf_counter() >= due:
            if pressed is None or not pressed():
                # A sleep of no length would not do: it mostly takes the interpreter back
                # before another thread has woken up.
                sleep(1e-6)
            due = perf_counter() + spell
        yield item
