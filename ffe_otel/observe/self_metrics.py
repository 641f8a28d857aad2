# SPDX-License-Identifier: Apache-2.0
"""What ``ffe-otel serve`` says about itself to Prometheus, at ``/metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from ffe_otel import semconv
from ffe_otel.semconv import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from ffe_otel.observe.backend import Backend
    from ffe_otel.semconv import ServeMetric


class SelfMetrics:
    """A collector over a backend's counts."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format a scraper accepts, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Collect as a scrape does."""
        backend, counts = self._backend, self._backend.ingest.counts
        taken = {str(signal): number for signal, number in counts.taken.items()}
        yield _family(semconv.SERVE_TAKEN, taken)
        yield _family(semconv.SERVE_REJECTED, {"": counts.rejected})
        yield _family(semconv.SERVE_JOURNAL_BYTES, {"": backend.journal.size})
        yield _family(semconv.SERVE_STORE_BYTES, {"": backend.database.size()})
        up = {name: int(part["ok"]) for name, part in backend.health().items()}
        yield _family(semconv.SERVE_PART_UP, up)
        if (influx := backend.influx) is not None:
            yield _family(semconv.INFLUX_WRITTEN, {"": influx.written})
            yield _family(semconv.INFLUX_REFUSED, influx.quarantine.counts)
            yield _family(semconv.INFLUX_DROPPED, {"": influx.dropped})
            yield _family(semconv.INFLUX_FAILURES, influx.failures)
            yield _family(semconv.INFLUX_QUEUE_BYTES, {"": influx.queued_bytes})


def _family(metric: ServeMetric, values: Mapping[str, float]) -> Metric:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.prometheus, metric.description, labels=metric.labels)
    for label, value in dict(values).items():
        family.add_metric([label] if metric.labels else [], value)
    return family
