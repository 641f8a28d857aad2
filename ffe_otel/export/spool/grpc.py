# SPDX-License-Identifier: Apache-2.0
"""OTLP over gRPC, with bytes that are ready.

Channel, credentials, headers and compression are those of the exporter of
opentelemetry-exporter-otlp-proto-grpc, which reads the standard variables; only what goes
over the channel is ours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.export.spool.answers import Fate, Outcome, partial_success
from ffe_otel.export.stats import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

_METHODS: Final = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
# Source: OTLP specification, "Failures" of OTLP/gRPC. A server that is overloaded and one
# that is not there both give UNAVAILABLE.
_NOBODY: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
_LATER: Final = frozenset({"CANCELLED", "ABORTED", "OUT_OF_RANGE", "DATA_LOSS", "INTERNAL",
                           "UNKNOWN"})  # fmt: skip
_ABOUT_CONTENT: Final = frozenset({"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"})
_MAY_BE_CONTENT: Final = frozenset({"INTERNAL", "UNKNOWN"})
_TOO_LARGE: Final = "CLIENT: Received message larger than max"
_RETRY_INFO: Final = "google.rpc.retryinfo-bin"
_LONGEST_TEXT: Final = 500


class GrpcTransport:
    """Sends requests of one signal over a channel that is made when it is needed first."""

    def __init__(
        self, signal: Signal, endpoint: str, timeout: float, make: Callable[[], Any]
    ) -> None:
        """Send to ``endpoint`` as the exporter that ``make`` returns would."""
        self.url = f"{endpoint}{_METHODS[signal]}"
        self.target = endpoint
        self.timeout = timeout
        self._signal = signal
        self._make = make
        self._exporter: Any = None
        self._inherited: list[Any] = []  # kept, so that nobody closes numbers it had
        self._pid = 0

    def post(self, payload: bytes, seconds: float) -> Outcome:
        """Send a request within ``seconds``; never raises."""
        try:
            body = self._call()(payload, seconds)
        except Exception as error:  # noqa: BLE001 - RpcError is what grpc makes of everything
            return _failure(error)
        rejected, text = partial_success(body, self._signal)
        return Outcome(Fate.TAKEN, text=text, rejected=rejected)

    def _call(self) -> Callable[[bytes, float], bytes]:
        # The parent's channel does not work in a forked child, and closing it there would
        # disturb the parent.
        if self._exporter is None or self._pid != os.getpid():
            self._inherited.append(self._exporter)
            self._exporter, self._pid = self._make(), os.getpid()
        exporter = self._exporter
        export = exporter._channel.unary_unary(  # noqa: SLF001 - there is no other way in
            _METHODS[self._signal], request_serializer=None, response_deserializer=None
        )
        headers = exporter._headers  # noqa: SLF001
        return lambda payload, seconds: export(payload, timeout=seconds, metadata=headers)


def _failure(error: Any) -> Outcome:
    try:
        code = str(error.code().name)
        text = str(error.details() or "")[:_LONGEST_TEXT]
        wait = _retry_delay(error)
    except Exception:  # noqa: BLE001 - it is not an RpcError
        return Outcome(Fate.UNREACHABLE, "unreachable", f"{type(error).__name__}: {error}")
    if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE in text:
        # Of four megabytes, which is what a channel reads unless it is told otherwise. Only a
        # request that was taken has an answer.
        return Outcome(Fate.TAKEN)
    reason, counted = f"answered {code}", f"grpc_{code.lower()}"
    if wait is not None:
        return Outcome(Fate.LATER, counted, reason, text, wait_seconds=wait)
    if code in _NOBODY:
        return Outcome(Fate.UNREACHABLE, "unreachable", text or reason, text)
    if code in _LATER:
        suspicious = code in _MAY_BE_CONTENT
        return Outcome(Fate.LATER, counted, reason, text, suspicious=suspicious)
    return Outcome(Fate.REFUSED, counted, reason, text, divisible=code in _ABOUT_CONTENT)


def _retry_delay(error: Any) -> float | None:
    """Seconds the server asks to wait; ``None`` when it does not say."""
    found = dict(error.trailing_metadata() or ()).get(_RETRY_INFO)
    if found is None:
        return None
    from google.rpc.error_details_pb2 import RetryInfo

    delay = RetryInfo.FromString(found).retry_delay
    return float(delay.seconds + delay.nanos / 1e9)
