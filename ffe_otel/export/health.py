# SPDX-License-Identifier: Apache-2.0
"""One clear sentence when an endpoint goes down, one when it is back."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("ffe_otel.export")
_REMEDY: Final = (
    "start `ffe-otel serve` or a Collector there, or set telemetry.otlp_endpoint "
    "(OTEL_EXPORTER_OTLP_ENDPOINT)"
)


class Health:
    """Remembers which endpoints are down, so that each change is logged once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        """Log with every text passed through ``redact``."""
        self._redact = redact
        self._lock = threading.Lock()
        self._lost: dict[str, int] = {}

    def failed(self, endpoint: str, reason: str, count: int) -> None:
        """Note that ``count`` records could not be sent to ``endpoint``."""
        with self._lock:
            news = endpoint not in self._lost
            self._lost[endpoint] = self._lost.get(endpoint, 0) + count
        if news:
            _logger.warning(
                "Telemetry cannot be sent to %s (%s): %s. What cannot be sent is dropped and "
                "counted in ffe_otel_dropped_total; the next message comes when it works again",
                self._redact(endpoint),
                self._redact(reason or "no reason given"),
                _REMEDY,
            )

    def succeeded(self, endpoint: str) -> None:
        """Note that ``endpoint`` took something."""
        if endpoint not in self._lost:
            return
        with self._lock:
            lost = self._lost.pop(endpoint, None)
        if lost is not None:
            _logger.info(
                "Telemetry is sent to %s again; %d records were lost meanwhile",
                self._redact(endpoint),
                lost,
            )
