# SPDX-License-Identifier: Apache-2.0
"""Processors and readers that were there before redaction was installed.

They are put behind it where the SDK keeps what they hand on. Where it keeps that elsewhere,
or somebody's subclass does not allow it, they get nothing more, and that is said.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import Logger, LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from ffe_otel.export.exporters import (
    RedactingExporter,
    RedactingLogExporter,
    RedactingMetricExporter,
    RedactingSpanExporter,
)
from ffe_otel.export.processors import safe_log_processor, safe_span_processor
from ffe_otel.sdk import existing, found

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.export.seams import Seams

_logger = logging.getLogger("ffe_otel.export")

# Classes that end in an exporter: its proxy, and the private parts that hold it.
ENDS: Final[tuple[tuple[type, type[RedactingExporter], str], ...]] = (
    (BatchSpanProcessor, RedactingSpanExporter, found.BATCHES),
    (SimpleSpanProcessor, RedactingSpanExporter, found.EXPORTERS),
    (BatchLogRecordProcessor, RedactingLogExporter, found.BATCHES),
    (SimpleLogRecordProcessor, RedactingLogExporter, found.EXPORTERS),
    (PeriodicExportingMetricReader, RedactingMetricExporter, found.EXPORTERS),
)
_TAKING: Final = ("on_start", "_on_ending", "on_end", "on_emit", "collect", "_receive_metrics")


class _Unreachable(Exception):  # noqa: N818 - what is the matter with an object
    """The SDK keeps something elsewhere."""


class Adoption:
    """Puts what exists behind redaction, once."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams
        self._seam = seams.seam
        self._silenced: list[str] = []
        self._open: list[str] = []

    def run(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Do it.

        Returns:
            What gets nothing more, and what goes on without redaction because nothing could
            be done about it; each with the reason.
        """
        for owner, proxy, part in ENDS:
            for processor in existing.instances(owner):
                self._guard(self._exporter, processor, proxy, part)
        self._parts(existing.MULTI_SPAN, SpanProcessor, existing.SPAN_PARTS, self._safe_span)
        self._parts(existing.MULTI_LOG, LogRecordProcessor, existing.LOG_PARTS, self._safe_log)
        for provider in existing.instances(TracerProvider):
            self._guard(self._provider, provider, Tracer, self._safe_span)
        for provider in existing.instances(LoggerProvider):
            self._guard(self._provider, provider, Logger, self._safe_log)
        for reader in existing.instances(MetricReader):
            self._guard(self._reader, reader)
        return tuple(self._silenced), tuple(self._open)

    def _safe_span(self, processor: Any) -> Any:
        return safe_span_processor(processor, self._seam)

    def _safe_log(self, processor: Any) -> Any:
        return safe_log_processor(processor, self._seam)

    def _guard(self, adopt: Callable[..., None], thing: Any, *args: Any) -> None:
        try:
            adopt(thing, *args)
        except Exception as error:  # noqa: BLE001 - whatever this SDK does differently
            self._silence(thing, error)

    def _silence(self, thing: Any, error: Exception) -> None:
        """Let something get nothing more."""
        name = type(thing).__qualname__
        why = f"{name} ({type(error).__name__}: {error})"
        try:
            for method in _TAKING:
                if hasattr(thing, method):
                    self._seams.patches.replace(thing, method, _nothing)
            for exporter in existing.exporters_within(thing):
                if not issubclass(type(exporter), RedactingExporter):
                    self._seams.patches.replace(exporter, "export", _nothing)
        except Exception:  # noqa: BLE001 - an object may refuse anything
            self._open.append(why)
            _logger.error(  # noqa: TRY400 - the traceback would be ours, the remedy is theirs
                "A %s that was there before ffe_otel cannot be put behind redaction; what it "
                "sends may hold secrets. Install ffe_otel before it is set up, or remove it",
                name,
            )
            return
        self._silenced.append(why)
        _logger.error(
            "A %s that was there before ffe_otel cannot be put behind redaction, so it gets "
            "nothing more. Install ffe_otel before it is set up",
            name,
        )

    def _exporter(self, processor: Any, proxy: type[RedactingExporter], part: str) -> None:
        if not self._seams.works(part):
            raise _Unreachable(part)
        try:
            holder, name = existing.exporter_holder(processor)
            exporter = getattr(holder, name)
            safe = self._seams.behind(exporter, proxy)
            if safe is exporter:
                return
            self._seams.patches.replace(holder, name, safe)
        except (AttributeError, TypeError):
            # A subclass that does everything in its own way: it gets redacted views for that.
            return
        self._seams.watch(processor)

    def _parts(
        self, kinds: tuple[type, ...], base: type, name: str, safe: Callable[[Any], Any]
    ) -> None:
        part = found.SPAN_PARTS if base is SpanProcessor else found.LOG_PARTS
        if not self._seams.works(part):
            # Whose parts they are cannot be seen: all that would need redacted views.
            for processor in existing.instances(base):
                if safe(processor) is not processor:
                    self._silence(processor, _Unreachable(part))
            return
        for kind in kinds:
            for multi in existing.instances(kind):
                self._guard(self._multi, multi, name, safe)

    def _multi(self, multi: Any, name: str, safe: Callable[[Any], Any]) -> None:
        parts = tuple(getattr(multi, name))
        safe_parts = tuple(safe(part) for part in parts)
        if any(a is not b for a, b in zip(parts, safe_parts, strict=True)):
            self._seams.patches.replace(multi, name, safe_parts)

    def _provider(self, provider: Any, asked: type, safe: Callable[[Any], Any]) -> None:
        """A provider that was made with a processor of a class of somebody's."""
        for name in existing.PROCESSOR_OF:
            own = vars(provider).get(name)
            shown = safe(own)
            if shown is own:
                continue
            self._seams.patches.replace(provider, name, shown)
            for other in existing.instances(asked):
                for held in ("span_processor", name):
                    if vars(other).get(held) is own:
                        self._seams.patches.replace(other, held, shown)

    def _reader(self, reader: Any) -> None:
        if not self._seams.works(found.READERS):
            if not self._seams.needs_no_callback(reader):
                raise _Unreachable(found.READERS)
            return
        callback = getattr(reader, existing.COLLECT)
        safe = self._seams.safe_callback(callback)
        if safe is not callback:
            self._seams.patches.replace(reader, existing.COLLECT, safe)


def _nothing(*_: Any, **__: Any) -> None:
    """What those get that cannot be put behind redaction."""
