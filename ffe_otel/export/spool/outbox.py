# SPDX-License-Identifier: Apache-2.0
"""All spools and senders of a process, from the first exporter to the last deadline."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

from ffe_otel.export import otlp
from ffe_otel.export.spool.bounds import Bounds
from ffe_otel.export.spool.exporters import (
    SpoolLogExporter,
    SpoolMetricExporter,
    SpoolSpanExporter,
)
from ffe_otel.export.spool.folder import private_folder
from ffe_otel.export.spool.gate import Gate
from ffe_otel.export.spool.notices import Notices
from ffe_otel.export.spool.sender import Desk, Pace, Sender
from ffe_otel.export.spool.spool import Spool
from ffe_otel.export.spool.usage import ENDPOINT_FILE
from ffe_otel.export.stats import Signal
from ffe_otel.foundation.descriptors import write_private
from ffe_otel.sdk import existing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

    from ffe_otel.config.model import Config
    from ffe_otel.export.spool.parts import Waiting

    Factory = Callable[[], Any]


class Outbox:
    """Makes the exporters that end at the spool, and what takes it from there.

    For OTLP over gRPC they are told how to make the SDK's exporter, whose channel is used.
    """

    def __init__(self, config: Config, root: Path, desk: Desk) -> None:
        """Prepare; nothing in ``root`` is touched before an exporter is made."""
        self._config = config
        self._root = root
        self._desk = desk
        self._senders: dict[tuple[Signal, str], Sender] = {}
        self._gates: dict[str, Gate] = {}
        self._notices = Notices(root)
        if hasattr(os, "register_at_fork"):
            method = weakref.WeakMethod(self._after_fork)

            def after_fork() -> None:
                if found := method():
                    found()

            os.register_at_fork(after_in_child=after_fork)

    def span_exporter(self, grpc: Factory | None = None) -> SpanExporter:
        """An exporter of spans that ends at the spool."""
        return SpoolSpanExporter(*self._sender(Signal.TRACES, grpc))

    def log_exporter(self, grpc: Factory | None = None) -> LogRecordExporter:
        """An exporter of log records that ends at the spool."""
        return SpoolLogExporter(*self._sender(Signal.LOGS, grpc))

    def metric_exporter(self, grpc: Factory | None = None) -> MetricExporter:
        """An exporter of metrics that ends at the spool."""
        # The standard variables about temporality and histograms are read by the SDK's.
        asked: Any = otlp.metric_exporter(self._config)
        return SpoolMetricExporter(
            *self._sender(Signal.METRICS, grpc),
            **existing.preferences_of(asked),
        )

    def waiting(self) -> Mapping[str, Waiting]:
        """What waits, by signal."""
        found: dict[str, Waiting] = {}
        for sender in self._all():
            signal, waits = str(sender.spool.signal), sender.spool.waiting()
            found[signal] = found[signal] + waits if signal in found else waits
        return found

    def limits(self) -> Mapping[str, int]:
        """Bytes that may wait, by signal."""
        return self._sums(lambda spool: spool.bounds.bytes)

    def refused(self) -> Mapping[str, int]:
        """Requests in quarantine, by signal."""
        return self._sums(lambda spool: spool.refused())

    def flush(self, deadline: float) -> bool:
        """Try to send everything until ``deadline``, a monotonic time in seconds.

        Returns:
            Whether everything is sent; what is added meanwhile is not part of it.
        """
        asked = [(sender, sender.ask(deadline)) for sender in self._all()]
        sent = [sender.wait_for(ticket, deadline) for sender, ticket in asked]
        return all(sent)

    def senders(self, signal: str) -> list[Sender]:
        """What takes a signal to its endpoints."""
        return [sender for sender in self._all() if sender.spool.signal == signal]

    def close(self, deadline: float) -> None:
        """Send what is possible until ``deadline`` and leave the rest to the next process."""
        senders = self._all()
        for sender in senders:
            sender.begin_close(deadline)
        for sender in senders:
            sender.end_close()

    def _all(self) -> list[Sender]:
        return list(self._senders.values())

    def _sums(self, of: Callable[[Spool], int]) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        for sender in self._all():
            found[str(sender.spool.signal)] += of(sender.spool)
        return found

    def _sender(self, signal: Signal, grpc: Factory | None) -> tuple[Sender, str]:
        transport = otlp.transport(self._config, signal, grpc)
        sender = self._senders.get((signal, transport.url))
        if sender is None:
            folder = self._root / folder_name(signal, transport.url)
            _name_endpoint(folder, self._desk.redact(transport.url))
            spool = Spool(
                folder,
                signal,
                bounds(self._config),
                self._desk.stats,
                self._notices,
            )
            gate = self._gates.setdefault(transport.target, Gate())
            pace = Pace(otlp.interval(self._config, signal), transport.timeout)
            sender = Sender(spool, transport, gate, pace, self._desk)
            self._senders[signal, transport.url] = sender
            sender.start()
        return sender, transport.target

    def _after_fork(self) -> None:
        self._desk.stats.after_fork()
        self._desk.health.after_fork()
        for gate in self._gates.values():
            gate.reset()
        for sender in self._all():
            sender.after_fork()


def bounds(config: Config) -> Bounds:
    """The configured bounds of a spool."""
    options = config.spool
    return Bounds(
        options.max_bytes,
        options.max_age_days * 86_400,
        options.memory_bytes,
        options.quarantine_bytes,
        options.request_bytes,
        options.sync_seconds,
        config.retention.clock_grace,
    )


def folder_name(signal: str, url: str) -> str:
    """Of a signal and an endpoint: telemetry for one must never be sent to another."""
    return f"{signal}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def _name_endpoint(folder: Path, url: str) -> None:
    try:
        private_folder(folder)
        write_private(folder / ENDPOINT_FILE, f"{url}\n")
    except OSError:
        # Only people read it; the spool itself says what is wrong with the folder.
        return
