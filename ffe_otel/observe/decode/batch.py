# SPDX-License-Identifier: Apache-2.0
"""One request as journal rows, with what had to be refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME

from ffe_otel.observe.decode.envelope import Signal
from ffe_otel.observe.decode.values import attributes, digest64, dumps

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

MAX_KNOWN: Final = 200_000
MAX_LINE: Final = 16 * 1024**2
"""Longest row taken, bytes of JSON: the loader holds several of them in memory."""


class Known:
    """Identities the store already describes, so that a row need not repeat them.

    The loader adds to it after a commit and the decoder reads it; both are single
    operations on sets. It is a hint: a description sent twice is stored once.
    """

    def __init__(self) -> None:
        self.series: set[int] = set()
        self.resources: set[int] = set()

    def add(self, series: set[int], resources: set[int]) -> None:
        """Note what was committed, up to a bound that a flood of labels cannot exceed."""
        if len(self.series) + len(series) <= MAX_KNOWN:
            self.series |= series
        if len(self.resources) + len(resources) <= MAX_KNOWN:
            self.resources |= resources

    def clear(self) -> None:
        """Forget everything, after a new store was begun or rows were retired."""
        self.series = set()
        self.resources = set()


@dataclass(frozen=True, slots=True)
class Event:
    """A log record with an event name: the name, attributes, and time in nanoseconds."""

    name: str
    attributes: dict[str, Any]
    time_ns: int


@dataclass(slots=True)
class Batch:
    """Rows of one request.

    Attributes:
        signal: what kind of rows.
        lines: encoded journal lines without their line feeds.
        rejected: records refused.
        reason: why the first of them was.
        described: identities of series and resources this batch describes.
        events: event records that are measurements of InfluxDB.
    """

    signal: Signal
    lines: list[bytes] = field(default_factory=list)
    rejected: int = 0
    reason: str = ""
    described: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)

    def once(self, identity: int) -> bool:
        """Whether this batch has yet to describe ``identity``, which it now has."""
        if identity in self.described:
            return False
        self.described.add(identity)
        return True

    def add(self, row: dict[str, Any]) -> None:
        """Append one row, or refuse it when it is too long for the store."""
        line = dumps(row).encode()
        if len(line) > MAX_LINE:
            self.reject(f"a record is longer than {MAX_LINE} bytes")
        else:
            self.lines.append(line)

    def reject(self, reason: str) -> None:
        """Refuse one record."""
        self.rejected += 1
        self.reason = self.reason or reason


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from: the resource's identity and its description, once."""

    resource_id: int
    service: str
    text: str
    description: dict[str, Any] | None


class Decoder:
    """Turns request messages into batches of rows."""

    def __init__(self, known: Known) -> None:
        self.known = known

    def decode(self, signal: Signal, message: Message) -> Batch:
        """Rows of one parsed request."""
        # The signal's own modules need Batch and Origin from here.
        from ffe_otel.observe.decode.logs import decode_logs
        from ffe_otel.observe.decode.metrics import decode_metrics
        from ffe_otel.observe.decode.spans import decode_spans

        batch = Batch(signal)
        decode: Any = {
            Signal.TRACES: decode_spans,
            Signal.LOGS: decode_logs,
            Signal.METRICS: decode_metrics,
        }[signal]
        decode(message, batch, self.known)
        return batch


def origin(resource: Resource, known: Known) -> Origin:
    """Identity of a resource."""
    attrs = attributes(resource.attributes)
    text = dumps(attrs)
    identity = digest64(text)
    service = str(attrs.get(SERVICE_NAME, "unknown_service"))
    return Origin(identity, service, text, None if identity in known.resources else attrs)


def describe(row: dict[str, Any], source: Origin, batch: Batch) -> None:
    """Let ``row`` carry its resource's description where the store needs it."""
    if source.description is not None and batch.once(source.resource_id):
        row["resource_id"] = source.resource_id
        row["resource"] = source.description
