# SPDX-License-Identifier: Apache-2.0
"""The base of everything the manual API measures: a span that is a context manager.

A step works in sync and async code (``with`` in both) and as a decorator on functions
and coroutine functions. It never raises because of telemetry: what fails in here is
counted and the caller goes on.
"""

from __future__ import annotations

import asyncio
import copy
import functools
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, Self, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from ffe_otel import semconv
from ffe_otel.capture import runtime
from ffe_otel.capture.steps.arguments import optional_text
from ffe_otel.capture.steps.decorating import measured
from ffe_otel.sdk.leaving import enter, leave
from ffe_otel.sdk.timeline import timeline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span

    from ffe_otel.capture.runtime import Runtime
    from ffe_otel.capture.steps.cycle import Cycle

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="Step")

_CYCLE_KEY = otel_context.create_key("ffe-otel-cycle")
_FIELDS_KEY = otel_context.create_key("ffe-otel-log-fields")


def cycle_of(context: Context | None = None) -> Cycle | None:
    """The cycle that ``context`` (the current one by default) runs under."""
    found: Any = otel_context.get_value(_CYCLE_KEY, context)
    return found if found is not None else None


def fields_of(context: Context | None = None) -> dict[str, object] | None:
    """The log fields that the innermost step of ``context`` keeps."""
    found: Any = otel_context.get_value(_FIELDS_KEY, context)
    return found if found is not None else None


def with_fields(context: Context, **fields: object) -> Context:
    """``context`` with log fields of its own; ``None`` leaves a field as it was around it."""
    given = {name: value for name, value in fields.items() if value is not None}
    return otel_context.set_value(_FIELDS_KEY, {**(fields_of(context) or {}), **given}, context)


