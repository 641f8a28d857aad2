# SPDX-License-Identifier: Apache-2.0
"""No credential of an exchange's client survives, however a log line renders it."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from redaction_exchanges import EXCHANGES, Signing, fill

from ffe_otel.redaction import Redactor, load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

REDACTOR = Redactor(load_catalogue())
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.015", "price": "64123.50"}
WHAT = {
    "newClientOrderId": "x-ffe-20261130-0042",
    "recvWindow": "5000",
    "timestamp": "1700000000000",
}


def as_text(headers: dict[str, str]) -> Iterator[str]:
    """Headers as clients and their libraries log them."""
    pairs = list(headers.items())
    raw = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    request = f"POST /api/v3/order HTTP/1.1\r\nHost: api.example.com\r\n{raw}\r\n"
    yield raw
    yield f"send: {request.encode()!r}"
    yield f"RequestHeaders: {headers!r} RequestBody: None"
    yield f"request headers={json.dumps(headers)}"
    yield json.dumps({"level": "debug", "message": json.dumps({"headers": headers})})
    yield f"<CIMultiDictProxy({', '.join(f'{n!r}: {v!r}' for n, v in pairs)})>"
    yield f"Headers({[(n.lower(), v) for n, v in pairs]!r})"
    yield f"headers={[(n.lower().encode(), v.encode()) for n, v in pairs]!r}"
    yield "curl -X POST " + " ".join(f"-H '{n}: {v}'" for n, v in pairs) + " https://x.example/v5"
    yield "\n".join(f"> {name}: {value}" for name, value in pairs)
    yield " | ".join(f"{name}={value}" for name, value in pairs)


def as_query(query: dict[str, str]) -> Iterator[str]:
    """Parameters of a signed request as they turn up in logs and exceptions."""
    form = urlencode({**ORDER, **WHAT, **query})
    yield f'https://api.example.com:443 "GET /api/v3/account?{form} HTTP/1.1" 200 None'
    yield f'HTTP Request: POST https://x.example/api/v3/order?{form} "HTTP/1.1 400 Bad Request"'
    yield (
        "HTTPSConnectionPool(host='api.example.com', port=443): Max retries exceeded with url:"
        f" /api/v3/order?{form} (Caused by ConnectTimeoutError)"
    )
    yield f"ClientResponseError: 401, message='Unauthorized', url=URL('https://x.example/?{form}')"
    yield f"RequestBody: {form}"
    yield f"body={form.encode()!r}"
    yield f"params: {query!r}"
    yield f"redirected to https://x.example/?next={quote('/a?' + form, safe='')}"


def as_settings(settings: dict[str, str], exchange: str) -> Iterator[str]:
    """What a client is made with."""
    yield f"config: {settings!r}"
    yield f"Client({', '.join(f'{n}={v!r}' for n, v in settings.items())})"
    yield json.dumps({"exchange": settings}, indent=2)
    yield "\n".join(
        f"{exchange.upper()}_{name.upper()}={value}" for name, value in settings.items()
    )
    yield "exchange:\n" + "".join(f"  {name}: {value}\n" for name, value in settings.items())
    yield f"Config({', '.join(f'{n}: {v}' for n, v in settings.items())})"


def as_message(message: str) -> Iterator[str]:
    """What goes over a WebSocket."""
    yield message
    yield f"> TEXT '{message}' [{len(message)} bytes]"
    yield f"send: {json.loads(message)!r}"
    yield f"ws send {json.dumps(json.loads(message), separators=(',', ':'))}"
    yield json.dumps({"event": "ws_send", "payload": message})
    yield f"b{message!r}"
    yield json.dumps(json.loads(message), indent=4)


def as_url(url: str) -> Iterator[str]:
    """Addresses with a credential in them."""
    yield url
    yield f"connecting to {url}"
    yield f"websocket closed: 1006 ({url!r})"
    yield f'{{"url": "{url}", "attempt": 3}}'
    yield f'HTTP Request: POST {url} "HTTP/1.1 200 OK"'
    yield f"url={url}, retry in 5 s"


def renderings(signing: Signing, exchange: str) -> Iterator[str]:
    if signing.headers:
        yield from as_text(signing.headers)
    if signing.query:
        yield from as_query(signing.query)
    if signing.settings:
        yield from as_settings(signing.settings, exchange)
    for message in signing.messages:
        yield from as_message(message)
    for url in signing.urls:
        yield from as_url(url)
    yield from signing.texts
    yield from (f"{text} (attempt 3)" for text in signing.texts)


def filled(signing: Signing, rng: Random) -> tuple[Signing, list[str]]:
    """The same with secrets in it, and the secrets."""
    secrets: list[str] = []

    def with_secrets(pairs: dict[str, str] | None) -> dict[str, str] | None:
        return pairs and {name: fill(value, rng, secrets) for name, value in pairs.items()}

    made = Signing(
        with_secrets(signing.headers), with_secrets(signing.query), with_secrets(signing.settings),
        *(tuple(fill(t, rng, secrets) for t in texts)
          for texts in (signing.messages, signing.urls, signing.texts)),
    )  # fmt: skip
    return made, secrets


def survivors(text: str, secrets: list[str]) -> list[str]:
    """Secrets of which eight characters in a row are left; of short ones all of it."""
    return [
        secret
        for secret in secrets
        if any(secret[at : at + 8] in text for at in range(max(1, len(secret) - 7)))
    ]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_no_credential_survives_in_a_text(exchange: str) -> None:
    left = []
    for turn in range(3):
        signing, secrets = filled(EXCHANGES[exchange], Random(f"{exchange}/{turn}"))
        for text in renderings(signing, exchange):
            assert survivors(text, secrets), "a rendering without a secret proves nothing"
            after = REDACTOR.text(text, "body")
            left += [(text, after) for _ in survivors(after, secrets)[:1]]
    assert not left, "\n".join(f"{before!r}\n  -> {after!r}" for before, after in left[:20])


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_no_credential_survives_in_a_value(exchange: str) -> None:
    for turn in range(3):
        signing, secrets = filled(EXCHANGES[exchange], Random(f"{exchange}/value/{turn}"))
        values = [v for v in (signing.headers, signing.settings, signing.query) if v]
        values += map(json.loads, signing.messages)
        for value in values:
            for given in (value, {"request": value}, {"requests": [value]}):
                after = repr(REDACTOR.mapping(given, "attribute"))
                assert not survivors(after, secrets), f"{given!r}\n  -> {after!r}"
            if all(isinstance(v, str) for v in value.values()):
                after = repr(REDACTOR.value(list(value.items()), "headers", "attribute"))
                assert not survivors(after, secrets), f"{value!r}\n  -> {after!r}"
