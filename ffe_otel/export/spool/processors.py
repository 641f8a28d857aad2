# SPDX-License-Identifier: Apache-2.0
"""Processors that end at the spool: redact and encode on a thread of their own.

They do what the SDK's batch processors do in front of an exporter, for less: whoever ends a
span or emits a log record appends it to a queue and neither locks nor wakes anybody, and a
batch is screened as a whole before it is redacted record by record.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from opentelemetry.context import Context, attach, detach
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor

from ffe_otel import semconv
from ffe_otel.export import encode, sizes
from ffe_otel.export.spool.exporters import encode_with_uids
from ffe_otel.export.spool.uids import Uids
from ffe_otel.export.stats import Reason, Signal
from ffe_otel.export.worker import Worker
from ffe_otel.foundation.pace import resting
from ffe_otel.redaction.records import redact_resource, redact_scope
from ffe_otel.redaction.records.safe import fits
from ffe_otel.redaction.texts import log_texts, span_texts
from ffe_otel.sdk.emitting import copied
from ffe_otel.sdk.spans import FfeSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from ffe_otel.export.exporters import Seam
    from ffe_otel.export.flushing import Flushes
    from ffe_otel.export.spool.exporters import Spooled
    from ffe_otel.foundation.room import Room

T = TypeVar("T")
_logger = logging.getLogger("ffe_otel.export")
_NO_CONTEXT = Context()


class _ToSpool(Generic[T]):
    """What both processors share.

    Args:
        exporter: appends to the spool.
        seam: redacts, counts.
        signal: what is processed.
        capacity: records that wait at most; 0 for as many as have room.
        room: what they may take in memory, together with those of other signals.
        flushes: knows how long a flush or a shutdown may take.
    """

    def __init__(
        self,
        exporter: Spooled,
        seam: Seam,
        signal: Signal,
        capacity: int,
        flushes: Flushes,
        room: Room | None = None,
    ) -> None:
        self._exporter = exporter
        self._seam = seam
        self._signal = signal
        self._flushes = flushes
        self._said = False
        self._worker: Worker[T] = Worker(
            self._deliver, room=room, capacity=capacity, dropped=self._full
        )
        worker = self._worker
        weakref.finalize(
            self, seam.stats.watch_queue(signal, lambda: worker.waiting)
        ).atexit = False
        if hasattr(os, "register_at_fork"):
            restart = weakref.WeakMethod(worker.after_fork)

            def after_fork() -> None:
                if method := restart():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    def shutdown(self) -> None:
        """Append everything within the budget; what comes later is appended at once."""
        self._worker.close(self._flushes.budget.share())

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """Wait until the endpoint has taken everything so far; whether it has.

        As a part of a flush of ours it ends at the spool.
        """
        flush = self._flushes.begin(timeout_millis / 1000)
        return self._flushes.settle(
            flush, [self._signal], lambda: flush.through(self._worker, [self._exporter.sender])
        )

    def _deliver(self, batch: Sequence[T]) -> None:
        with self._guarded(len(batch)):
            self._append(batch)

    @contextlib.contextmanager
    def _guarded(self, count: int) -> Iterator[None]:
        """Let no instrumentation see what we do, and nothing that goes wrong reach the caller."""
        token = attach(_NO_CONTEXT)
        try:
            with suppress_instrumentation():
                yield
        except Exception as error:  # noqa: BLE001 - nothing of ours may end its thread
            self._seam.stats.dropped(self._signal, Reason.EXPORT_FAILED, count)
            # Its text may hold what was not redacted.
            kind = type(error).__name__
            _logger.error("%d %s could not be stored: %s", count, self._signal, kind)  # noqa: TRY400
        finally:
            detach(token)

    def _append(self, batch: Sequence[T]) -> None:
        raise NotImplementedError

    def _resting(self, items: Iterable[Any]) -> Iterator[Any]:
        return resting(items, lambda: self._worker.pressed)

    def _encoded(self, encoder: Callable[[Iterable[Any]], bytes]) -> Callable[[Any], bytes]:
        return lambda records: encoder(self._resting(records))

    def _full(self, count: int) -> None:
        self._seam.stats.dropped(self._signal, Reason.QUEUE_FULL, count)
        if not self._said:
            self._said = True
            _logger.warning(
                "%d %s were dropped because too much waits in memory; set limits.queue_bytes "
                "(or limits.queue_size, where it is not 0) higher. Further ones are only counted, "
                "in %s",
                count,
                self._signal,
                semconv.OTEL_DROPPED.prometheus,
            )


class SpoolSpanProcessor(_ToSpool["ReadableSpan"], SpanProcessor):
    """Takes finished spans to the spool."""

    def __init__(
        self,
        exporter: Spooled,
        seam: Seam,
        capacity: int,
        flushes: Flushes,
        room: Room | None = None,
    ) -> None:
        """See the base class for the arguments."""
        super().__init__(exporter, seam, Signal.TRACES, capacity, flushes, room)
        self._put = self._worker.put

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that is sampled."""
        context = span.context
        if context is not None and context.trace_flags & 1:
            held = span.held if type(span) is FfeSpan else -1
            small = 0 <= held < sizes.LARGE
            self._put(span, sizes.SPAN + held if small else sizes.of_span(span))

    def _append(self, batch: Sequence[ReadableSpan]) -> None:
        seam = self._seam
        with seam.redactor.screened(span_texts(batch)):
            redacted = [seam.redact_span_fields(span) for span in self._resting(batch)]
        self._exporter.append_batch(redacted, self._encoded(encode.encode_spans))


