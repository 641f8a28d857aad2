# SPDX-License-Identifier: Apache-2.0
"""Where measurements with the same instrument and labels are added up.

The SDK finds the place anew for each measurement. It has no bound instruments, so the place
is found here through its private parts, once. How far that may go with the SDK that is
installed, :mod:`ffe_otel.sdk.selfcheck` has found out; its own methods do the rest.
"""

# ruff: noqa: SLF001 - the SDK's parts, see above

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from opentelemetry.sdk.metrics.export import AggregationTemporality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.sdk.metrics._internal.measurement import Measurement

    from ffe_otel.sdk.measuring import Batch


_SUM: Final = "_SumAggregation"
_HISTOGRAM: Final = "_ExplicitBucketHistogramAggregation"
_OF_HISTOGRAM: Final = ("_boundaries", "_get_empty_bucket_counts", "_lock", "_max", "_min",
                        "_record_min_max", "_sum", "_value")  # fmt: skip


class Direct(NamedTuple):
    """How far measurements may go past the SDK's methods.

    Attributes:
        matches: to the matches of instruments and views.
        aggregations: to the aggregations behind them, where those are kept: for readers with
            delta temporality the SDK may make new ones at each collection.
    """

    matches: bool
    aggregations: bool


BY_SDK: Final = Direct(matches=False, aggregations=False)


class Ways(NamedTuple):
    """What may be done past the SDK's methods.

    Attributes:
        waits: measurements wait until somebody collects.
        direct: where those that waited are added up.
    """

    waits: bool
    direct: Direct


EVERYTHING: Final = Ways(waits=True, direct=Direct(matches=True, aggregations=True))
NOTHING: Final = Ways(waits=False, direct=BY_SDK)


class Target(Protocol):
    """Takes measurements of one instrument with the same labels.

    Attributes:
        direct: how far it goes past the SDK's methods.
    """

    direct: Direct

    @property
    def outdated(self) -> bool:
        """Whether another target has to be found."""

    def apply(self, batch: Batch) -> None:
        """Add measurements up."""


def find_target(batch: Batch, direct: Direct) -> Target:
    """The target of all measurements with the instrument and labels of ``batch``.

    It has counted ``batch`` already.
    """
    found = _matches(batch.instrument, direct) if direct.matches else None
    target: Target = _BySdk() if found is None else _Direct(batch, *found)
    target.apply(batch if found is None else _rest(batch))
    return target


def _rest(batch: Batch) -> Batch:
    """A batch without its first measurement."""
    return batch._replace(
        amounts=batch.amounts[1:], contexts=batch.contexts[1:], times=batch.times[1:]
    )


class _Match(NamedTuple):
    """An instrument and a view, as one reader wants them.

    Attributes:
        taker: the SDK's match.
        exemplars: whether anybody looks at them.
        bound: whether the aggregations behind it are used directly.
    """

    taker: Any
    exemplars: bool
    bound: bool


def _matches(instrument: Any, direct: Direct) -> tuple[Any, Any, list[_Match]] | None:
    """Where an instrument is aggregated.

    Returns:
        The consumer of its measurements, the storages of the readers, and the matches of
        instrument and views; None when this SDK has other parts.
    """
    try:
        consumer = instrument._measurement_consumer
        storages = consumer._reader_storages
        consumer._sdk_config.exemplar_filter.should_sample  # noqa: B018 - is it there?
        found: list[_Match] = []
        for reader, storage in storages.items():
            # What readers of ours say of themselves.
            wants = getattr(reader, "wants", None)
            if wants is not None and not wants(instrument.instrumentation_scope.name):
                continue
            exemplars = getattr(reader, "shows_exemplars", True)
            bound = direct.aggregations and _keeps(reader, instrument)
            matches = storage._get_or_init_view_instrument_match(instrument)
            found += [_Match(match, exemplars, bound) for match in matches]
        import opentelemetry.sdk.metrics._internal.measurement  # noqa: F401 - is it there?
    except (AttributeError, ImportError, KeyError):
        return None
    return consumer, storages, found


def _keeps(reader: Any, instrument: Any) -> bool:
    """Whether the aggregations of an instrument outlive a reader's collections."""
    temporality = reader._instrument_class_temporality[type(instrument)]
    return temporality is AggregationTemporality.CUMULATIVE


class _BySdk:
    """Lets the instrument do everything."""

    direct = BY_SDK
    outdated = False

    def apply(self, batch: Batch) -> None:
        for amount, context in zip(batch.amounts, batch.contexts, strict=True):
            batch.measure(amount, batch.labels, context)


class _Value(NamedTuple):
    """What an aggregation reads of a measurement."""

    value: float
    time_unix_nano: int = 0
    attributes: Any = None
    context: Any = None


class _Place(NamedTuple):
    """One aggregation, and whether somebody looks at its exemplars."""

    aggregation: Any
    kind: str
    exemplars: bool


