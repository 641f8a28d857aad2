# SPDX-License-Identifier: Apache-2.0
"""Measurements that wait until somebody has time for them.

The SDK cleans and hashes the labels of each measurement and adds it up once for each
reader, all on the thread that measures. Here that thread takes a snapshot and appends it to
a queue. Whoever collects empties the queue first, so no collection misses anything.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections import deque
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.context import get_current

from ffe_otel.capture import runtime
from ffe_otel.capture.aggregating import find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from ffe_otel.capture.aggregating import Target

CAPACITY: Final = 20_000
_MOST_TARGETS: Final = 10_000
# Exact types: whatever else an attribute holds may change before it is looked at.
_IMMUTABLE: Final = frozenset({str, bool, int, float, bytes, type(None)})
_NO_LABELS: Final[dict[str, Any]] = {}


class Taken(NamedTuple):
    """One measurement: of which instrument, when (nanoseconds), and where."""

    instrument: Deferred
    amount: float
    attributes: dict[str, Any]
    context: Context
    time_unix_nano: int


class Deferred:
    """An instrument of the SDK whose measurements wait.

    Attributes:
        instrument: the instrument.
        measure: its own method, which takes a measurement at once.
        targets: where measurements with some labels go.
    """

    __slots__ = ("instrument", "measure", "targets")

    def __init__(self, instrument: Any, measure: Callable[..., None]) -> None:
        self.instrument = instrument
        self.measure = measure
        self.targets: dict[Any, Target] = {}

    def find(self, key: Any, taken: Taken) -> None:
        """Count a measurement with labels that were not seen before."""
        if len(self.targets) >= _MOST_TARGETS:
            self.targets.clear()
        self.targets[key] = find_target(taken)


class Measurements:
    """The queue of a meter provider."""

    def __init__(self) -> None:
        self._queue: deque[Taken] = deque()
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            restart = weakref.WeakMethod(self._after_fork)

            def after_fork() -> None:
                if method := restart():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    @property
    def waiting(self) -> int:
        """Measurements in the queue."""
        return len(self._queue)

    def defer(self, instrument: Any, method: str, *, lowest: float) -> None:
        """Make ``method`` of an instrument wait, if it does not do so already.

        Args:
            instrument: an instrument of the SDK. Its class stays, because readers choose
                temporality and aggregation by that.
            method: ``add`` or ``record``.
            lowest: the least amount that the instrument takes.
        """
        if method in vars(instrument):
            return
        deferred = Deferred(instrument, getattr(instrument, method))
        vars(instrument)[method] = self._taker(deferred, lowest)

    def _taker(self, deferred: Deferred, lowest: float) -> Callable[..., None]:
        append, queue, measure = self._queue.append, self._queue, deferred.measure

        def take(
            amount: float,
            attributes: Mapping[str, Any] | None = None,
            context: Context | None = None,
        ) -> None:
            if type(attributes) is dict:
                labels: dict[str, Any] = attributes.copy()
                for value in labels.values():
                    if type(value) not in _IMMUTABLE:
                        measure(amount, attributes, context)
                        return
            elif attributes is None:
                labels = _NO_LABELS
            else:
                measure(amount, attributes, context)
                return
            # The SDK says what is wrong with the amounts that it refuses.
            if not lowest <= amount < math.inf:
                measure(amount, attributes, context)
                return
            append(Taken(deferred, amount, labels, context or get_current(), time_ns()))
            if len(queue) > CAPACITY:
                # Whoever measures waits for nobody: if the queue is being emptied, even by
                # this thread further up, somebody does what is needed.
                self.drain(wait=False)

        return take

    def drain(self, *, wait: bool = True) -> None:
        """Hand what waits to the SDK; never raises.

        Args:
            wait: for another thread that does the same.
        """
        if not self._lock.acquire(blocking=wait):
            return
        try:
            touched: dict[int, Target] = {}
            for _ in range(len(self._queue)):
                taken = self._queue.popleft()
                try:
                    self._sort(taken, touched)
                except Exception:  # noqa: BLE001 - one measurement may not take others with it
                    _failed()
            for target in touched.values():
                try:
                    target.apply()
                except Exception:  # noqa: BLE001 - the same for one set of labels
                    _failed()
        finally:
            self._lock.release()

    @staticmethod
    def _sort(taken: Taken, touched: dict[int, Target]) -> None:
        key = _key(taken.attributes)
        target = taken.instrument.targets.get(key)
        if target is None or target.outdated:
            taken.instrument.find(key, taken)
        else:
            target.add(taken)
            touched[id(target)] = target

    def _after_fork(self) -> None:
        # What waits is the parent's to count.
        self._queue.clear()
        self._lock = threading.Lock()


def _failed() -> None:
    active = runtime.get()
    if active is not None:
        active.failed("measurement")


def _key(labels: dict[str, Any]) -> Any:
    key = tuple(labels.items())
    for value in labels.values():
        if type(value) is not str:
            # 1, 1.0 and True are equal keys, but not equal labels.
            return key, tuple([type(each) for each in labels.values()])
    return key
