# SPDX-License-Identifier: Apache-2.0
"""Meter provider and meter: the SDK's, with counters and histograms that do not wait.

Gauges are left as they are: of them only the last value counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import Meter, MeterProvider

from ffe_otel import semconv
from ffe_otel.foundation import native
from ffe_otel.sdk import found
from ffe_otel.sdk.flushing import flush
from ffe_otel.sdk.measuring import Measurements

if TYPE_CHECKING:
    from opentelemetry import metrics
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.util.types import Attributes

    from ffe_otel.sdk.aggregating import Ways
    from ffe_otel.sdk.flushing import Flusher


class FfeMeter(Meter):
    """Makes instruments whose measurements are taken to the SDK by somebody else."""

    measurements: Measurements

    def create_counter(self, *args: Any, **kwargs: Any) -> metrics.Counter:
        """See ``opentelemetry.metrics.Meter.create_counter``."""
        made = super().create_counter(*args, **kwargs)
        self.measurements.defer(made, "add", lowest=0)
        return made

    def create_up_down_counter(self, *args: Any, **kwargs: Any) -> metrics.UpDownCounter:
        """See ``opentelemetry.metrics.Meter.create_up_down_counter``."""
        made = super().create_up_down_counter(*args, **kwargs)
        self.measurements.defer(made, "add", lowest=-_LARGEST)
        return made

    def create_histogram(self, *args: Any, **kwargs: Any) -> metrics.Histogram:
        """See ``opentelemetry.metrics.Meter.create_histogram``."""
        made = super().create_histogram(*args, **kwargs)
        self.measurements.defer(made, "record", lowest=0)
        return made


_LARGEST = math.nextafter(math.inf, 0)


class FfeMeterProvider(MeterProvider):
    """The SDK's meter provider with ``FfeMeter``, where the SDK's parts allow that.

    Attributes:
        ways: what may be done past the SDK's methods; None is what the self-check found.
        flusher: flushes it; without one the SDK does.
    """

    ways: Ways | None = None
    flusher: Flusher | None = None
    _measurements: Measurements | None = None
    _starting = native.Lock()

    @property
    def measurements(self) -> Measurements:
        """What waits; every collection takes it first."""
        if self._measurements is not None:
            return self._measurements
        with self._starting:
            if self._measurements is None:
                waiting = self._measurements = Measurements(self._ways().direct)

                def take(_options: CallbackOptions) -> list[Observation]:
                    waiting.drain()
                    return []

                # Readers run the callbacks of observable instruments before they look.
                meter = super().get_meter(semconv.SCOPE)
                meter.create_observable_gauge(f"{semconv.SCOPE}.measurements", [take])
            return self._measurements

    def force_flush(self, timeout_millis: float | None = None) -> bool:
        """Collect and send all metrics; whether an endpoint has taken them.

        See docs/durability.md for how long that waits.
        """
        return flush(self.flusher, super().force_flush, timeout_millis)

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> metrics.Meter:
        """Return a meter; see ``opentelemetry.metrics.MeterProvider.get_meter``."""
        meter = super().get_meter(name, version, schema_url, attributes)
        if type(meter) is Meter and self._ways().waits:
            # The SDK names its Meter class in get_meter; all that FfeMeter adds is this.
            vars(meter)["measurements"] = self.measurements
            meter.__class__ = FfeMeter
        return meter

    def _ways(self) -> Ways:
        return found.current().metrics if self.ways is None else self.ways
