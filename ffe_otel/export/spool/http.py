# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP, with bytes that are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ffe_otel.export.session import DeadlineSession, GivenUp
from ffe_otel.export.spool.answers import Fate, Outcome, of_http

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.export.stats import Signal

_HEADERS: Final = {"Content-Type": "application/x-protobuf", "User-Agent": "ffe-otel"}


class HttpTransport:
    """Posts requests of one signal to one URL."""

    def __init__(
        self, signal: Signal, url: str, target: str, headers: Mapping[str, str],
        timeout: float, session: DeadlineSession,
    ) -> None:  # fmt: skip
        """Post to ``url`` with ``headers``; ``target`` is what is shown of it."""
        self.url = url
        self.target = target
        self.timeout = timeout
        self._signal = signal
        self._headers = {**_HEADERS, **headers}
        self._session = session

    def post(self, payload: bytes, seconds: float) -> Outcome:
        """Send a request within ``seconds``; never raises."""
        try:
            answer = self._session.once(self.url, payload, self._headers, seconds)
        except GivenUp as error:
            return Outcome(Fate.UNREACHABLE, "unreachable", str(error))
        except Exception as error:  # noqa: BLE001 - a certificate that cannot be read, a bad URL
            return Outcome(Fate.UNREACHABLE, "unreachable", f"{type(error).__name__}: {error}")
        return of_http(answer, self._signal)
