# SPDX-License-Identifier: Apache-2.0
"""HTTP for the OTLP exporters, with deadlines that hold.

The exporters of opentelemetry-exporter-otlp-proto-http take a ``requests`` session. This
one does the retrying, the compressing and the giving up itself, so that the versions of
the SDK behave alike and an exit is never held up by a dead endpoint. A deadline is that of
all there is to a request: connecting, TLS, sending, head and body of the answer, and what
follows it. Of an answer the status decides; what its body says is read as far as it goes.
"""

from __future__ import annotations

import os
import ssl
import time
import weakref
import zlib
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import requests
from urllib3.exceptions import ProtocolError
from urllib3.util.ssl_match_hostname import CertificateError

from ffe_otel.foundation import http, native
from ffe_otel.foundation.sockets import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_SECONDS: Final = 2.0
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 4.0
_DEFAULT_TIMEOUT: Final = 10.0
COMPRESSIONS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""``Content-Encoding``, and the window bits by which zlib makes it."""
_TRY_AGAIN: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class GivenUp(requests.RequestException):
    """A request that is not going to succeed in time; the text is the reason.

    The SDK's exporters do not try again after an exception of this type.
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; ``retry_after`` is in seconds, 0 when the server does not say."""

    status: int
    body: bytes
    retry_after: float


class DeadlineSession(requests.Session):
    """A session whose requests, with all their retries, end in time."""

    def __init__(self, *, compression: str, loopback: bool) -> None:
        """Make a session.

        Args:
            compression: of bodies, one of ``COMPRESSIONS`` or none, at the lowest level: for
                telemetry the higher ones cost several times as much and save little.
            loopback: the endpoint is on this machine, so proxies and ``.netrc`` are not
                for it.
        """
        super().__init__()
        self.trust_env = not loopback
        self.problem = ""  # why the last request was given up
        self._compression = compression
        http.mount(self)
        self._closing = native.Event()
        self._last_moment = float("inf")
        if hasattr(os, "register_at_fork"):
            reconnect = weakref.WeakMethod(self._reconnect)

            def after_fork() -> None:
                if method := reconnect():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    @property
    def closing(self) -> bool:
        """Whether a shutdown has begun."""
        return self._closing.is_set()

    def begin_shutdown(self, seconds: float) -> None:
        """End every request within ``seconds`` from now, and pauses at once."""
        self._last_moment = time.monotonic() + seconds
        self._closing.set()

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request and try again while that makes sense and there is time.

        ``timeout`` is the deadline for all attempts together, in seconds.

        Raises:
            GivenUp: there was no answer, or none but "try again later".
        """
        self.problem = ""
        deadline = time.monotonic() + _seconds(kwargs.pop("timeout", None))
        if kwargs.get("verify") is None and self.verify is not True:
            # Or requests lets REQUESTS_CA_BUNDLE win over the exporter's own certificate.
            kwargs["verify"] = self.verify
        if isinstance(kwargs.get("data"), bytes):
            kwargs["data"], kwargs["headers"] = self._packed(kwargs["data"], kwargs.get("headers"))
        kwargs["stream"] = True
        send: Any = super().request
        pause, attempt, reason = _FIRST_PAUSE, 0, ""
        while True:
            remaining = min(deadline, self._last_moment) - time.monotonic()
            if remaining <= 0:
                raise self._given_up(reason or "no time left")
            kwargs["timeout"] = (min(remaining, _CONNECT_SECONDS), remaining)
            wait = pause
            try:
                with bounded(remaining):
                    response: requests.Response = send(method, url, *args, **kwargs)
                    _read(response)
            except requests.Timeout:
                reason = f"no answer within {remaining:.1f} s"
            except requests.RequestException as error:
                reason = _reason(error)
            else:
                if response.status_code not in _TRY_AGAIN:
                    return response
                reason = f"answered {response.status_code}"
                wait = max(pause, _retry_after(response))
            # A pooled connection may have died in the meantime: that is no failure yet.
            if attempt:
                self._pause(wait, deadline, reason)
                pause = min(pause * 2, _LONGEST_PAUSE)
            attempt += 1

    def once(self, url: str, data: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
        """Post ``data`` once, without following redirects, which would lose it.

        Raises:
            GivenUp: there was no answer within ``seconds``.
        """
        data, headers = self._packed(data, headers)
        send: Any = super().request
        arguments: dict[str, Any] = {
            "data": data,
            "headers": headers,
            "timeout": (min(seconds, _CONNECT_SECONDS), seconds),
            "allow_redirects": False,
            "stream": True,
        }
        if self.verify is not True:  # as in ``request``
            arguments["verify"] = self.verify
        try:
            with bounded(seconds):
                try:
                    response: requests.Response = send("POST", url, **arguments)
                except requests.ConnectionError as error:
                    if not _was_pooled(error):
                        raise
                    response = send("POST", url, **arguments)
                body = _read(response)
        except requests.Timeout:
            raise self._given_up(f"no answer within {seconds:.1f} s") from None
        except requests.RequestException as error:
            raise self._given_up(_reason(error)) from None
        return Answer(response.status_code, body, _retry_after(response))

    def _packed(self, data: bytes, headers: Any) -> tuple[bytes, Mapping[str, str]]:
        bits = COMPRESSIONS.get(self._compression)
        if bits is None:
            return data, headers
        compressor = zlib.compressobj(1, zlib.DEFLATED, bits)
        packed = compressor.compress(data) + compressor.flush()
        return packed, {**(headers or {}), "Content-Encoding": self._compression}

    def _pause(self, seconds: float, deadline: float, reason: str) -> None:
        if time.monotonic() + seconds >= min(deadline, self._last_moment):
            raise self._given_up(reason)
        if self._closing.wait(seconds):
            raise self._given_up(reason)

    def _given_up(self, reason: str) -> GivenUp:
        self.problem = reason
        return GivenUp(reason)

    def _reconnect(self) -> None:
        """Leave the connections to the parent process: two writers would garble them."""
        http.mount(self)
        self._closing = native.Event()
        self._last_moment = float("inf")


def _seconds(timeout: Any) -> float:
    if isinstance(timeout, tuple):
        timeout = timeout[-1]
    return float(timeout) if timeout is not None else _DEFAULT_TIMEOUT


def _read(response: requests.Response) -> bytes:
    """The body, or nothing of one that takes too long or is too large."""
    try:
        return response.content
    except (requests.RequestException, OSError):
        response._content = b""  # noqa: SLF001 - who looks at it now is not to read on
        response.close()
        return b""


def _was_pooled(error: requests.ConnectionError) -> bool:
    """Whether a kept connection had died in the meantime, which is no failure yet."""
    cause = error.args[0] if error.args else None
    return isinstance(cause, ProtocolError)


def _reason(error: BaseException) -> str:
    """The operating system's words for what went wrong, or the exception's name."""
    pending: list[Any] = [error]
    for _ in range(8):
        if not pending:
            break
        current = pending.pop()
        if isinstance(current, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {current.verify_message.rstrip('.')}"
        if isinstance(current, CertificateError):  # urllib3's own word, before version 2
            return f"its certificate is not trusted: {current}"
        if isinstance(current, ssl.SSLError) and current.reason:
            return f"no TLS connection: {current.reason.lower().replace('_', ' ')}"
        if isinstance(current, OSError) and current.strerror:
            return current.strerror.lower()
        causes = (getattr(current, "reason", None), current.__cause__, current.__context__)
        pending += [e for e in (*current.args, *causes) if isinstance(e, BaseException)]
    return type(error).__name__


def _retry_after(response: requests.Response) -> float:
    """Seconds the server asks to wait; 0 when it does not say.

    A date counts by the server's own clock where it tells that: one of the two may be wrong.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    until = _unix(value)
    if until is None:
        return 0.0
    now = _unix(response.headers.get("Date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def _unix(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
