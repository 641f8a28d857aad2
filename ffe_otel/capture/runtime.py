# SPDX-License-Identifier: Apache-2.0
"""The one owner of what an installed capture shares: tracer, instruments, events, prices.

Everything here uses the OpenTelemetry API only; ``install`` builds it from SDK parts.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry._logs import LogRecord, SeverityNumber

from ffe_otel import semconv
from ffe_otel.foundation import native
from ffe_otel.sdk.live import abort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from ffe_otel.capture.instruments import Instruments
    from ffe_otel.capture.prices import PriceTable

_log = logging.getLogger(__name__)


class OpenStep(Protocol):
    """A step between its beginning and its end."""

    span: Span

    def abort(self) -> None:
        """End now, marked as aborted; nothing when it has ended."""


@dataclass(slots=True)
class Runtime:
    """An installed capture. One a process; ``get`` finds it.

    ``clock`` returns wall-clock nanoseconds; durations are measured with ``monotonic``,
    also in nanoseconds. ``at_work`` is called when a cycle begins.
    ``learn_secrets`` takes values to hide wherever they occur.
    ``live_spans`` gives the provider's open spans, newest first.
    ``events`` takes event records.
    ``shared`` is the handle of a capture that came with the start of the program.
    """

    tracer: Tracer
    instruments: Instruments
    events: Callable[[LogRecord], None]
    prices: PriceTable
    environment: str
    agent_id: str
    capture_content: bool = False
    clock: Callable[[], int] = time.time_ns
    monotonic: Callable[[], int] = time.perf_counter_ns
    at_work: Callable[[], None] = lambda: None
    learn_secrets: Callable[[Iterable[str]], None] = lambda _: None
    live_spans: Callable[[], Sequence[Span]] = lambda: ()
    shared: Any = None
    agent_states: dict[str, str] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    _open: dict[int, OpenStep] = field(default_factory=dict)

    def emit(
        self,
        name: str,
        attributes: Mapping[str, object],
        *,
        context: Context | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Emit an event record; absent values (``None``) are left out."""
        now = self.clock()
        known: dict[str, Any] = {k: v for k, v in attributes.items() if v is not None}
        record = LogRecord(
            timestamp=timestamp or now,
            observed_timestamp=now,
            context=context,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            event_name=name,
            attributes=known,
        )
        self.events(record)

    def failed(self, where: str) -> None:
        """Count a failure of our own code; it is logged the first time only.

        The stack is logged without the values of the engine's exception in flight.
        """
        count = self.failures.get(where, 0)
        self.failures[where] = count + 1
        if count == 0:
            _log.warning(
                "ffe_otel: %s failed; the engine is not affected, further failures are only "
                "counted in %s",
                where,
                semconv.OTEL_HOOK_ERRORS.prometheus,
                exc_info=True,
            )

    def opened(self, step: OpenStep) -> None:
        """Remember an open step, so that it can be ended as aborted."""
        self._open[id(step)] = step

    def closed(self, step: OpenStep) -> bool:
        """Forget a step that ends. Only who is told that it was open may end it.

        It is not when it was aborted, and when it is the parent's in a forked child.
        """
        return self._open.pop(id(step), None) is not None

    def abort_open(self) -> int:
        """End every open step and span as aborted, children first; returns how many."""
        steps = list(reversed(self._open.values()))
        owners = {id(step.span): step for step in steps}
        spans = {id(span): span for span in self.live_spans()}
        ends = [owners[n].abort if n in owners else partial(abort, spans[n]) for n in spans]
        # Steps without a span are left, and all of them under a provider that is not ours.
        ends += [step.abort for step in steps if id(step.span) not in spans]
        for end in ends:
            try:
                end()
            except Exception:  # noqa: BLE001 - the others are to be sent all the same
                self.failed("abort")
        return len(ends)

    def forget_open(self) -> None:
        """In a forked child: the parent ends its own steps."""
        self._open.clear()


class _Owner:
    """Holds the active runtime; the only global mutable state of capture."""

    def __init__(self) -> None:
        self.lock = native.Lock()
        self.active: Runtime | None = None


_owner = _Owner()


def get() -> Runtime | None:
    """The installed capture, or ``None``."""
    return _owner.active


def require_none() -> None:
    """Raise a RuntimeError when a capture is installed."""
    if _owner.active is not None:
        raise RuntimeError("ffe_otel is installed already; call uninstall() on its handle first")


def activate(runtime: Runtime) -> None:
    """Make ``runtime`` the one that the manual API and the hooks use.

    Raises:
        RuntimeError: when another one is active.
    """
    with _owner.lock:
        require_none()
        _owner.active = runtime


def deactivate(runtime: Runtime) -> None:
    """Take ``runtime`` out of use, when it is the active one."""
    with _owner.lock:
        if _owner.active is runtime:
            _owner.active = None
