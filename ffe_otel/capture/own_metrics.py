# SPDX-License-Identifier: Apache-2.0
"""Metrics about the telemetry itself: what went out, what waits, what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.capture.process_metrics import observe
from ffe_otel.export.stats import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.metrics import Meter

    from ffe_otel.capture.runtime import Runtime
    from ffe_otel.export.spool.outbox import Outbox
    from ffe_otel.export.stats import ExportStats
    from ffe_otel.redaction import Redactor
    from ffe_otel.semconv import Metric

_NONE: Final = dict.fromkeys(map(str, Signal), 0)


def observe_telemetry(
    meter: Meter, stats: ExportStats, redactor: Redactor, outbox: Outbox | None, runtime: Runtime
) -> None:
    """Register the instruments; they are read when metrics are collected."""
    pair = ("signal", "reason")
    sources: dict[Metric, tuple[tuple[str, ...], Callable[[], Mapping[Any, float]]]] = {
        semconv.OTEL_QUEUED: (("signal",), lambda: stats.snapshot().queued),
        # From 0 on: a rate over the first minutes needs that, and nothing is sent by then.
        semconv.OTEL_EXPORTED: (("signal",), lambda: {**_NONE, **stats.snapshot().exported}),
        semconv.OTEL_DROPPED: (pair, lambda: stats.snapshot().dropped),
        semconv.OTEL_QUARANTINED: (pair, lambda: stats.snapshot().quarantined),
        semconv.OTEL_SEND_FAILURES: (pair, lambda: stats.snapshot().failures),
        semconv.OTEL_REDACTED: (("rule", "surface"), lambda: dict(redactor.counts())),
        semconv.OTEL_REDACTION_FAILURES: (("surface",), lambda: dict(redactor.failures())),
        semconv.OTEL_FOLDED: (("metric",), lambda: dict(runtime.instruments.folded)),
        semconv.OTEL_HOOK_ERRORS: (("hook",), lambda: dict(runtime.failures)),
    }
    if outbox is not None:
        sources |= {
            semconv.OTEL_SPOOL_SIZE: (
                ("signal",), lambda: {s: w.bytes for s, w in outbox.waiting().items()}
            ),
            semconv.OTEL_SPOOL_RECORDS: (
                ("signal",), lambda: {s: w.items for s, w in outbox.waiting().items()}
            ),
            semconv.OTEL_SPOOL_AGE: (
                ("signal",), lambda: {s: w.oldest_seconds for s, w in outbox.waiting().items()}
            ),
            semconv.OTEL_SPOOL_LIMIT: (("signal",), outbox.limits),
            semconv.OTEL_QUARANTINE: (("signal",), outbox.refused),
        }  # fmt: skip
    for metric, (labels, read) in sources.items():
        observe(meter, metric, _points(labels, read))


def _points(
    labels: tuple[str, ...], read: Callable[[], Mapping[Any, float]]
) -> Callable[[], list[tuple[float, dict[str, str]]]]:
    def points() -> list[tuple[float, dict[str, str]]]:
        return [(value, dict(zip(labels, _key(key), strict=True))) for key, value in read().items()]

    return points


def _key(key: object) -> tuple[str, ...]:
    return tuple(map(str, key)) if isinstance(key, tuple) else (str(key),)