def guarded(
    method: Callable[Concatenate[S, P], None],
) -> Callable[Concatenate[S, P], None]:
    """A method of a step's handle: nothing while no capture runs, and never an exception."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        rt = self._runtime
        if rt is None:
            return
        try:
            method(self, *args, **kwargs)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed(method.__qualname__)

    return call


class Aborted(Exception):  # noqa: N818 - how a step ended, never raised
    """The process went down while a step was open."""


class Step:
    """One measured step. Subclasses say what it is called and what it records.

    Outside a cycle a step opens no span (cycles are the roots, see docs/tracing.md) but
    still records its metrics and events.
    """

    kind: ClassVar[SpanKind] = SpanKind.INTERNAL
    root: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes: dict[str, Any] = {}
        self._runtime: Runtime | None = None
        self._token: Token[Context] | None = None
        self._inside: Context | None = None
        self._used = False
        self._reset()

    # What subclasses change

    def _reset(self) -> None:
        """Begin with nothing known, also when the step was entered before."""
        self.span: Span = trace.INVALID_SPAN
        self.duration_ns = 0
        self._started = 0
        self._failure: str | None = None

    def _parent_context(self) -> Context:
        return otel_context.get_current()

    def _context(self, context: Context) -> Context:
        """Add what the step hands to those inside it."""
        return context

    def _links(self) -> list[Link]:
        return []

    def _begun(self, rt: Runtime) -> None:
        """After the span began and became current."""

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        """Record metrics and events; the span is still open and current."""

    # Context manager

    def __enter__(self) -> Self:
        rt = runtime.get()
        if rt is None or self._runtime is not None:
            return self
        if self._used:
            self._reset()
        self._used, self._runtime = True, rt
        rt.opened(self)
        try:
            self._started = rt.monotonic()
            self._begin(rt)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed(f"start of {self.name}")
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        rt = self._runtime
        if rt is None:
            return
        token = None
        try:
            inside = self._inside
            if inside is not None and otel_context.get_current() is not inside:
                # A generator that somebody else closes, or something left attached in the block.
                token = otel_context.attach(inside)
            self._finish(rt, error)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed(f"end of {self.name}")
        finally:
            if token is not None:
                otel_context.detach(token)
            self._leave()

    def _begin(self, rt: Runtime) -> None:
        parent = self._parent_context()
        inside = trace.get_current_span(parent).get_span_context().is_valid
        if self.root or inside:
            self.span = rt.tracer.start_span(
                self.name,
                context=parent,
                kind=self.kind,
                attributes=self.attributes,
                links=self._links(),
            )
            parent = trace.set_span_in_context(self.span, parent)
        self._inside = self._context(parent)
        self._token = otel_context.attach(self._inside)
        enter(self.span)
        self._begun(rt)

    def _finish(self, rt: Runtime, error: BaseException | None) -> None:
        if not rt.closed(self):
            return
        self.duration_ns = rt.monotonic() - self._started
        if error is not None and self._failure is None and not leaves_in_peace(error):
            self.fail(error)
        try:
            self._ended(rt, error)
        finally:
            self._close()

    def _close(self) -> None:
        if self.span.is_recording():
            if self._failure is not None:
                self.span.set_status(Status(StatusCode.ERROR, self._failure))
            self.span.end()

    def _now(self, rt: Runtime) -> int:
        """The time of the step's trace, in nanoseconds since the epoch."""
        timeline = timeline_of(self.span)
        return rt.clock() if timeline is None else timeline.now()

    def _leave(self) -> None:
        self._runtime = None
        self._step_out()
        self._inside = None

    def _step_out(self) -> None:
        """Be current no longer."""
        token, self._token = self._token, None
        if token is not None and self._inside is not None:
            leave(self._inside, token)

    def abort(self) -> None:
        """End the step, with all that is known, because the process goes down.

        It may run on any thread; the step's own is somewhere in the middle of its work.
        """
        rt = self._runtime
        if rt is None or not rt.closed(self):
            return
        token = otel_context.attach(self._inside or otel_context.get_current())
        try:
            self.duration_ns = rt.monotonic() - self._started
            self.span.set_attribute(semconv.ABORTED, True)
            self._failure = self._failure or semconv.PROCESS_ENDED
            self._ended(rt, Aborted(semconv.PROCESS_ENDED))
        finally:
            self._close()
            otel_context.detach(token)

    # Decorator

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Measure each call of ``function``.

        Raises:
            TypeError: for generator functions, whose body runs outside the call.
        """
        return measured(function, self._fresh)

    def _fresh(self) -> Self:
        step = copy.copy(self)
        # The original may be open around the call.
        vars(step).update(attributes=dict(self.attributes), _runtime=None, _token=None, _used=True)
        return step

    # Handle

    def set(self, attributes: Mapping[str, Any] | None = None, **named: Any) -> None:
        """Set span attributes; keyword names use ``__`` for a dot. ``None`` is left out."""
        rt = self._runtime
        if rt is None:
            return
        try:
            given = dict(attributes or {})
            for name, value in named.items():
                given[name.replace("__", ".")] = value
            self.span.set_attributes({str(k): v for k, v in given.items() if v is not None})
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed("set")

    def event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Add an event to the span, now."""
        rt = self._runtime
        if rt is None:
            return
        try:
            given = {k: v for k, v in (attributes or {}).items() if v is not None}
            self.span.add_event(name, given)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed("event")

    def fail(self, error: BaseException | str) -> None:
        """Mark the step as failed; an exception is recorded with its stack."""
        rt = self._runtime
        if rt is None:
            return
        try:
            if isinstance(error, BaseException):
                self._failure = describe(error)
                self.span.set_attribute(semconv.ERROR_TYPE, type(error).__qualname__)
                self.span.record_exception(error)
            else:
                self._failure = error = optional_text(error, "fail") or "failed"
            cycle = cycle_of()
            # A cancelled step did nothing wrong; whoever cancelled it says why.
            cancelled = isinstance(error, asyncio.CancelledError)
            if cycle is not None and cycle is not self and not cancelled:
                cycle.failed_inside(error, self.name)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            rt.failed("fail")

    @property
    def failure(self) -> str | None:
        """Why the step failed, or ``None``."""
        return self._failure


def leaves_in_peace(error: BaseException) -> bool:
    """Whether an exception only leaves the block: a generator that is closed, an exit with 0."""
    if isinstance(error, SystemExit):
        return error.code is None or (isinstance(error.code, int) and error.code == 0)
    return isinstance(error, GeneratorExit)


def describe(error: BaseException | str) -> str:
    """Type and message of an exception; a message that cannot be made is left out."""
    if not isinstance(error, BaseException):
        return optional_text(error, "fail") or "failed"
    name = type(error).__qualname__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ of the engine's
        return name
    return f"{name}: {message}" if message else name