class SpoolLogProcessor(_ToSpool["ReadableLogRecord"], LogRecordProcessor):
    """Takes log records to the spool."""

    def __init__(
        self,
        exporter: Spooled,
        seam: Seam,
        capacity: int,
        flushes: Flushes,
        room: Room | None = None,
    ) -> None:
        """See the base class for the arguments."""
        super().__init__(exporter, seam, Signal.LOGS, capacity, flushes, room)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a log record as it is now."""
        resource = log_record.resource
        self._worker.put(
            ReadableLogRecord(
                # Its context may hold a lot, and is of no use here: the ids are in the record.
                log_record=copied(log_record.log_record, _NO_CONTEXT),
                resource=Resource.create({}) if resource is None else resource,
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            ),
            sizes.of_record(log_record.log_record),
        )

    @property
    def longest(self) -> float:
        """Characters of a text that certainly stays whole."""
        lengths = self._seam.lengths
        return min(math.inf if n is None else n for n in (lengths.text, lengths.logs))

    def keeps_whole(self, body: object, attributes: Mapping[str, object]) -> bool:
        """Whether a record is no longer than allowed, so that nothing has to be cut off."""
        lengths = self._seam.lengths
        return fits((body,), lengths.text) and fits(attributes.values(), lengths.logs)

    def append_encoded(
        self, resource: Resource, records: Sequence[tuple[InstrumentationScope, bytes]]
    ) -> None:
        """Store records that are redacted and encoded already, at once.

        Args:
            resource: of all of them; not redacted yet.
            records: each with its scope, which is not redacted yet. They are stored as they are:
                see :meth:`keeps_whole`.
        """
        redactor, longest = self._seam.redactor, self._seam.lengths.text
        with self._guarded(len(records)):
            of = redact_resource(resource, redactor, longest)
            mark = Uids().mark
            scoped = [
                (redact_scope(scope, redactor, longest), mark(record)) for scope, record in records
            ]
            self._exporter.append_batch(scoped, lambda part: encode.encode_log_request(of, part))

    def _append(self, batch: Sequence[ReadableLogRecord]) -> None:
        seam = self._seam
        with seam.redactor.screened(log_texts(batch)):
            redacted = [seam.redact_log(record) for record in self._resting(batch)]
        self._exporter.append_batch(redacted, self._encoded(encode_with_uids))
