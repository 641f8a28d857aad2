# SPDX-License-Identifier: Apache-2.0
"""The trace id a caller asked for, on its way to the one root span it is meant for.

It travels in the Context. It is never dressed up as a remote parent: that would leave a
parent span nobody ever sends, and a parent-based sampler would follow a sampling
decision nobody ever took.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry.context import create_key, get_value, set_value
from opentelemetry.trace import get_current_span

from ffe_otel.correlation import ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context

_REQUESTED_KEY: Final = create_key("ffe_otel-requested-root")
_INCOMING_KEY: Final = create_key("ffe_otel-incoming-correlation")
_HANDOVER: Final[ContextVar[RequestedRoot | None]] = ContextVar("ffe_otel_handover", default=None)

# A longer text is hashed but not kept: cutting it could cut a secret in two, and half a
# secret is one the redaction rules no longer recognise.
_KEPT_TEXT_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True)
class RequestedRoot:
    """A trace id requested for one root span.

    Attributes:
        trace_id: The 128-bit id asked for, or derived from the text.
        is_random: Whether its lowest 56 bits may serve as sampling randomness.
        free_text: The caller's text when it was no id, to be kept (redacted) as
            ``ffe.correlation_id``; None when the text was an id or is too long to keep.
    """

    trace_id: int
    is_random: bool
    free_text: str | None = None
    _unclaimed: list[None] = field(default_factory=lambda: [None], repr=False, compare=False)

    @classmethod
    def from_text(cls, text: str) -> RequestedRoot:
        """Build the request a correlation text stands for.

        Args:
            text: An id (32 hexadecimal digits or 8-4-4-4-12) or any other text, which
                is hashed; surrounding whitespace does not count.

        Returns:
            An unclaimed request.
        """
        text = text.strip()
        requested = ids.trace_id(text)
        if requested is not None:
            return cls(requested, ids.is_random_id(requested))
        return cls(ids.hash_trace_id(text), is_random=False, free_text=_kept(text))

    @property
    def correlation_id(self) -> str:
        """The requested trace id in UUID form."""
        return ids.correlation_id(self.trace_id)

    def claim(self) -> bool:
        """Take the id; True for the first caller only, whatever thread it is on.

        A Context cannot be changed, so two roots started from the same one would
        otherwise both use the id and share a trace.
        """
        try:
            self._unclaimed.pop()
        except IndexError:
            return False
        return True


def with_requested_root(context: Context | None, correlation_text: str) -> Context:
    """Ask for the trace id of the next root span started from a context.

    Args:
        context: The context to extend; None means the current one.
        correlation_text: Anything `RequestedRoot.from_text` takes.

    Returns:
        A new context carrying the request.
    """
    return set_value(_REQUESTED_KEY, RequestedRoot.from_text(correlation_text), context)


def requested_root(context: Context | None = None) -> RequestedRoot | None:
    """Return the request a context carries, claimed or not; None without one."""
    value = get_value(_REQUESTED_KEY, context)
    return value if isinstance(value, RequestedRoot) else None


@contextlib.contextmanager
def use_requested_root(requested: RequestedRoot | None) -> Iterator[None]:
    """Hand a request to the id generator for the duration of a block.

    The SDK's tracer calls the id generator without a Context, so a tracer that starts
    a root wraps the call in this. The generator takes the id at most once.

    Args:
        requested: What `requested_root` returned; None changes nothing.
    """
    token = _HANDOVER.set(requested)
    try:
        yield
    finally:
        _HANDOVER.reset(token)


def handed_over() -> RequestedRoot | None:
    """Return the request the surrounding `use_requested_root` block offers."""
    return _HANDOVER.get()


def with_incoming_correlation(context: Context, text: str) -> Context:
    """Remember a correlation text that lost against a valid trace parent.

    Args:
        context: The context to extend.
        text: The header's value.

    Returns:
        A new context carrying the text; the same one when the text is too long to keep.
    """
    kept = _kept(text.strip())
    return context if kept is None else set_value(_INCOMING_KEY, kept, context)


def incoming_correlation(context: Context | None = None) -> str | None:
    """Return the correlation text that lost against a trace parent, else None.

    It belongs on the span as ``ffe.correlation_id.incoming`` and is free text:
    redaction treats it as any other.
    """
    value = get_value(_INCOMING_KEY, context)
    return value if isinstance(value, str) else None


def current_correlation_id(context: Context | None = None) -> str | None:
    """Return the correlation id in force.

    Args:
        context: Where to look; None means the current context.

    Returns:
        The current span's trace id in UUID form; before a requested root has started,
        the id requested for it; None when there is neither.
    """
    span_context = get_current_span(context).get_span_context()
    if span_context.is_valid:
        return ids.correlation_id(span_context.trace_id)
    requested = requested_root(context)
    return requested.correlation_id if requested is not None else None


def _kept(text: str) -> str | None:
    if len(text) > _KEPT_TEXT_LIMIT:
        return None
    # A lone surrogate would make the whole exported batch fail to encode.
    return text.encode("utf-8", "replace").decode()
