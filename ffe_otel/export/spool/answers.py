# SPDX-License-Identifier: Apache-2.0
"""What an endpoint's answer means for the records that were sent.

Source: OTLP specification 1.x, sections "OTLP/HTTP Response" and "OTLP/gRPC Response".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ffe_otel.export.stats import Signal

if TYPE_CHECKING:
    from ffe_otel.export.session import Answer

_RESPONSES: Final[dict[Signal, tuple[Any, str]]] = {
    Signal.TRACES: (ExportTraceServiceResponse, "rejected_spans"),
    Signal.METRICS: (ExportMetricsServiceResponse, "rejected_data_points"),
    Signal.LOGS: (ExportLogsServiceResponse, "rejected_log_records"),
}
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_ABOUT_CONTENT: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
# Of 5xx these are to be tried again, by the specification; of the others it leaves that open.
_ABOUT_ITSELF: Final = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
_LONGEST_TEXT: Final = 500


class Fate(Enum):
    """What becomes of records that were sent."""

    TAKEN = "taken"
    LATER = "later"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request.

    Attributes:
        fate: of its records.
        code: of a failure, for counting: few different ones.
        reason: of a failure, in plain words.
        text: what the endpoint said beside it.
        wait_seconds: how long the endpoint asks to be left alone.
        rejected: items of a taken request that the endpoint did not want.
        divisible: a refusal is about the content, so that a part of it may be taken.
        suspicious: the server failed, and the content may be why.
    """

    fate: Fate
    code: str = ""
    reason: str = ""
    text: str = ""
    wait_seconds: float = 0.0
    rejected: int = 0
    divisible: bool = False
    suspicious: bool = False


class Transport(Protocol):
    """A way to an endpoint.

    Attributes:
        url: where to, in full.
        target: scheme, host and port: what is up or down.
        timeout: seconds a request may take.
    """

    url: str
    target: str
    timeout: float

    def post(self, payload: bytes, seconds: float) -> Outcome:
        """Send a request within ``seconds``; never raises."""


def of_http(answer: Answer, signal: Signal) -> Outcome:
    """Read an answer of OTLP/HTTP."""
    status = answer.status
    if 200 <= status < 300:
        rejected, text = partial_success(answer.body, signal)
        return Outcome(Fate.TAKEN, text=text, rejected=rejected)
    code, reason = f"http_{status}", f"answered {status}"
    text = answer.body[:_LONGEST_TEXT].decode("utf-8", "replace")
    if 400 <= status < 500 and status not in _LATER:
        return Outcome(Fate.REFUSED, code, reason, text, divisible=status in _ABOUT_CONTENT)
    suspicious = status >= 500 and status not in _ABOUT_ITSELF
    return Outcome(
        Fate.LATER, code, reason, text, wait_seconds=answer.retry_after, suspicious=suspicious
    )


def partial_success(body: bytes, signal: Signal) -> tuple[int, str]:
    """Items that a taken request lost, and why; none where the body does not say."""
    response, field = _RESPONSES[signal]
    try:
        partial = response.FromString(body).partial_success
    except Exception:  # noqa: BLE001 - some servers answer 200 with a body of their own
        return 0, ""
    return int(getattr(partial, field)), str(partial.error_message)[:_LONGEST_TEXT]
