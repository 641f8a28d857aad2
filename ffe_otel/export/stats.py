# SPDX-License-Identifier: Apache-2.0
"""Telemetry about the telemetry: what was exported, what was lost and why, what waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Signal(StrEnum):
    """The signals, named as in OTLP's paths."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


class Reason(StrEnum):
    """Why records were lost."""

    EXPORT_FAILED = "export_failed"
    QUEUE_FULL = "queue_full"
    SHUTDOWN = "shutdown"
    SPOOL_FULL = "spool_full"
    MEMORY_FULL = "memory_full"
    EXPIRED = "expired"
    CORRUPT = "corrupt"
    REFUSED = "refused"
    REJECTED = "rejected"


# Log lines that other outputs than OpenTelemetry did not take.
_ELSEWHERE: Final = frozenset({"console", "log_file", "syslog"})


@dataclass(frozen=True, slots=True)
class StatsSnapshot:
    """Counts of records since the start; ``queued`` is the number waiting in memory now.

    ``failures`` counts requests that were not taken and are sent again.
    """

    exported: Mapping[str, int]
    dropped: Mapping[tuple[str, str], int]
    queued: Mapping[str, int]
    quarantined: Mapping[tuple[str, str], int] = field(default_factory=dict)
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)


class ExportStats:
    """Counts records by signal, from any thread."""

    def __init__(self) -> None:
        self._lock = native.Lock()
        self._exported: Counter[str] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._quarantined: Counter[tuple[str, str]] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._queues: dict[object, tuple[str, Callable[[], int]]] = {}
        self._lost: Counter[str] = Counter()

    def after_fork(self) -> None:
        """In a forked child: a thread of the parent's may hold the lock, and is not here."""
        self._lock = native.Lock()

    def exported(self, signal: str, count: int) -> None:
        """Count records that an exporter took."""
        with self._lock:
            self._exported[str(signal)] += count

    def dropped(self, signal: str, reason: str, count: int = 1, *, inherited: bool = False) -> None:
        """Count records that are lost.

        Args:
            signal: what they are.
            reason: why.
            count: how many.
            inherited: they are another process's, which is gone.
        """
        with self._lock:
            self._dropped[str(signal), str(reason)] += count
            if not inherited and reason not in _ELSEWHERE:
                self._lost[str(signal)] += count

    def quarantined(self, signal: str, reason: str, count: int) -> None:
        """Count records that an endpoint refused and that are kept aside."""
        with self._lock:
            self._quarantined[str(signal), reason] += count
            self._lost[str(signal)] += count

    def lost(self, signal: str) -> int:
        """Records of this process that no endpoint takes any more, for whatever reason.

        Takes no lock, because a signal handler asks it.
        """
        return self._lost[str(signal)]

    def send_failed(self, signal: str, reason: str) -> None:
        """Count a request that is to be sent again."""
        with self._lock:
            self._failures[str(signal), reason] += 1

    def watch_queue(self, signal: str, size: Callable[[], int]) -> Callable[[], None]:
        """Ask ``size`` for the length of a queue at each snapshot.

        Queues of one signal are added up.

        Returns:
            Stops asking.
        """
        key = object()
        with self._lock:
            self._queues[key] = (str(signal), size)

        def unwatch() -> None:
            with self._lock:
                self._queues.pop(key, None)

        return unwatch

    def snapshot(self) -> StatsSnapshot:
        """The counts so far and the queues as they are now."""
        with self._lock:
            queues = list(self._queues.values())
            exported, dropped = dict(self._exported), dict(self._dropped)
            quarantined, failures = dict(self._quarantined), dict(self._failures)
        queued: Counter[str] = Counter()
        for signal, size in queues:
            queued[signal] += size()
        return StatsSnapshot(exported, dropped, dict(queued), quarantined, failures)
