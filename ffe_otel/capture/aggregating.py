# SPDX-License-Identifier: Apache-2.0
"""Where measurements with the same instrument and labels are added up.

The SDK finds the place anew for each measurement. It has no bound instruments, so the place
is found here through its private parts, once; with an SDK whose parts are others, its own
methods do everything. A test holds both ways against each other.
"""

# ruff: noqa: SLF001 - the SDK's parts, see above

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ffe_otel.export.prometheus import ScopeReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.sdk.metrics._internal.measurement import Measurement

    from ffe_otel.capture.measuring import Taken


class Target(Protocol):
    """Takes measurements of one instrument with the same labels."""

    @property
    def outdated(self) -> bool:
        """Whether another target has to be found for the next measurement."""

    def add(self, taken: Taken) -> None:
        """Keep a measurement until ``apply``."""

    def apply(self) -> None:
        """Hand all over to the SDK."""


def find_target(taken: Taken) -> Target:
    """The target of all measurements with the instrument and labels of ``taken``.

    It has counted ``taken`` already.
    """
    found = _matches(taken.instrument.instrument)
    if found is not None:
        return _Direct(taken, *found)
    taken.instrument.measure(taken.amount, taken.attributes, taken.context)
    return _BySdk()


def _matches(instrument: Any) -> tuple[Any, Any, list[tuple[Any, bool]]] | None:
    """Where an instrument is aggregated, and whether anybody looks at the exemplars there.

    Returns:
        The consumer of its measurements, the storages of the readers, and the matches of
        instrument and views; None when this SDK has other parts.
    """
    try:
        consumer = instrument._measurement_consumer
        storages = consumer._reader_storages
        consumer._sdk_config.exemplar_filter.should_sample  # noqa: B018 - is it there?
        found: list[tuple[Any, bool]] = []
        for reader, storage in storages.items():
            served = isinstance(reader, ScopeReader)
            if served and not reader.wants(instrument.instrumentation_scope.name):
                continue
            for match in storage._get_or_init_view_instrument_match(instrument):
                match._attributes_aggregation.values  # noqa: B018 - is it there?
                found.append((match, not served or reader.shows_exemplars))
        import opentelemetry.sdk.metrics._internal.measurement  # noqa: F401 - is it there?
    except (AttributeError, ImportError):
        return None
    return consumer, storages, found


class _BySdk:
    """Lets the instrument do everything."""

    outdated = False

    def __init__(self) -> None:
        self._waiting: list[Taken] = []

    def add(self, taken: Taken) -> None:
        self._waiting.append(taken)

    def apply(self) -> None:
        waiting, self._waiting = self._waiting, []
        for taken in waiting:
            taken.instrument.measure(taken.amount, taken.attributes, taken.context)


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

    def __init__(
        self, first: Taken, consumer: Any, storages: Any, matches: list[tuple[Any, bool]]
    ) -> None:
        self._consumer = consumer
        self._storages = storages
        self._filter: Callable[..., bool] = consumer._sdk_config.exemplar_filter.should_sample
        measurement = _measurement(first)
        self._attributes = measurement.attributes
        self._waiting: list[Taken] = []
        self._places: list[_Place] = []
        self._unknown: list[tuple[Any, bool]] = []
        sampled = self._sampled(first)
        for match, exemplars in matches:
            match.consume_measurement(measurement, exemplars and sampled)
            aggregation = _aggregation(match, measurement.attributes)
            if aggregation is not None:
                self._places.append(_Place(aggregation, type(aggregation).__name__, exemplars))
            else:
                self._unknown.append((match, exemplars))

    @property
    def outdated(self) -> bool:
        return self._consumer._reader_storages is not self._storages

    def add(self, taken: Taken) -> None:
        self._waiting.append(taken)

    def apply(self) -> None:
        waiting, self._waiting = self._waiting, []
        for match, exemplars in self._unknown:
            for each in waiting:
                match.consume_measurement(_measurement(each), exemplars and self._sampled(each))
        for aggregation, kind, exemplars in self._places:
            sampled: Iterable[Taken]
            if kind == "_SumAggregation":
                aggregation.aggregate(_Value(sum([each.amount for each in waiting])), False)
                sampled = self._newest(waiting) if exemplars else ()
            elif kind == "_ExplicitBucketHistogramAggregation":
                for each in waiting:
                    aggregation.aggregate(_Value(each.amount), False)
                sampled = self._newest_of_each(waiting, aggregation) if exemplars else ()
            else:
                for each in waiting:
                    aggregation.aggregate(self._value(each), exemplars and self._sampled(each))
                continue
            for each in sampled:
                aggregation._sample_exemplar(self._value(each), True)

    def _newest(self, waiting: list[Taken]) -> list[Taken]:
        """One of the measurements in sampled traces; a sum keeps one exemplar."""
        return next(([each] for each in reversed(waiting) if self._sampled(each)), [])

    def _newest_of_each(self, waiting: list[Taken], aggregation: Any) -> Iterable[Taken]:
        """The newest measurement of each bucket, of which a histogram keeps the exemplar."""
        boundaries = aggregation._boundaries
        newest: dict[int, Taken] = {}
        for each in reversed(waiting):
            bucket = bisect_left(boundaries, each.amount)
            if bucket not in newest and self._sampled(each):
                newest[bucket] = each
        return newest.values()

    def _sampled(self, taken: Taken) -> bool:
        return self._filter(taken.amount, taken.time_unix_nano, self._attributes, taken.context)

    def _value(self, taken: Taken) -> _Value:
        return _Value(taken.amount, taken.time_unix_nano, self._attributes, taken.context)


def _measurement(taken: Taken) -> Measurement:
    from opentelemetry.sdk.metrics._internal.measurement import Measurement

    return Measurement(
        taken.amount,
        taken.time_unix_nano,
        taken.instrument.instrument,
        taken.context,
        taken.attributes,
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


def _comparable(attributes: Mapping[str, Any] | None) -> dict[str, tuple[type, Any]]:
    """Attributes of which 1, 1.0 and True are not the same."""
    return {key: (type(value), value) for key, value in (attributes or {}).items()}
