# SPDX-License-Identifier: Apache-2.0
"""Observable instruments: the process, the host, and the telemetry itself.

The callbacks run on the reader's thread, never on the engine's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from ffe_otel import semconv
from ffe_otel.semconv import Kind, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Reading = Callable[[], Iterable[tuple[float, Mapping[str, str]]]]


def observe(meter: Meter, metric: Metric, read: Reading) -> None:
    """Create ``metric`` on ``meter``.

    Args:
        meter: where the instrument is created.
        metric: an observable one of ``semconv.METRICS``.
        read: returns pairs of value and labels; what it raises is an empty reading.
    """

    def callback(_options: CallbackOptions) -> list[Observation]:
        try:
            return [Observation(value, labels) for value, labels in read()]
        except Exception:  # noqa: BLE001 - a reading that cannot be had is left out
            return []

    create = (
        meter.create_observable_counter
        if metric.kind is Kind.OBSERVABLE_COUNTER
        else meter.create_observable_gauge
    )
    create(metric.name, [callback], metric.unit, metric.description)


def observe_process(meter: Meter, state_dir: Path) -> None:
    """Create the process and host instruments; disk space is that of ``state_dir``."""
    # Asked for anew on each reading: a forked child would go on reading its parent.
    process = psutil.Process

    def cpu() -> Any:
        times = process().cpu_times()
        return [(times.user + times.system, {})]

    def open_files() -> Any:
        return [(process().num_fds(), {})]

    def disk_io() -> Any:
        counters: Any = process().io_counters()
        return [
            (counters.read_bytes, {"direction": "read"}),
            (counters.write_bytes, {"direction": "write"}),
        ]

    def disk_space() -> Any:
        existing = next(p for p in (state_dir, *state_dir.parents) if p.exists())
        usage = psutil.disk_usage(str(existing))
        return [(usage.used, {"state": "used"}), (usage.free, {"state": "free"})]

    def host_memory() -> Any:
        memory = psutil.virtual_memory()
        return [
            (memory.total - memory.available, {"state": "used"}),
            (memory.available, {"state": "available"}),
        ]

    observe(meter, semconv.PROCESS_CPU, cpu)
    observe(meter, semconv.PROCESS_MEMORY, lambda: [(process().memory_info().rss, {})])
    observe(meter, semconv.PROCESS_THREADS, lambda: [(process().num_threads(), {})])
    observe(meter, semconv.PROCESS_OPEN_FILES, open_files)
    observe(meter, semconv.PROCESS_DISK_IO, disk_io)
    observe(meter, semconv.DISK_SPACE, disk_space)
    observe(meter, semconv.HOST_MEMORY, host_memory)
    observe(meter, semconv.HOST_MEMORY_LIMIT, lambda: [(psutil.virtual_memory().total, {})])
