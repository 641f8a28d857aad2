# SPDX-License-Identifier: Apache-2.0
"""A tracer that starts the SDK's own spans, by public methods only.

It takes the place of ``FfeTracer`` with an SDK whose private parts are not those that it
uses. The rules for roots, the trace's own times and the ends of a process stay what they are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from ffe_otel.sdk.current import CurrentSpan
from ffe_otel.sdk.roots import start_by_rules
from ffe_otel.sdk.timeline import timeline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span
    from opentelemetry.util.types import Attributes

    from ffe_otel.sdk.live import LiveSpans
    from ffe_otel.sdk.timeline import Timeline


class PlainTracer(wrapt.ObjectProxy):  # type: ignore[misc,type-arg,unused-ignore]
    """The SDK's tracer with the rules for roots."""

    def __init__(
        self, tracer: object, scope: str, live: LiveSpans, timeline: Callable[[], Timeline]
    ) -> None:
        """Start spans with ``tracer``.

        Args:
            tracer: the SDK's.
            scope: the name it was asked for with.
            live: gets the open spans.
            timeline: makes the timeline of a span without a parent in this process.
        """
        super().__init__(tracer)
        self._self_scope = scope
        self._self_live = live
        self._self_timeline = timeline

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """Start a span; see ``opentelemetry.trace.Tracer.start_span``."""
        above = trace.get_current_span(context)
        timeline = timeline_of(above) or self._self_timeline()
        began = timeline.now()
        start_time = began if start_time is None else start_time
        start = partial(
            self.__wrapped__.start_span,
            name,
            context,
            kind,
            attributes,
            links,
            start_time,
            record_exception,
            set_status_on_exception,
        )
        parent = above.get_span_context()
        span: Any = start_by_rules(start, parent, context, kind, self._self_scope)
        if span.is_recording():
            self._self_live.watch(span)
            _bring_up(span, timeline, lambda: self._self_live.release(span), start_time, began)
        started: Span = span
        return started

    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan:
        """Start a span on entry; see ``opentelemetry.trace.Tracer.start_as_current_span``."""
        asked = (name, context, kind, attributes, links, start_time)
        how = (record_exception, set_status_on_exception)
        return CurrentSpan(self.start_span, (*asked, *how), end_on_exit)


def _bring_up(
    span: Any, timeline: Timeline, release: Callable[[], bool], start: int, began: int
) -> None:
    """Let a span of the SDK's take its times from ``timeline``, and end as ours do.

    One that cannot be changed does all that as the SDK's do.
    """
    end, add_event = span.end, span.add_event

    def end_once(end_time: int | None = None) -> None:
        if release():
            end(timeline.end(start, began, end_time))

    def add_in_time(name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        add_event(name, attributes, timeline.now() if timestamp is None else timestamp)

    try:
        span.timeline, span.add_event, span.end = timeline, add_in_time, end_once
    except AttributeError:
        return
