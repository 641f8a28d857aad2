# SPDX-License-Identifier: Apache-2.0
"""Leaving what is current, also from where it was not entered.

A generator that nobody finishes is closed later: by another task, another thread, the
garbage collector. A ``with`` block in it then ends in another Context of contextvars, where
its token is of no use, or while other blocks are still open. What it had made current stays
so where it was entered, unless whoever reads it there is told what was current around it.
"""

from __future__ import annotations

import weakref
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import opentelemetry.context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

RUNTIME: Final = "_RUNTIME_CONTEXT"


class _Left(NamedTuple):
    """Something that is over, and the context around it."""

    what: weakref.ref[Any]
    around: Context


# By the addresses of the contexts and spans that were left so; almost always empty.
_left: dict[int, _Left] = {}
_following: list[weakref.ref[Following]] = []


def enter(span: Any) -> None:
    """Note that a block with ``span`` as the current one has begun."""
    # Spans of others that take no attributes are left in their order, as ever.
    if hasattr(span, "timeline"):
        span.entered = True


def leave(inside: Context, token: Token[Context]) -> None:
    """Make current again what was so before ``inside`` was attached; never raises.

    Args:
        inside: what is left.
        token: what attaching it gave.
    """
    try:
        if token.var.get() is inside:
            token.var.reset(token)
            return
    except (ValueError, RuntimeError, LookupError):
        pass  # it was entered elsewhere
    except AttributeError:  # a runtime context that is none of contextvars
        otel_context.detach(token)
        return
    around = token.old_value if isinstance(token.old_value, Context) else Context()
    now = otel_context.get_current()
    if now is not inside and _is_open(get_current_span(now), get_current_span(inside)):
        _remember(inside, around)
        return
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        _remember(inside, around)
        if now is inside:
            otel_context.attach(around)


def _is_open(span: Any, own: Any) -> bool:
    """Whether ``span`` is that of another block, which is not over yet."""
    return span is not own and getattr(span, "entered", False) and span.is_recording()


def _remember(inside: Context, around: Context) -> None:
    for what in (inside, get_current_span(inside)):
        if what is inside or what is not get_current_span(around):
            address = id(what)
            _left[address] = _Left(weakref.ref(what, partial(_forget, address)), around)
    for reference in tuple(_following):
        if following := reference():
            following.look()


def _forget(address: int, _gone: Any) -> None:
    _left.pop(address, None)


def _standing(context: Context) -> Context:
    """What is current where ``context`` is said to be: the innermost that was not left."""
    for _ in range(len(_left) + 1):
        for what in (context, get_current_span(context)):
            left = _left.get(id(what))
            if left is not None and left.what() is what:
                context = left.around
                break
        else:
            return context
    return context


class Following:
    """OpenTelemetry's runtime context, without what was left elsewhere.

    Attributes:
        get_current: see ``opentelemetry.context.get_current``; the runtime context's own while
            nothing was left so, because everything asks for it all the time.
    """

    get_current: Callable[[], Context]

    def __init__(self, inner: Any) -> None:
        self.attach: Callable[[Context], Token[Context]] = inner.attach
        self._get: Callable[[], Context] = inner.get_current
        self._detach: Callable[[Token[Context]], None] = inner.detach
        self.get_current = self._get
        _following.append(weakref.ref(self, _following.remove))
        if _left:
            self.look()

    def look(self) -> None:
        """Look at what was left, from now on until all of that is gone."""
        self.get_current = self._standing

    def _standing(self) -> Context:
        current = self._get()
        if not _left:
            self.get_current = self._get
            if _left:  # meanwhile
                self.look()
            return current
        standing = _standing(current)
        if standing is not current:
            self.attach(standing)
        return standing

    def detach(self, token: Token[Context]) -> None:
        """See ``opentelemetry.context.detach``; nothing in another Context of contextvars."""
        try:
            self._detach(token)
        except ValueError:
            return


def install() -> Callable[[], None]:
    """Let everybody read what is current through :class:`Following`; returns the undoing."""
    module: Any = otel_context
    inner = getattr(module, RUNTIME)
    following = Following(inner)
    setattr(module, RUNTIME, following)

    def undo() -> None:
        if getattr(module, RUNTIME) is following:
            setattr(module, RUNTIME, inner)

    return undo


def check() -> None:
    """Raises where what is current is not read through what :func:`install` puts there."""
    inside, around = Context({"check": object()}), Context()

    def closed_elsewhere() -> bool:
        undo = install()
        try:
            otel_context.attach(around)
            token = otel_context.attach(inside)
            copy_context().run(leave, inside, token)
            return otel_context.get_current() == around
        finally:
            _left.pop(id(inside), None)
            undo()

    if not copy_context().run(closed_elsewhere):
        raise ValueError("what is current is read elsewhere")
