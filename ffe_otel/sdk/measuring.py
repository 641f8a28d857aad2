# SPDX-License-Identifier: Apache-2.0
"""Measurements that wait until somebody has time for them.

The SDK cleans and hashes the labels of each measurement and adds it up once for each
reader, all on the thread that measures. Here that thread appends it to the queue of its
labels. Whoever collects empties the queues first, so no collection misses anything.
"""

from __future__ import annotations

import math
import os
import weakref
from collections import deque
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.context import get_current

from ffe_otel.foundation import native
from ffe_otel.foundation.pace import resting
from ffe_otel.foundation.room import Room
from ffe_otel.sdk.aggregating import find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from ffe_otel.sdk.aggregating import Direct, Target

CAPACITY: Final = 4_000
"""Measurements with the same labels that wait; who brings more takes these to the SDK."""
_MOST_SERIES: Final = 10_000
# Exact types: whatever else an attribute holds may change before it is looked at.
_IMMUTABLE: Final = frozenset({str, bool, int, float, bytes, type(None)})
_FIELDS: Final = 3
_BYTES: Final = 120  # of resident memory that a measurement which waits takes


class Batch(NamedTuple):
    """Measurements of an instrument with the same labels, in their order.

    Attributes:
        instrument: of the SDK.
        measure: its own method, which takes a measurement at once.
        labels: of all of them.
        amounts: what was measured.
        contexts: where.
        times: when, nanoseconds since the epoch.
    """

    instrument: Any
    measure: Callable[..., None]
    labels: dict[str, Any]
    amounts: Sequence[float]
    contexts: Sequence[Context]
    times: Sequence[int]


class _Series:
    """What waits of an instrument with some labels, and where it goes.

    ``waiting`` holds the fields of each measurement one behind the other: objects of its own
    for each would keep the garbage collector busy.
    """

    __slots__ = ("labels", "target", "waiting")

    def __init__(self, labels: dict[str, Any]) -> None:
        self.labels = labels
        self.waiting: deque[Any] = deque()
        self.target: Target | None = None


class _Deferred:
    """An instrument of the SDK whose measurements wait."""

    __slots__ = ("dirty", "instrument", "measure", "series", "shared")

    def __init__(self, instrument: Any, measure: Callable[..., None], shared: Measurements) -> None:
        self.instrument = instrument
        self.measure = measure
        self.shared = shared
        self.series: dict[Any, _Series] = {}
        self.dirty = False

    def open(self, key: Any, labels: Mapping[str, Any] | None) -> _Series | None:
        """The series of labels that were not seen before; None when there are too many."""
        if len(self.series) >= _MOST_SERIES:
            return None
        return self.series.setdefault(key, _Series(dict(labels or {})))

    def hand_over(self) -> int:
        """Hand what waits to the SDK; how many measurements."""
        self.dirty = False
        return sum(self.hand_over_series(series) for series in list(self.series.values()))

    def hand_over_series(self, series: _Series) -> int:
        """Hand what waits with the same labels to the SDK; how many measurements."""
        waiting = series.waiting
        items = [waiting.popleft() for _ in range(len(waiting) // _FIELDS * _FIELDS)]
        if not items:
            return 0
        batch = Batch(
            self.instrument,
            self.measure,
            series.labels,
            *(items[field::_FIELDS] for field in range(_FIELDS)),
        )
        try:
            if series.target is None or series.target.outdated:
                series.target = find_target(batch, self.shared.direct)
            else:
                series.target.apply(batch)
        except Exception:  # noqa: BLE001 - one set of labels may not take others with it
            self.shared.failed("measurement")
        return len(items) // _FIELDS


class Measurements:
    """What waits in a meter provider.

    Attributes:
        failed: is told when measurements were lost.
        direct: where they may be added up past the SDK's methods.
        room: what may take in memory what waits, here and elsewhere. A measurement that finds no
            room is taken to the SDK at once.
    """

    def __init__(self, direct: Direct) -> None:
        self.failed: Callable[[str], None] = lambda _: None
        self.direct = direct
        self.room = Room()
        self._deferred: list[_Deferred] = []
        self._lock = native.Lock()
        if hasattr(os, "register_at_fork"):
            restart = weakref.WeakMethod(self._after_fork)

            def after_fork() -> None:
                if method := restart():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    @property
    def waiting(self) -> int:
        """Measurements that wait."""
        fields = sum(
            len(series.waiting)
            for deferred in self._deferred
            for series in list(deferred.series.values())
        )
        return fields // _FIELDS

    def targets(self) -> list[Target]:
        """Where the measurements with each set of labels go."""
        every = (series for each in self._deferred for series in each.series.values())
        return [series.target for series in every if series.target is not None]

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
        deferred = _Deferred(instrument, getattr(instrument, method), self)
        self._deferred.append(deferred)
        vars(instrument)[method] = self._taker(deferred, lowest)

    def _taker(self, deferred: _Deferred, lowest: float) -> Callable[..., None]:
        known, measure = deferred.series, deferred.measure

        def take(
            amount: float,
            attributes: Mapping[str, Any] | None = None,
            context: Context | None = None,
        ) -> None:
            key: Any = None
            if type(attributes) is dict:
                key = tuple(attributes.items())
                for value in attributes.values():
                    if type(value) is not str:
                        key = _typed(attributes)
                        break
            elif attributes is None:
                key = ()
            # The SDK says what is wrong with the amounts that it refuses.
            if key is None or not lowest <= amount < math.inf:
                measure(amount, attributes, context)
                return
            series = known.get(key) or deferred.open(key, attributes)
            room = self.room
            if series is None or room.used > room.limit:
                measure(amount, attributes, context)
                return
            room.used += _BYTES
            waiting = series.waiting
            waiting.extend((amount, context or get_current(), time_ns()))
            deferred.dirty = True
            if len(waiting) > CAPACITY * _FIELDS:
                self._relieve(deferred, series)

        return take

    def drain(self) -> None:
        """Hand what waits to the SDK, on a thread of our own or a reader's; never raises."""
        with self._lock:
            for deferred in resting(self._deferred):
                if deferred.dirty:
                    handed = deferred.hand_over()
                    self.room.used -= _BYTES * handed

    def _relieve(self, deferred: _Deferred, series: _Series) -> None:
        """Hand over what waits with the same labels, on the thread that measures.

        It waits for nobody: if somebody hands over already, even this thread further up, that
        is enough.
        """
        if self._lock.acquire(blocking=False):
            try:
                handed = deferred.hand_over_series(series)
                self.room.used -= _BYTES * handed
            finally:
                self._lock.release()

    def _after_fork(self) -> None:
        # What waits is the parent's to count.
        self._lock = native.Lock()
        self.room.used = 0  # the other queues are emptied as well
        for deferred in self._deferred:
            for series in deferred.series.values():
                series.waiting.clear()


def _typed(labels: dict[str, Any]) -> Any:
    """A key of labels that are not all texts; None when one of them may change."""
    kinds = tuple([type(value) for value in labels.values()])
    # 1, 1.0 and True are equal keys, but not equal labels.
    return (tuple(labels.items()), kinds) if _IMMUTABLE.issuperset(kinds) else None