class _Direct:
    """Adds up in the aggregations of all readers that want the instrument's scope."""

    def __init__(self, batch: Batch, consumer: Any, storages: Any, matches: list[_Match]) -> None:
        self._consumer = consumer
        self._storages = storages
        self._filter: Callable[..., bool] = consumer._sdk_config.exemplar_filter.should_sample
        first = _measurement(batch, 0)
        self._attributes = first.attributes
        self._places: list[_Place] = []
        self._unknown: list[tuple[Any, bool]] = []
        sampled = self._sampled(batch, 0)
        for match, exemplars, bound in matches:
            match.consume_measurement(first, exemplars and sampled)
            aggregation = _aggregation(match, first.attributes) if bound else None
            if aggregation is not None:
                self._places.append(_Place(aggregation, _kind(aggregation), exemplars))
            else:
                self._unknown.append((match, exemplars))
        known = not self._unknown and all(place.kind for place in self._places)
        self.direct = Direct(matches=True, aggregations=known)

    @property
    def outdated(self) -> bool:
        return self._consumer._reader_storages is not self._storages

    def apply(self, batch: Batch) -> None:
        places = range(len(batch.amounts))
        if not places:
            return
        for match, exemplars in self._unknown:
            for at in places:
                sampled = exemplars and self._sampled(batch, at)
                match.consume_measurement(_measurement(batch, at), sampled)
        for aggregation, kind, exemplars in self._places:
            chosen: Iterable[int]
            if kind == _SUM:
                aggregation.aggregate(_Value(sum(batch.amounts)), False)
                chosen = self._newest(batch) if exemplars else ()
            elif kind == _HISTOGRAM:
                _fill(aggregation, batch.amounts)
                chosen = self._newest_of_each(batch, aggregation) if exemplars else ()
            else:
                for at in places:
                    sampled = exemplars and self._sampled(batch, at)
                    aggregation.aggregate(self._value(batch, at), sampled)
                continue
            for at in chosen:
                aggregation._sample_exemplar(self._value(batch, at), True)

    def _newest(self, batch: Batch) -> list[int]:
        """One of the measurements in sampled traces; a sum keeps one exemplar."""
        places = reversed(range(len(batch.amounts)))
        return next(([at] for at in places if self._sampled(batch, at)), [])

    def _newest_of_each(self, batch: Batch, aggregation: Any) -> Iterable[int]:
        """The newest measurement of each bucket, of which a histogram keeps the exemplar."""
        boundaries = aggregation._boundaries
        newest: dict[int, int] = {}
        for at in reversed(range(len(batch.amounts))):
            bucket = bisect_left(boundaries, batch.amounts[at])
            if bucket not in newest and self._sampled(batch, at):
                newest[bucket] = at
        return newest.values()

    def _sampled(self, batch: Batch, at: int) -> bool:
        return self._filter(
            batch.amounts[at], batch.times[at], self._attributes, batch.contexts[at]
        )

    def _value(self, batch: Batch, at: int) -> _Value:
        return _Value(batch.amounts[at], batch.times[at], self._attributes, batch.contexts[at])


def _fill(aggregation: Any, amounts: Sequence[float]) -> None:
    """What a histogram's ``aggregate`` does for each amount, without exemplars."""
    buckets = Counter(map(partial(bisect_left, aggregation._boundaries), amounts))
    with aggregation._lock:
        if aggregation._value is None:
            aggregation._value = aggregation._get_empty_bucket_counts()
        for bucket, count in buckets.items():
            aggregation._value[bucket] += count
        aggregation._sum = sum(amounts, aggregation._sum)
        if aggregation._record_min_max:
            aggregation._min = min(aggregation._min, *amounts)
            aggregation._max = max(aggregation._max, *amounts)


def _measurement(batch: Batch, at: int) -> Measurement:
    from opentelemetry.sdk.metrics._internal.measurement import Measurement

    return Measurement(
        batch.amounts[at], batch.times[at], batch.instrument, batch.contexts[at], batch.labels
    )


def _aggregation(match: Any, attributes: Mapping[str, Any] | None) -> Any:
    """The aggregation that a view has made for ``attributes``; None when it is not found."""
    try:
        kept = match._view._attribute_keys
        labels = {k: v for k, v in (attributes or {}).items() if kept is None or k in kept}
        wanted = _comparable(labels)
        # The newest is the last.
        for found in reversed(list(match._attributes_aggregation.values())):
            if _comparable(found._attributes) == wanted and hasattr(found, "_sample_exemplar"):
                return found
    except (AttributeError, TypeError):
        return None
    return None


def _kind(aggregation: Any) -> str:
    """What an aggregation is, if all its parts that are used here are where they should be."""
    kind = type(aggregation).__name__
    known = kind != _HISTOGRAM or all(hasattr(aggregation, part) for part in _OF_HISTOGRAM)
    return kind if known else ""


def _comparable(attributes: Mapping[str, Any] | None) -> dict[str, tuple[type, Any]]:
    """Attributes of which 1, 1.0 and True are not the same."""
    return {key: (type(value), value) for key, value in (attributes or {}).items()}
