# SPDX-License-Identifier: Apache-2.0
"""``start_as_current_span``: a context manager, and a decorator of functions of both kinds.

The SDK's is two generators, one in the other, which cost as much as the span.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, get_current
from opentelemetry.trace import Status, StatusCode

from ffe_otel.sdk.leaving import leave
from ffe_otel.sdk.spans import with_span

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span


class CurrentSpan(AbstractContextManager["Span"]):
    """A span that starts and becomes current on entry, and ends on exit."""

    __slots__ = ("_arguments", "_end", "_inside", "_span", "_start", "_token")

    _span: Span
    _inside: Context
    _token: Token[Context]

    def __init__(
        self, start: Callable[..., Span], arguments: tuple[Any, ...], end_on_exit: bool
    ) -> None:
        """Prepare a span.

        Args:
            start: starts the span, as ``Tracer.start_span`` does.
            arguments: all of it; the last two are whether to record an exception, and to set
                the status for it.
            end_on_exit: end the span.
        """
        self._start = start
        self._arguments = arguments
        self._end = end_on_exit

    def __enter__(self) -> Span:
        span: Any = self._start(*self._arguments)
        self._span = span
        inside = self._inside = with_span(span, get_current())
        self._token = attach(inside)
        span.entered = True
        entered: Span = span
        return entered

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        span = self._span
        leave(self._inside, self._token)
        try:
            # Others, as GeneratorExit, are no errors.
            if isinstance(error, Exception) and span.is_recording():
                _tell(span, error, *self._arguments[-2:])
        finally:
            if self._end:
                span.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Do each call of ``function`` in a span of its own."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def in_span_async(*args: Any, **kwargs: Any) -> Any:
                with self._fresh():
                    return await function(*args, **kwargs)

            return in_span_async

        @functools.wraps(function)
        def in_span(*args: Any, **kwargs: Any) -> Any:
            with self._fresh():
                return function(*args, **kwargs)

        return in_span

    def _fresh(self) -> CurrentSpan:
        return CurrentSpan(self._start, self._arguments, self._end)


def _tell(span: Span, error: Exception, record: bool, set_status: bool) -> None:
    """Write down on a span what it ends with; raises nothing in place of ``error``."""
    text = kind = type(error).__name__
    try:
        if record:
            span.record_exception(error)
        text = f"{kind}: {error}"
    except Exception:  # noqa: BLE001 - `__str__` is anybody's code
        text = kind
    if set_status:
        span.set_status(Status(StatusCode.ERROR, text))
