# SPDX-License-Identifier: Apache-2.0
"""One propagator for everything that identifies a cycle across processes.

It reads and writes W3C trace context and baggage with the stock propagators and adds
the configured correlation header. Rules on the way in: a valid ``traceparent`` wins and
a correlation header that says something else is only remembered; without one, the
header names the trace id of the next root span.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ffe_otel import semconv
from ffe_otel.correlation import requested

if TYPE_CHECKING:
    from collections.abc import Sequence

_logger = logging.getLogger(__name__)
_HEADER_VARIABLE: Final = "FFE_OTEL__LOGGING__CORRELATION_ID_HEADER"
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class FfePropagator(TextMapPropagator):
    """W3C trace context, baggage and the correlation header.

    Args:
        header: Name of the correlation header; None takes the environment variable
            ``FFE_OTEL__LOGGING__CORRELATION_ID_HEADER``, else ``X-Correlation-ID``.
        beside: The propagators of everything else; None means W3C trace context and baggage.

    Raises:
        ValueError: `header` is no valid HTTP field name.
    """

    def __init__(
        self, header: str | None = None, *, beside: Sequence[TextMapPropagator] | None = None
    ) -> None:
        if header is not None and _HEADER_NAME.fullmatch(header) is None:
            raise ValueError(f"correlation header {header!r} is no valid HTTP header name")
        self._header = header or _header_from_environment()
        self._others: tuple[TextMapPropagator, ...] = (
            (TraceContextTextMapPropagator(), W3CBaggagePropagator())
            if beside is None
            else tuple(beside)
        )

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Read the headers of a carrier into a context.

        Args:
            carrier: Whatever holds the headers.
            context: The context to extend; None starts from an empty one.
            getter: How to read `carrier`.

        Returns:
            A context with the remote parent, the baggage, and the requested root or
            the correlation text that lost.
        """
        context = Context() if context is None else context
        for propagator in self._others:
            context = propagator.extract(carrier, context, getter)
        text = self._header_value(carrier, getter)
        if text is None:
            return context
        parent = get_current_span(context).get_span_context()
        if not parent.is_valid:
            return requested.with_requested_root(context, text)
        if requested.RequestedRoot.from_text(text).trace_id == parent.trace_id:
            return context
        return requested.with_incoming_correlation(context, text)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Write trace context, baggage and the correlation id into a carrier.

        Args:
            carrier: Whatever takes the headers.
            context: What to write; None means the current context.
            setter: How to write to `carrier`.
        """
        for propagator in self._others:
            propagator.inject(carrier, context, setter)
        correlation = requested.current_correlation_id(context)
        if correlation is not None:
            setter.set(carrier, self._header, correlation)

    @property
    def fields(self) -> set[str]:
        """The names `inject` writes."""
        return {self._header}.union(*(propagator.fields for propagator in self._others))

    def _header_value(self, carrier: CarrierT, getter: Getter[CarrierT]) -> str | None:
        # The default getter compares names exactly, and servers often lower them.
        for name in dict.fromkeys((self._header, self._header.lower())):
            for value in getter.get(carrier, name) or ():
                if isinstance(value, str) and value.strip():
                    return value
        return None


def _header_from_environment() -> str:
    # Propagators are built while OpenTelemetry's API is being imported: raising here
    # would take the engine down with us.
    name = os.environ.get(_HEADER_VARIABLE) or semconv.CORRELATION_HEADER
    if _HEADER_NAME.fullmatch(name) is None:
        _logger.warning(
            "%s is %r, which is no valid HTTP header name; using %s",
            _HEADER_VARIABLE,
            name,
            semconv.CORRELATION_HEADER,
        )
        return semconv.CORRELATION_HEADER
    return name
