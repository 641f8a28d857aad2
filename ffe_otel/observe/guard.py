# SPDX-License-Identifier: Apache-2.0
"""Who may talk to the backend: Host header, token, and the headers every page carries."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ffe_otel.observe.addresses import is_loopback
from ffe_otel.observe.viewer import CONTENT_SECURITY_POLICY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE: Final = "ffe_otel_token"
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HINT: Final = "run `ffe-otel serve` or look at its output: it prints the address with the token"
_HINT_WRONG: Final = "it may be of another or an earlier server; "
_PAGE_401: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ffe-otel: {error}</title></head>
<body><h1>{heading}</h1>
<p>Open the address that <code>ffe-otel serve</code> printed when it started; it ends in
<code>?token=&hellip;</code>. The browser remembers it from then on.</p></body></html>
"""
_FOREIGN: Final = JSONResponse(
    {"error": "a page of another address asks", "hint": "send the token as a bearer token"},
    status_code=403,
)
_LIFESPAN: Final = "lifespan"
_WEBSOCKET: Final = "websocket"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY_VIOLATION: Final = 1008
"""RFC 6455: why a WebSocket is closed."""
_HEADING: Final = "This page needs its token"
_HEADING_WRONG: Final = "The token is wrong; it may be of another or an earlier server"


class HostGuard:
    """Refuses requests for another host name.

    A page on the internet can point its own name at 127.0.0.1 and would then be
    same-origin with this server (DNS rebinding); its requests still carry its name.
    """

    def __init__(self, app: ASGIApp, allowed: frozenset[str] | None) -> None:
        """Let requests to the ``allowed`` host names through; None allows every name."""
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 or hand on."""
        if _is_request(scope) and self.allowed is not None:
            hosts = [_host_name(h) for h in Headers(scope=scope).getlist("host")] or [""]
            strange = [h for h in hosts if h not in self.allowed and not is_loopback(h)]
            if strange:
                answer = JSONResponse(
                    {
                        "error": f"this server is not {strange[0]!r}",
                        "hint": "use its address 127.0.0.1",
                    },
                    status_code=421,
                )
                await _refuse(answer, scope, receive, send)
                return
            if self._is_of_a_page(scope):
                await _refuse(_FOREIGN, scope, receive, send)
                return
        if _is_request(scope) or scope["type"] == _LIFESPAN:
            await self.app(scope, receive, send)

    def _is_of_a_page(self, scope: Scope) -> bool:
        """Whether a page of another machine has a browser send something here.

        It cannot read the answer, and need not: OTLP on loopback asks for no token.
        """
        origin = Headers(scope=scope).get("origin")
        if origin is None or (scope["type"] == "http" and scope["method"] in _SAFE):
            return False
        host = _host_name(origin.partition("://")[2])
        return host not in (self.allowed or ()) and not is_loopback(host)


def _is_request(scope: Scope) -> bool:
    """Whether somebody from outside asks: by HTTP, or to open a WebSocket."""
    return scope["type"] in {"http", _WEBSOCKET}


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer to whoever asks; to who opens a WebSocket, that it is closed."""
    speaks_http = scope["type"] != _WEBSOCKET
    if speaks_http or "websocket.http.response" in scope.get("extensions", {}):
        await answer(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "refused"})


def _host_name(header: str) -> str:
    if header.startswith("["):
        return header.partition("]")[0].lstrip("[").lower()
    return header.partition(":")[0].lower().removesuffix(".")


class TokenGuard:
    """Lets requests with the token through.

    The token comes as a bearer token, as the cookie, or once in the address, from where
    it moves into the cookie so that it stays out of histories and screenshots.
    """

    def __init__(self, app: ASGIApp, token: str, *, secure: bool, browser: bool = True) -> None:
        """Guard ``app``; ``secure`` cookies need TLS; without ``browser`` only Bearer counts."""
        self.app = app
        self.token = token.encode()
        # Browsers keep cookies by host and not by port, so that two servers of one machine
        # would take each other's. A name made from the token outlives a change of the port
        # and needs to know nothing of a proxy in front.
        self.cookie = f"{_COOKIE}_{hashlib.sha256(self.token).hexdigest()[:8]}"
        self.secure = secure
        self.browser = browser

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 303, or hand on."""
        if not _is_request(scope):
            # Whatever else a server may come to know, nobody has thought of guarding it.
            if scope["type"] == _LIFESPAN:
                await self.app(scope, receive, send)
            return
        # A WebSocket is opened by a request like any other.
        request = Request({**scope, "type": "http", "method": scope.get("method", "GET")})
        given = self._given(request)
        answer: Response | None = None
        if not any(map(self._matches, given)):
            answer = _unauthorised(request, wrong=any(given))
        elif self._foreign(request, scope):
            answer = _FOREIGN
        elif (
            scope["type"] == "http"
            and self._in_address(request)
            and not request.url.path.startswith("/api/")
        ):
            answer = self._remember(request)
        if answer is None:
            await self.app(scope, receive, send)
        else:
            await _refuse(answer, scope, receive, send)

    def _foreign(self, request: Request, scope: Scope) -> bool:
        """Whether a page of somewhere else makes a browser send what only its cookie allows.

        Browsers keep no page from opening a WebSocket to another host, or from posting to it.
        """
        origin = request.headers.get("origin")
        if origin is None or (scope["type"] == "http" and request.method in _SAFE):
            return False
        kind = request.headers.get("authorization", "").partition(" ")[0].lower()
        own = {f"{scheme}://{request.headers.get('host', '')}" for scheme in ("http", "https")}
        return kind != "bearer" and origin.lower() not in {o.lower() for o in own}

    def _in_address(self, request: Request) -> bool:
        return self.browser and "token" in request.query_params

    def _given(self, request: Request) -> list[str]:
        """The tokens a request comes with; one in the address counts alone."""
        if self._in_address(request):
            return [request.query_params["token"]]
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = [bearer.strip()] if kind.lower() == "bearer" else []
        return [*given, request.cookies.get(self.cookie, "")] if self.browser else given

    def _matches(self, candidate: str) -> bool:
        return hmac.compare_digest(candidate.encode("utf-8", "replace"), self.token)

    def _remember(self, request: Request) -> Response:
        rest = [
            (k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k != "token"
        ]
        # A path that begins with two slashes would lead the browser to another host.
        path = "/" + request.url.path.lstrip("/")
        answer = RedirectResponse(f"{path}?{urlencode(rest)}" if rest else path, status_code=303)
        answer.set_cookie(
            self.cookie, self.token.decode(), max_age=30 * 86_400, path="/", httponly=True,
            samesite="strict", secure=self.secure,
        )  # fmt: skip
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _unauthorised(request: Request, *, wrong: bool) -> Response:
    headers = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
    error = "the token is wrong" if wrong else "token needed"
    if "text/html" in request.headers.get("accept", ""):
        page = _PAGE_401.format(error=error, heading=_HEADING_WRONG if wrong else _HEADING)
        return HTMLResponse(page, status_code=401, headers=headers)
    hint = _HINT_WRONG + _HINT if wrong else _HINT
    return JSONResponse({"error": error, "hint": hint}, status_code=401, headers=headers)


class SecurityHeaders:
    """Adds the headers that keep a browser from doing anything clever with the pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and add the headers to what comes back."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)
