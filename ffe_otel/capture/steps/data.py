# SPDX-License-Identifier: Apache-2.0
"""Perception: calls to data and trading APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel import semconv
from ffe_otel.capture.steps.arguments import number, optional_text, text, whole
from ffe_otel.capture.steps.base import Step, guarded, with_fields
from ffe_otel.capture.steps.requests import FAILURE, SUCCESS, TIMEOUT, is_timeout

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from ffe_otel.capture.runtime import Runtime


class Fetch(Step):
    """A call to a data or trading API."""

    def __init__(
        self, service: str, endpoint: str, *, method: str = "GET", asset_pair: str | None = None
    ) -> None:
        super().__init__(semconv.SPAN_DATA_FETCH)
        self._service = text(service, "data_fetch")
        self._endpoint = text(endpoint, "data_fetch")
        self._method = text(method, "data_fetch")
        self._asset_pair = optional_text(asset_pair, "data_fetch")
        self.attributes[semconv.DATA_SERVICE] = self._service
        self.attributes[semconv.DATA_ENDPOINT] = self._endpoint
        if self._asset_pair:
            self.attributes[semconv.ASSET_PAIR] = self._asset_pair

    def _reset(self) -> None:
        super()._reset()
        self._status: int | None = None
        self._cached = False

    @guarded
    def status(self, code: int) -> None:
        """HTTP status of the answer; 400 and above is a failure."""
        self._status = whole(code, "Fetch.status")
        self.set({semconv.HTTP_STATUS: self._status})
        if self._status is not None and self._status >= 400 and self.failure is None:
            self.fail(f"HTTP {self._status}")

    @guarded
    def stale(self, stale: bool, age_seconds: float | None = None) -> None:
        """Say whether the data is stale, and the age of its newest datum in seconds."""
        age = number(age_seconds, "Fetch.stale")
        self.set({semconv.DATA_STALE: bool(stale), semconv.DATA_AGE_SECONDS: age})

    def cached(self, hit: bool = True) -> None:
        """The answer came from a cache: no API call is counted."""
        self._cached = hit

    def _context(self, context: Context) -> Context:
        return with_fields(context, asset_pair=self._asset_pair)

    def _ended(self, rt: Runtime, error: BaseException | None) -> None:
        if self._cached:
            return
        rt.instruments.record(
            semconv.API_CALL_DURATION, self.duration_ns / 1e9, self._service, self._endpoint
        )
        outcome = SUCCESS if self.failure is None else TIMEOUT if is_timeout(error) else FAILURE
        rt.instruments.record(semconv.PROVIDER_REQUESTS, 1, self._service, outcome)
        rt.emit(
            semconv.EVENT_API_LATENCY,
            {
                "service": self._service,
                "endpoint": self._endpoint,
                "method": self._method,
                "duration_ms": self.duration_ns / 1e6,
                "status_code": self._status
                if self._status is not None
                else (200 if self.failure is None else 0),
            },
        )
