# SPDX-License-Identifier: Apache-2.0
"""Requests of ``aiohttp.ClientSession``: a client span each, a duration, and the ids on them.

By aiohttp's own tracing, and in the stable HTTP conventions. The scope's name is that of
OpenTelemetry's instrumentation, which takes over where it is installed: views and filters
then hold for both.
"""

from __future__ import annotations

import contextlib
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.propagate import inject
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_RESPONSE_STATUS_CODE,
)
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_FULL
from opentelemetry.semconv.metrics.http_metrics import HTTP_CLIENT_REQUEST_DURATION
from opentelemetry.trace import SpanKind, Status, StatusCode

from ffe_otel.export.patching import Patches

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_SCOPE: Final = "opentelemetry.instrumentation.aiohttp_client"
_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_FIRST_ERROR: Final = 400


def observe_sessions(
    tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
) -> Callable[[], None]:
    """Observe every session that is made from now on; returns the undoing."""
    from aiohttp import ClientSession

    config = _Observing(tracer_provider, meter_provider).config()

    def made(wrapped: Callable[..., Any], _session: object, args: Any, kwargs: Any) -> Any:
        given = kwargs.get("trace_configs") or ()
        return wrapped(*args, **{**kwargs, "trace_configs": [*given, config]})

    patches = Patches()
    patches.wrap(ClientSession, "__init__", made)
    return patches.undo


class _Observing:
    def __init__(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        self._duration = metrics.get_meter(_SCOPE, meter_provider=meter_provider).create_histogram(
            HTTP_CLIENT_REQUEST_DURATION,
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )

    def config(self) -> Any:
        from aiohttp import TraceConfig

        config = TraceConfig(
            trace_config_ctx_factory=lambda **_: SimpleNamespace(span=None)  # type: ignore[arg-type]
        )
        config.on_request_start.append(self._started)
        config.on_request_end.append(self._ended)
        config.on_request_exception.append(self._failed)
        return config

    async def _started(self, _session: object, kept: SimpleNamespace, params: Any) -> None:
        # A request of the engine's must go out, whatever fails here.
        with contextlib.suppress(Exception):
            if is_http_instrumentation_enabled():
                self._begin(kept, params)

    def _begin(self, kept: SimpleNamespace, params: Any) -> None:
        given = params.method.strip()
        method = given.upper() if given.upper() in _METHODS else "_OTHER"
        labels: dict[str, str | int] = {HTTP_REQUEST_METHOD: method}
        if params.url.host:
            labels[SERVER_ADDRESS] = params.url.host
        if params.url.port:
            labels[SERVER_PORT] = params.url.port
        attributes = {**labels, URL_FULL: str(params.url.with_user(None))}
        if method != given:
            attributes[HTTP_REQUEST_METHOD_ORIGINAL] = given
        name = "HTTP" if method == "_OTHER" else method
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        kept.labels, kept.began, kept.span = labels, time.perf_counter(), span
        # In the context of the request only: the task may have other requests under way.
        inject(params.headers, trace.set_span_in_context(span))

    async def _ended(self, _session: object, kept: SimpleNamespace, params: Any) -> None:
        with contextlib.suppress(Exception):
            status = params.response.status
            self._end(kept, status, str(status) if status >= _FIRST_ERROR else None)

    async def _failed(self, _session: object, kept: SimpleNamespace, params: Any) -> None:
        with contextlib.suppress(Exception):
            if kept.span is not None:
                kept.span.record_exception(params.exception)
            self._end(kept, None, type(params.exception).__qualname__)

    def _end(self, kept: SimpleNamespace, status: int | None, error: str | None) -> None:
        if kept.span is None:
            return
        if status is not None:
            kept.labels[HTTP_RESPONSE_STATUS_CODE] = status
            kept.span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
        if error is not None:
            kept.labels[ERROR_TYPE] = error
            kept.span.set_attribute(ERROR_TYPE, error)
            kept.span.set_status(Status(StatusCode.ERROR, None if status else error))
        self._duration.record(
            time.perf_counter() - kept.began, kept.labels, trace.set_span_in_context(kept.span)
        )
        kept.span.end()
