# SPDX-License-Identifier: Apache-2.0
"""The rules for roots: which trace id they take, and who may not be one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from opentelemetry.trace import INVALID_SPAN, SpanKind

from ffe_otel import semconv
from ffe_otel.correlation import incoming_correlation, requested_root, use_requested_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext

T = TypeVar("T", bound="Span")


def start_by_rules(
    start: Callable[[], T], parent: SpanContext, context: Context | None, kind: SpanKind, scope: str
) -> T | Span:
    """What ``start`` gives, with the trace id and the attributes that its Context asks for.

    Args:
        start: makes the span.
        parent: what the span hangs on, valid or not.
        context: as it was given.
        kind: of the span.
        scope: name of the instrumentation scope.
    """
    if parent.is_valid:
        span = start()
        if parent.is_remote and (lost := incoming_correlation(context)) is not None:
            span.set_attribute(semconv.CORRELATION_ID_INCOMING, lost)
        return span
    if kind is SpanKind.CLIENT and not scope.startswith(semconv.SCOPE):
        # A stray HTTP call at start or in a poll loop would be a trace of one span.
        return INVALID_SPAN
    requested = requested_root(context)
    if requested is None:
        return start()
    with use_requested_root(requested):
        span = start()
    if requested.free_text is not None:
        span.set_attribute(semconv.CORRELATION_ID, requested.free_text)
    return span
