# SPDX-License-Identifier: Apache-2.0
"""Puts redaction in front of everything that could let telemetry out.

Exporters are configured by environment variables, by ``OTEL_CONFIG_FILE``, by our code and
by the engine's; there is no one place where they meet. So the seams are in the classes all
of them have to use: processors take their exporter, providers their processors and readers
their metrics through methods that are wrapped here.
"""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ffe_otel.export import quiet
from ffe_otel.export.adopting import ENDS, Adoption
from ffe_otel.export.budget import ShutdownBudget
from ffe_otel.export.exporters import (
    RedactingExporter,
    Seam,
)
from ffe_otel.export.health import Health
from ffe_otel.export.lengths import Lengths
from ffe_otel.export.patching import Patches
from ffe_otel.export.processors import safe_log_processor, safe_span_processor
from ffe_otel.export.stats import Reason, Signal
from ffe_otel.redaction.records import redact_metrics
from ffe_otel.sdk import existing, found

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import MetricsData

    from ffe_otel.export.stats import ExportStats
    from ffe_otel.redaction import Redactor
    from ffe_otel.sdk.found import Findings

_logger = logging.getLogger("ffe_otel.export")
_SDK_SECONDS: Final = 30.0
_EXPORTER_ARGUMENTS: Final = ("span_exporter", "exporter")


def install(
    redactor: Redactor,
    stats: ExportStats,
    *,
    attribute_length: int | None = None,
    shutdown_seconds: float | None = None,
    findings: Findings | None = None,
) -> Seams:
    """Put every exporter, processor and reader behind redaction, existing ones included.

    Args:
        redactor: the rules.
        stats: counts what is exported and lost, and watches the queues.
        attribute_length: characters kept of each text, cut after redaction. Limits that the
            standard variables or a provider name hold for attribute values.
        shutdown_seconds: what all shutdowns of batch processors and periodic readers of one
            exit may take together; None leaves the SDK's 30 s for each.
        findings: what the SDK's private parts do; what was found last by default.

    Returns:
        A handle; calling it takes everything back.
    """
    health = Health(lambda text: redactor.text(text, "log"))
    seam = Seam(redactor, stats, health, Lengths(attribute_length))
    budget = None if shutdown_seconds is None else ShutdownBudget(shutdown_seconds)
    seams = Seams(seam, budget, found.current() if findings is None else findings)
    seams.open()
    return seams


