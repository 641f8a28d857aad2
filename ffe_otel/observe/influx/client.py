# SPDX-License-Identifier: Apache-2.0
"""InfluxDB's HTTP interface of version 1: writing lines, and statements of InfluxQL.

InfluxDB 2 answers the same requests where a database and retention policy are mapped to a
bucket; version 1 is the one with retention policies and continuous queries.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import requests
import requests.auth

from ffe_otel.foundation.http import mount
from ffe_otel.foundation.sockets import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ffe_otel.config.model import InfluxDB

TIMEOUT: Final = (3.0, 30.0)
"""Seconds to connect, and to answer."""


class Verdict(Enum):
    """What came of a write."""

    WRITTEN = "written"
    POINTS = "points"
    """Some point of the batch is refused; the others may have been written."""
    TOO_LARGE = "too_large"
    CREDENTIALS = "credentials"
    NO_DATABASE = "no_database"
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, the server's words, and the seconds it asks to wait.

    ``known`` tells whether the server said that it is an InfluxDB.
    """

    verdict: Verdict
    text: str = ""
    retry_after: float = 0.0
    known: bool = False


class InfluxError(Exception):
    """A statement that the server did not execute; the text is its reason."""


class _Basic(requests.auth.AuthBase):
    """Basic authentication in UTF-8, which InfluxDB expects and requests does not use."""

    def __init__(self, name: str, password: str) -> None:
        self._value = f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class InfluxClient:
    """One server as one user. Not thread-safe."""

    def __init__(self, config: InfluxDB, *, user: tuple[str, str] | None = None) -> None:
        """Talk to ``config.url``, as ``user`` or else as the configured writer."""
        self.url = config.url.rstrip("/")
        self._write = {"db": config.database, "rp": config.retention_policy, "precision": "ns"}
        self._session = requests.Session()
        mount(self._session)
        self._session.headers["User-Agent"] = "ffe-otel"
        name, password = user or (config.username, config.password)
        if name:
            self._session.auth = _Basic(name, password)
        else:
            # Without it requests would send what a .netrc says about the host.
            self._session.trust_env = False

    def write(self, lines: Sequence[str]) -> Answer:
        """Write points; never raises."""
        body = gzip.compress("\n".join(lines).encode(), compresslevel=1)
        try:
            with bounded(sum(TIMEOUT)):
                response = self._session.post(
                    f"{self.url}/write",
                    params=self._write,
                    data=body,
                    headers={"Content-Encoding": "gzip"},
                    timeout=TIMEOUT,
                )
        except requests.RequestException as error:
            return Answer(Verdict.UNREACHABLE, reason(error))
        return _judge(response)

    def query(self, statement: str, database: str = "") -> list[dict[str, Any]]:
        """Execute statements of InfluxQL; the results, one dictionary a statement.

        Raises:
            InfluxError: a statement failed, or the server cannot be reached.
        """
        parameters = {"q": statement, "epoch": "ns", **({"db": database} if database else {})}
        try:
            with bounded(sum(TIMEOUT)):
                response = self._session.post(f"{self.url}/query", data=parameters, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise InfluxError(f"{self.url} cannot be reached: {reason(error)}") from error
        if not response.ok:
            raise InfluxError(_words(response))
        results: list[dict[str, Any]] = response.json().get("results", [])
        for result in results:
            if "error" in result:
                raise InfluxError(str(result["error"]))
        return results

    def close(self) -> None:
        """Close connections."""
        self._session.close()


def _judge(response: requests.Response) -> Answer:
    known = "X-Influxdb-Version" in response.headers
    if response.ok:
        return Answer(Verdict.WRITTEN, known=known)
    text, wait = _words(response), response.headers.get("Retry-After", "")
    verdict = _verdict(response.status_code, text)
    return Answer(verdict, text, float(wait) if wait.isdigit() else 0.0, known)


def _verdict(status: int, text: str) -> Verdict:
    if "retention policy not found" in text:
        # InfluxDB 1 says 500 here.
        return Verdict.NO_DATABASE
    verdicts: dict[int, Verdict] = {
        HTTPStatus.BAD_REQUEST: Verdict.POINTS,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Verdict.TOO_LARGE,
        HTTPStatus.UNAUTHORIZED: Verdict.CREDENTIALS,
        HTTPStatus.FORBIDDEN: Verdict.CREDENTIALS,
        HTTPStatus.NOT_FOUND: Verdict.NO_DATABASE,
        HTTPStatus.TOO_MANY_REQUESTS: Verdict.BUSY,
        HTTPStatus.SERVICE_UNAVAILABLE: Verdict.BUSY,
    }
    return verdicts.get(status, Verdict.SERVER_ERROR)


def _words(response: requests.Response) -> str:
    try:
        said = response.json()
    except ValueError:
        said = None
    text = said.get("error") or said.get("message") if isinstance(said, dict) else None
    return str(text or response.text or response.reason).strip()[:500]


def reason(error: BaseException | None) -> str:
    """The operating system's words for what went wrong, or the exception's name."""
    name = "no answer in time" if isinstance(error, requests.Timeout) else type(error).__name__
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror.lower()
        error = error.__cause__ or error.__context__
    return name
