# SPDX-License-Identifier: Apache-2.0
"""One clear sentence when an endpoint goes down, one when it is back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ffe_otel import semconv
from ffe_otel.foundation import native

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("ffe_otel.export")
_START: Final = (
    "start `ffe-otel serve` or a Collector there, or set telemetry.otlp_endpoint "
    "(OTEL_EXPORTER_OTLP_ENDPOINT)"
)
_TRUST: Final = (
    "set OTEL_EXPORTER_OTLP_CERTIFICATE to a PEM file with that certificate or the one that "
    "signed it; it must be for the host in telemetry.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)"
)
_SCHEME: Final = (
    "see whether telemetry.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) should begin with http://"
)
_GOES_ON: Final = (
    f"What cannot be sent is dropped and counted in {semconv.OTEL_DROPPED.prometheus}; the next "
    "message comes when it works again"
)
_ENDS: Final = "The process ends, and the last of it is lost"
_WAITS: Final = "It waits in {} meanwhile; the next message comes when it works again"
_STAYS: Final = "The process ends; what is left waits in {} for the next one"


class Health:
    """Remembers which endpoints are down, so that each change is logged once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        """Log with every text passed through ``redact``."""
        self._redact = redact
        self._lock = native.Lock()
        self._lost: dict[str, int] = {}
        self._rejecting: set[str] = set()

    def after_fork(self) -> None:
        """In a forked child: a thread of the parent's may hold the lock, and is not here."""
        self._lock = native.Lock()

    def failed(self, endpoint: str, reason: str, count: int, *, closing: bool = False) -> None:
        """Note that records could not be sent.

        Args:
            endpoint: where to.
            reason: why not.
            count: how many.
            closing: the process ends, so that there is no second try.
        """
        self._note(endpoint, reason, count, _ENDS if closing else _GOES_ON)

    def waits(self, endpoint: str, reason: str, place: str, *, closing: bool) -> None:
        """Note that records could not be sent and wait in ``place``.

        Args:
            endpoint: where to.
            reason: why not.
            place: a folder.
            closing: the process ends.
        """
        self._note(endpoint, reason, 0, (_STAYS if closing else _WAITS).format(place))

    def rejected(self, endpoint: str, text: str) -> None:
        """Note that ``endpoint`` took a request but for some of its records."""
        with self._lock:
            news = endpoint not in self._rejecting
            self._rejecting.add(endpoint)
        if news:
            _logger.warning(
                "%s does not want some of the telemetry (%s); that is counted in %s",
                self._redact(endpoint),
                self._redact(text or "no reason given"),
                semconv.OTEL_DROPPED.prometheus,
            )

    def _note(self, endpoint: str, reason: str, count: int, what_follows: str) -> None:
        with self._lock:
            news = endpoint not in self._lost
            self._lost[endpoint] = self._lost.get(endpoint, 0) + count
        if news:
            _logger.warning(
                "Telemetry cannot be sent to %s (%s): %s. %s",
                self._redact(endpoint),
                self._redact(reason or "no reason given"),
                _remedy(reason),
                what_follows,
            )

    def succeeded(self, endpoint: str) -> None:
        """Note that ``endpoint`` took something."""
        if endpoint not in self._lost:
            return
        with self._lock:
            lost = self._lost.pop(endpoint, None)
        if lost is not None:
            _logger.info(
                "Telemetry is sent to %s again; %s",
                self._redact(endpoint),
                f"{lost} records were lost meanwhile" if lost else "what waited follows",
            )


def _remedy(reason: str) -> str:
    # By the text, because not only our own exporters tell it.
    if "certificate" in reason.lower():
        return _TRUST
    return _SCHEME if "TLS" in reason else _START
