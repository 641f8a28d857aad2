# SPDX-License-Identifier: Apache-2.0
"""OTLP/JSON by hand: attribute values, and a cycle that collects its spans and logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ffe_otel import semconv as s

if TYPE_CHECKING:
    import random

Json = dict[str, Any]
SECOND = 1_000_000_000


def any_value(value: object) -> Json:
    """One value as an OTLP/JSON AnyValue."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [any_value(v) for v in value]}}
    return {"stringValue": str(value)}


def attributes(mapping: dict[str, object]) -> list[Json]:
    """A mapping as an OTLP/JSON attribute list."""
    return [{"key": k, "value": any_value(v)} for k, v in mapping.items() if v is not None]


@dataclass
class Cycle:
    """Spans and log records of one cycle while it is being told."""

    rng: random.Random
    start: int
    number: int
    spans: list[Json] = field(default_factory=list)
    logs: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trace_id = f"{self.rng.getrandbits(128):032x}"
        self.root_id = self.new_id()
        self.now = self.start

    def new_id(self) -> str:
        """A fresh span id."""
        return f"{self.rng.getrandbits(63) + 1:016x}"

    def tick(self, low: float, high: float) -> int:
        """Let between ``low`` and ``high`` seconds pass; the new time in ns."""
        self.now += int(self.rng.uniform(low, high) * SECOND)
        return self.now

    def span(
        self,
        name: str,
        start: int,
        parent: str | None,
        attrs: dict[str, object],
        *,
        span_id: str | None = None,
        kind: int = 1,
        error: str = "",
        events: list[Json] | None = None,
        end: int | None = None,
    ) -> str:
        """Record a span that ends now; its id."""
        span_id = span_id or self.new_id()
        self.spans.append(
            {
                "traceId": self.trace_id,
                "spanId": span_id,
                "parentSpanId": parent or "",
                "name": name,
                "kind": kind,
                "flags": 0x101,
                "startTimeUnixNano": str(start),
                "endTimeUnixNano": str(end or self.now),
                "attributes": attributes(attrs),
                "events": events or [],
                "status": {"code": 2, "message": error} if error else {"code": 0},
            }
        )
        return span_id

    def log(
        self,
        span_id: str,
        level: str,
        logger: str,
        body: str,
        *,
        attrs: dict[str, object] | None = None,
        event: str = "",
    ) -> None:
        """Record a log line or event at the present time."""
        number = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17}[level]
        uid = f"{self.rng.getrandbits(128):032x}"
        self.logs.append(
            {
                "logger": logger,
                "timeUnixNano": str(self.now),
                "observedTimeUnixNano": str(self.now),
                "severityNumber": number,
                "severityText": level,
                "body": {"stringValue": body},
                "traceId": self.trace_id,
                "spanId": span_id,
                "eventName": event,
                "attributes": attributes({"log.record.uid": uid, **(attrs or {})}),
            }
        )

    def state(self, name: str) -> None:
        """The event a transition of the agent's state machine leaves."""
        self.log(
            self.root_id,
            "INFO",
            s.SCOPE,
            f"agent state {name}",
            attrs={
                "agent_id": "agent-1",
                "environment": "demo",
                "state_value": s.AGENT_STATES[name],
                "cycle_count": self.number,
            },
            event=s.EVENT_AGENT_STATE,
        )


def exception_event(at: int, kind: str, message: str) -> list[Json]:
    """The span event an exception leaves."""
    trace = f'Traceback (most recent call last):\n  File "provider.py", line 88\n{kind}: {message}'
    return [
        {
            "timeUnixNano": str(at),
            "name": "exception",
            "attributes": attributes(
                {
                    "exception.type": kind,
                    "exception.message": message,
                    "exception.stacktrace": trace,
                }
            ),
        }
    ]