class Seams:
    """The patches of one installation."""

    def __init__(self, seam: Seam, budget: ShutdownBudget | None, findings: Findings) -> None:
        """Prepare an installation; :func:`install` opens it."""
        self.works = findings.works
        # What was there before and gets nothing more; what goes on as it was. With reasons.
        self.silenced: tuple[str, ...] = ()
        self.unprotected: tuple[str, ...] = ()
        self._seam = seam
        self._budget = budget
        self.patches = Patches()
        self._denied: set[str] = set()
        self._undo_quiet: Callable[[], None] = lambda: None
        self._unwatch: list[Callable[[], None]] = []

    def __call__(self) -> None:
        """Take everything back."""
        self.undo()

    @property
    def seam(self) -> Seam:
        """What processors of ours redact and count with."""
        return self._seam

    @property
    def budget(self) -> ShutdownBudget:
        """What all shutdowns of one exit may take together."""
        return self._budget or ShutdownBudget(_SDK_SECONDS)

    @property
    def health(self) -> Health:
        """What tells people about endpoints."""
        return self._seam.health

    def open(self) -> None:
        """Patch the classes, then what exists already."""
        self._undo_quiet = quiet.install(self._seam.stats, self._seam.last_words)
        self._seam.lengths.take(self.patches)
        self._patch_exporters()
        self._patch_processors()
        if self.works(found.READERS):
            self.patches.wrap(MetricReader, "_set_collect_callback", self._callback_taker)
        else:
            self.patches.wrap(MetricReader, "collect", self._collector)
        if self._budget is not None:
            self.patches.wrap(BatchSpanProcessor, "shutdown", self._shut_down)
            self.patches.wrap(BatchLogRecordProcessor, "shutdown", self._shut_down)
            self.patches.wrap(PeriodicExportingMetricReader, "shutdown", self._shut_down_reader)
        self.silenced, self.unprotected = Adoption(self).run()

    def undo(self) -> None:
        """Give back every patched object as it was. Harmless when done twice.

        Processors that were built in the meantime keep their redaction.
        """
        self.patches.undo()
        self._undo_quiet()
        self._undo_quiet = lambda: None
        while self._unwatch:
            self._unwatch.pop()()

    # Exporters

    def _patch_exporters(self) -> None:
        for owner, proxy, _ in ENDS:
            self.patches.wrap(owner, "__init__", self._exporter_taker(proxy))

    def _exporter_taker(self, proxy: type[RedactingExporter]) -> Callable[..., None]:
        def wrapper(
            wrapped: Callable[..., None],
            instance: Any,
            args: tuple[Any, ...],
            kwargs: dict[str, Any],
        ) -> None:
            if args:
                args = (self.behind(args[0], proxy), *args[1:])
            for name in _EXPORTER_ARGUMENTS:
                if name in kwargs:
                    kwargs = {**kwargs, name: self.behind(kwargs[name], proxy)}
            wrapped(*args, **kwargs)
            self._seam.put_behind(instance)
            self.watch(instance)

        return wrapper

    def behind(self, exporter: Any, proxy: type[RedactingExporter]) -> Any:
        """An exporter behind redaction; itself if it is."""
        # `type`, because a proxy tells `isinstance` the class of what is inside.
        if exporter is None or issubclass(type(exporter), RedactingExporter):
            return exporter
        return proxy(exporter, self._seam)

    def watch(self, processor: Any) -> None:
        """Report the length of a batch processor's queue for as long as it lives."""
        for owner, signal in (
            (BatchSpanProcessor, Signal.TRACES),
            (BatchLogRecordProcessor, Signal.LOGS),
        ):
            if isinstance(processor, owner):
                alive = weakref.ref(processor)

                def size(alive: weakref.ref[Any] = alive) -> int:
                    return existing.queue_length(alive())

                unwatch = self._seam.stats.watch_queue(signal, size)
                weakref.finalize(processor, unwatch).atexit = False
                self._unwatch.append(unwatch)

    # Processors

    def _patch_processors(self) -> None:
        for owner in (TracerProvider, *existing.MULTI_SPAN):
            self.patches.wrap(owner, "add_span_processor", self._taker(self._safe_span))
        for other in (LoggerProvider, *existing.MULTI_LOG):
            self.patches.wrap(other, "add_log_record_processor", self._taker(self._safe_log))
        self.patches.wrap(
            TracerProvider, "__init__", self._taker(self._safe_span, "active_span_processor", 3)
        )
        self.patches.wrap(
            LoggerProvider, "__init__", self._taker(self._safe_log, "multi_log_record_processor", 2)
        )

    @staticmethod
    def _taker(
        safe: Callable[[Any], Any], name: str | None = None, position: int = 0
    ) -> Callable[..., Any]:
        """Wrap a method that takes a processor: the argument ``name``, or the only one."""

        def wrapper(
            wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> Any:
            if len(args) > position:
                args = (*args[:position], safe(args[position]), *args[position + 1 :])
            kwargs = {k: safe(v) if name in {None, k} else v for k, v in kwargs.items()}
            return wrapped(*args, **kwargs)

        return wrapper

    def _safe_span(self, processor: Any) -> Any:
        return safe_span_processor(processor, self._seam)

    def _safe_log(self, processor: Any) -> Any:
        return safe_log_processor(processor, self._seam)

    # Readers

    def _callback_taker(
        self, wrapped: Callable[..., None], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        callback = args[0] if args else kwargs.get("func")
        wrapped(self.safe_callback(callback))

    def safe_callback(self, callback: Any) -> Any:
        """A collect callback whose metrics are redacted; itself if it is one."""
        if callback is None or isinstance(callback, _Collect):
            return callback
        return _Collect(callback, self._seam)

    def _collector(
        self, wrapped: Callable[..., None], reader: Any, args: tuple[Any, ...], kwargs: Any
    ) -> None:
        """In place of the seam of readers: only who needs it not gets metrics."""
        if self.needs_no_callback(reader):
            wrapped(*args, **kwargs)
            return
        name = type(reader).__qualname__
        if name not in self._denied:
            self._denied.add(name)
            _logger.error(
                "A %s gets no metrics: this version of the SDK keeps them where redaction "
                "cannot be put in front",
                name,
            )

    def needs_no_callback(self, reader: Any) -> bool:
        """Whether a reader's metrics all pass its exporter, which is behind redaction."""
        kind = type(reader)
        known = kind is PeriodicExportingMetricReader or kind.__module__.startswith("ffe_otel.")
        return (
            known
            and issubclass(kind, PeriodicExportingMetricReader)
            and (
                self._seam.is_behind(reader)
                or issubclass(type(existing.exporter_of(reader)), RedactingExporter)
            )
        )

    # Shutdown

    def _shut_down(
        self, wrapped: Callable[..., Any], processor: Any, args: Any, kwargs: Any
    ) -> Any:
        exporter = existing.exporter_of(processor)
        if self._budget is None or not issubclass(type(exporter), RedactingExporter):
            return wrapped(*args, **kwargs)
        seconds = self._budget.share()
        _begin_shutdown(exporter, seconds)
        if not existing.shut_down_batch(processor, seconds):
            return wrapped(*args, **kwargs)
        if left := existing.queue_length(processor):
            spans = isinstance(processor, BatchSpanProcessor)
            self._seam.stats.dropped(Signal.TRACES if spans else Signal.LOGS, Reason.SHUTDOWN, left)
        return None

    def _shut_down_reader(
        self, wrapped: Callable[..., Any], reader: Any, args: Any, kwargs: Any
    ) -> Any:
        if self._budget is None:
            return wrapped(*args, **kwargs)
        given = args[0] if args else kwargs.pop("timeout_millis", 30_000)
        seconds = min(self._budget.share(), given / 1000)
        _begin_shutdown(existing.exporter_of(reader), seconds)
        return wrapped(timeout_millis=seconds * 1000, **kwargs)


class _Collect:
    """A reader's collect callback whose metrics are redacted."""

    __slots__ = ("_collect", "_seam")

    def __init__(self, collect: Callable[..., MetricsData | None], seam: Seam) -> None:
        self._collect = collect
        self._seam = seam

    def __call__(self, *args: Any, **kwargs: Any) -> MetricsData | None:
        data = self._collect(*args, **kwargs)
        if data is None:
            return None
        return redact_metrics(data, self._seam.redactor, self._seam.lengths.text)


def _begin_shutdown(exporter: Any, seconds: float) -> None:
    """Tell an exporter of ours that its time is limited from now on."""
    begin = getattr(exporter, "begin_shutdown", None)
    if begin is not None:
        begin(seconds)
