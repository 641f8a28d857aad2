# SPDX-License-Identifier: Apache-2.0
"""Logger provider: the SDK's, whose flush covers what was logged through the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LoggerProvider

from ffe_otel.sdk.flushing import flush

if TYPE_CHECKING:
    from ffe_otel.sdk.flushing import Flusher


class FfeLoggerProvider(LoggerProvider):
    """The SDK's logger provider.

    Attributes:
        flusher: flushes it; without one the SDK does.
    """

    flusher: Flusher | None = None

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Send everything logged so far; whether an endpoint has taken it.

        See docs/durability.md for how long that waits.
        """
        return flush(self.flusher, super().force_flush, timeout_millis)
