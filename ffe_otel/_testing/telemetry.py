# SPDX-License-Identifier: Apache-2.0
"""Capture installed for one test, with everything it sends kept in memory."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from ffe_otel._testing import points, tree
from ffe_otel._testing.repeatable import FakeClock, RepeatableIds
from ffe_otel.capture.install import install
from ffe_otel.correlation import FfePropagator
from ffe_otel.export import prometheus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from ffe_otel.capture.install import Handle
    from ffe_otel.config import Config

_FLUSH_SECONDS = 10.0


class Telemetry:
    """What a test sees of its own telemetry, after redaction.

    Attributes:
        clock: The clock spans and durations are measured with; it stands still until
            moved.
        handle: The installed capture; its providers serve code that wants one.

    Args:
        config: What capture is to do; `ffe_otel.testing.quiet_config` is a start.
        hooks: Whether to hook the engine, requests and threads, as in production.
        seed: Of the trace ids.

    Raises:
        RuntimeError: Capture is installed already, or cannot be in this process.
    """

    def __init__(self, config: Config, *, hooks: bool = True, seed: int = 0) -> None:
        self.clock = FakeClock()
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self._metrics = points.MemoryReader()
        self._page = prometheus.MetricsPage(config.metrics.prometheus)
        self._stack = ExitStack()
        try:
            self.handle = self._install(config, hooks=hooks, seed=seed)
        except BaseException:
            self._stack.close()
            raise

    def _install(self, config: Config, *, hooks: bool, seed: int) -> Handle:
        with pytest.MonkeyPatch.context() as patch:
            for name in list(os.environ):
                if name.startswith(("OTEL_", "FFE_OTEL")):
                    patch.delenv(name)
            handle = install(
                config,
                span_exporter=self._spans,
                log_exporter=self._logs,
                metric_reader=self._metrics,
                id_generator=RepeatableIds(seed),
                clock=self.clock.time_ns,
                monotonic=self.clock.monotonic_ns,
                hooks=hooks,
                set_global=False,
            )
        self._stack.callback(handle.uninstall)
        if handle.runtime is None or handle.meter_provider is None:
            raise RuntimeError("capture cannot be installed in this process")
        # Ours only: the engine's metrics would go to prometheus_client's global registry.
        handle.meter_provider.add_metric_reader(
            prometheus.ScopeReader(
                self._page.inner, prometheus.is_ours, self._page.exemplars, scope_labels=False
            )
        )
        self._stack.callback(propagate.set_global_textmap, propagate.get_global_textmap())
        propagate.set_global_textmap(FfePropagator(config.logging.correlation_id_header))
        # A step that an earlier test left open must not become a parent here.
        self._stack.callback(otel_context.detach, otel_context.attach(Context()))
        return handle

    def close(self) -> None:
        """Uninstall; whatever was there before is back."""
        self._stack.close()

    @property
    def spans(self) -> list[ReadableSpan]:
        """Finished spans, in the order in which they ended."""
        self._flush()
        return list(self._spans.get_finished_spans())

    @property
    def logs(self) -> list[ReadableLogRecord]:
        """Log records in the order of their logging, events not among them."""
        return [record for record in self._records() if not record.log_record.event_name]

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the attributes of event records.

        Args:
            name: Event name, for example ``llm_calls``; None for all events.
        """
        return [
            dict(record.log_record.attributes or {})
            for record in self._records()
            if record.log_record.event_name and name in {None, record.log_record.event_name}
        ]

    def span_tree(
        self, attributes: Sequence[str] = tree.DEFAULT_ATTRIBUTES, *, events: bool = True
    ) -> str:
        """Write the finished spans as an indented tree; see `ffe_otel._testing.tree.render`.

        Args:
            attributes: Attributes to show; ``*`` matches any part of a name.
            events: Whether to list span events.
        """
        return tree.render(self.spans, attributes, events=events)

    def metrics(self) -> dict[str, list[points.Point]]:
        """Collect now: OpenTelemetry metric name to its points."""
        self._flush()
        return self._metrics.points()

    def metric_value(self, name: str, **labels: str) -> float | None:
        """Collect now and look one value up.

        Args:
            name: OpenTelemetry name, or the name Prometheus shows.
            labels: Labels to match; points that have more of them are added up.

        Returns:
            The value (of a histogram: the sum), or None when nothing was recorded.

        Raises:
            LookupError: Several points of a gauge match.
        """
        return points.value(self.metrics(), name, labels)

    def prometheus_text(self) -> str:
        """Collect now and write what the metrics page would show, as Prometheus' text."""
        self._flush()
        return generate_latest(self._page.registry).decode()

    def clear(self) -> None:
        """Forget spans, log records and events so far; metrics go on counting."""
        self._flush()
        self._spans.clear()
        self._logs.clear()

    def _records(self) -> Sequence[ReadableLogRecord]:
        self._flush()
        return self._logs.get_finished_logs()

    def _flush(self) -> None:
        # The first may say of something that it was lost, which is nothing to wait for.
        if not (self.handle.flush(_FLUSH_SECONDS) or self.handle.flush(_FLUSH_SECONDS)):
            raise TimeoutError(f"telemetry was not flushed within {_FLUSH_SECONDS} s")
