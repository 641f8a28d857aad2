# SPDX-License-Identifier: Apache-2.0
"""Processors and readers that were there before redaction was installed.

The SDK offers no way to change them, so this reaches into private attributes. Whether they
do what is expected of them, :mod:`ffe_otel.sdk.selfcheck` finds out.
"""

from __future__ import annotations

import gc
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from ffe_otel.sdk.switch import ProcessorSwitch

try:
    from opentelemetry.sdk._logs import _internal as _logs
except ImportError:
    _logs = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH: Final = (BatchSpanProcessor, BatchLogRecordProcessor)
# Processors that hand what they get to others.
MULTI_SPAN: Final = (SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor, ProcessorSwitch)
MULTI_LOG: Final[tuple[type, ...]] = tuple(
    kind
    for name in ("SynchronousMultiLogRecordProcessor", "ConcurrentMultiLogRecordProcessor")
    if (kind := getattr(_logs, name, None)) is not None
)
_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
_EXPORTERS: Final = (SpanExporter, LogRecordExporter, MetricExporter)
# How far inside a processor an exporter may be.
_DEPTH: Final = 4
# Where multi processors keep their parts, as tuples.
SPAN_PARTS: Final = "_span_processors"
LOG_PARTS: Final = "_log_record_processors"
# Where providers, and loggers, keep what they hand their records to.
PROCESSOR_OF: Final = ("_active_span_processor", "_multi_log_record_processor")
# Where a reader keeps the callback that gives it its metrics.
COLLECT: Final = "_collect"


def instances(base: type) -> Iterator[Any]:
    """All living instances of a class and its subclasses.

    Objects refer to their class, so the garbage collector knows them. It looks through
    all objects for that: tens of milliseconds in a large process, once.
    """
    classes = {base}
    pending = [base]
    while pending:
        subclasses: list[type] = type.__subclasses__(pending.pop())
        for subclass in subclasses:
            if subclass not in classes:
                classes.add(subclass)
                pending.append(subclass)
    for found in gc.get_referrers(*classes):
        if type(found) in classes:
            yield found


def exporter_holder(processor: Any) -> tuple[Any, str]:
    """The object and attribute where a processor of the SDK keeps its exporter.

    Raises:
        AttributeError: it is not where this version of the SDK should keep it.
    """
    holder, name = processor, "_exporter"
    if isinstance(processor, _BATCH):
        holder = processor._batch_processor  # noqa: SLF001 - see the module's docstring
    elif isinstance(processor, SimpleSpanProcessor):
        name = "span_exporter"
    getattr(holder, name)
    return holder, name


def exporters_within(processor: Any) -> list[Any]:
    """The exporters that a processor or reader holds, wherever it keeps them."""
    exporters: dict[int, Any] = {}
    seen, level = {id(processor)}, [processor]
    for _ in range(_DEPTH):
        found = [each for each in gc.get_referents(*level) if id(each) not in seen]
        level = [each for each in found if not isinstance(each, type | ModuleType)]
        seen.update(map(id, found))
        exporters.update((id(each), each) for each in level if isinstance(each, _EXPORTERS))
    return list(exporters.values())


def exporter_of(processor: Any) -> Any:
    """The exporter of a processor of the SDK, or None."""
    try:
        return getattr(*exporter_holder(processor))
    except AttributeError:
        return None


def is_somebodys(provider: Any) -> bool:
    """Whether a global provider was set: what the API gives without one is the API's."""
    return not type(provider).__module__.startswith(_API)


def add_span_processor(provider: Any, processor: Any) -> None:
    """Let a provider of somebody else hand its spans to one more processor.

    By the SDK's own method where it has that: its subclasses are known to put another
    processor in the place of those that they have.
    """
    if isinstance(provider, TracerProvider):
        TracerProvider.add_span_processor(provider, processor)
    else:
        provider.add_span_processor(processor)


def span_processor_of(provider: Any) -> Any:
    """What a tracer provider of the SDK hands its spans to, or None."""
    return getattr(provider, "_active_span_processor", None)


def log_processor_of(provider: Any) -> Any:
    """What a logger provider of the SDK hands its records to, or None."""
    return getattr(provider, "_multi_log_record_processor", None)


def remove_span_processors(provider: Any, added: Sequence[Any]) -> None:
    """Take processors out of a provider again, which has no method for it.

    A provider that keeps them elsewhere is left as it is; shut down, they do nothing.
    """
    multi = span_processor_of(provider)
    parts = getattr(multi, SPAN_PARTS, None)
    if isinstance(parts, tuple):
        kept = tuple(p for p in parts if getattr(p, "__wrapped__", p) not in added)
        setattr(multi, SPAN_PARTS, kept)


def log_processors(provider: Any) -> tuple[Any, ...]:
    """The processors of a logger provider; none where they are not where they should be."""
    multi = log_processor_of(provider)
    parts = getattr(multi, LOG_PARTS, ())
    return parts if isinstance(parts, tuple) else ()


def preferences_of(exporter: Any) -> dict[str, Any]:
    """The arguments that make a metric exporter prefer what ``exporter`` does."""
    names = ("preferred_temporality", "preferred_aggregation")
    return {name: getattr(exporter, f"_{name}", None) for name in names}


def queue_length(processor: Any) -> int:
    """How many records wait in a batch processor."""
    try:
        return len(processor._batch_processor._queue)  # noqa: SLF001 - see the docstring
    except AttributeError:
        return 0


def shut_down_batch(processor: Any, seconds: float) -> bool:
    """Shut a batch processor down within ``seconds``.

    The public method waits up to 30 s for its worker.

    Returns:
        False when this SDK has no such method inside; nothing was done then.
    """
    batch = getattr(processor, "_batch_processor", None)
    if batch is None:
        return False
    batch.shutdown(timeout_millis=int(seconds * 1000))
    return True
