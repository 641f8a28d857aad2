# SPDX-License-Identifier: Apache-2.0
"""Asking a running ``ffe-otel serve``, which says in ``serve.json`` where it is."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffe_otel.foundation.urls import fetch, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.config import Config

SERVE_FILE = "serve.json"
_TIMEOUT_SECONDS = 10.0
_MOST_BYTES = 64 << 20
_START = "start it with 'ffe-otel serve' or 'ffe-otel run --serve -- COMMAND'"


class UnreachableError(Exception):
    """No server answers; the text says where it was looked for and what to do."""


class UntrustedError(UnreachableError):
    """A server answers, but its certificate is not one we can trust."""


class NotFoundError(LookupError):
    """The server does not know what it was asked for; the text is its answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that said where it is.

    Attributes:
        page: address of the page, without token, without a slash at the end.
        otlp_http: base address of OTLP/HTTP.
        otlp_grpc: address of OTLP/gRPC, empty when it is off.
    """

    pid: int
    page: str
    token: str
    otlp_http: str
    otlp_grpc: str
    certificate: str = ""

    @property
    def page_with_token(self) -> str:
        """The address a browser is given first."""
        return f"{self.page}/?token={urllib.parse.quote(self.token)}"

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """Ask the API.

        Args:
            path: below the address of the page, beginning with a slash.
            query: parameters; those that are None are left out.

        Raises:
            UnreachableError: no answer, or one that makes no sense.
            NotFoundError: the answer is 404.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self.page}{path}"
        if given:
            url += "?" + urllib.parse.urlencode(given)
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"})  # noqa: S310 - the address is our own server's
        try:
            # Never through a proxy of the environment: the token is for our server only.
            _, body = fetch(
                request,
                _TIMEOUT_SECONDS,
                most_bytes=_MOST_BYTES,
                proxies=False,
                context=_trusting(self.certificate),
            )
            return json.loads(body)
        except urllib.error.HTTPError as error:
            raise _refusal(error, url) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise _untrusted(reason, self.page) from None
            message = f"ffe-otel serve does not answer at {self.page}: {reason}; {_START}"
            raise UnreachableError(message) from None


def find_server(config: Config) -> Server:
    """The server that runs with this state directory.

    Raises:
        UnreachableError: there is none, or its file cannot be used.
    """
    file = Path(config.state_dir) / SERVE_FILE
    try:
        said = json.loads(file.read_text())
        server = Server(
            pid=int(said["pid"]),
            page=str(said["page"]).rstrip("/"),
            token=str(said["token"]),
            otlp_http=str(said["otlp_http"]).rstrip("/"),
            otlp_grpc=str(said.get("otlp_grpc") or ""),
            certificate=config.serve.tls_certificate,
        )
    except FileNotFoundError:
        raise UnreachableError(
            f"ffe-otel serve is not running ({file} is absent); {_START}"
        ) from None
    except OSError as error:
        raise UnreachableError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UnreachableError(f"{file} is damaged; delete it and {_START}") from None
    return server


def _trusting(certificate: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=certificate) if certificate else None


def _untrusted(error: ssl.SSLCertVerificationError, page: str) -> UntrustedError:
    host = urllib.parse.urlsplit(page).hostname
    reason = error.verify_message.rstrip(".")
    return UntrustedError(
        f"the certificate of ffe-otel serve at {page} is not trusted: {reason}; "
        f"serve.tls_certificate must be for {host}, and hold the certificates it is signed with "
        "unless it is self-signed"
    )


def _refusal(error: urllib.error.HTTPError, url: str) -> Exception:
    try:
        said = json.loads(words(error, _TIMEOUT_SECONDS))
        parts = [str(said[name]) for name in ("error", "hint") if said.get(name)]
    except (ValueError, TypeError, AttributeError):
        parts = []
    text = "; ".join(parts) or f"{url.partition('?')[0]} answers {error.code} {error.reason}"
    return NotFoundError(text) if error.code == 404 else UnreachableError(text)
