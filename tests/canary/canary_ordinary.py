# SPDX-License-Identifier: Apache-2.0
"""What a trading agent says all day and what redaction must leave alone."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from canary_kind import ALNUM, BASE58, DIGITS, HEX, LOWER_ALNUM, UPPER, URLSAFE, draw, luhn, uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TICKERS = "AAPL MSFT GOOG AMZN NVDA TSLA META JPM XOM BRK.B SAP.DE 7203.T ^GSPC ES=F GC=F".split
PAIRS = "BTCUSD ETHUSD BTC-USD EUR_USD GBP/JPY SOL-PERP XBTUSDT USDJPY BTC/USDT:USDT".split
MODELS = "gpt-4o-mini claude-sonnet-4-5 llama3.1:8b deepseek-r1:8b gemini-2.5-pro".split
FILES = "main.py core.py decisions/2026-01-05.jsonl memory/portfolio.json ffe.log.3.gz".split


@dataclass(frozen=True, slots=True)
class Ordinary:
    """A sort of value: the keys it stands under and the sentences it stands in."""

    name: str
    make: Callable[[Random], str]
    keys: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One value in its three contexts."""

    sort: str
    key: str
    value: str
    text: str

    @property
    def document(self) -> str:
        """The value in a JSON text."""
        return json.dumps({"asset_pair": "BTCUSD", self.key: self.value, "n": 5})


def _isin(rng: Random) -> str:
    body = rng.choice(("US", "DE", "GB", "FR", "IE", "CH")) + draw(rng, UPPER + DIGITS, 9)
    digits = "".join(str(int(c, 36)) for c in body)
    return f"{body}{luhn(digits)}"


def _timestamp(rng: Random) -> str:
    seconds = rng.randint(1_700_000_000, 1_800_000_000)
    month, day, hour = rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23)
    return rng.choice(
        (
            f"2026-{month:02d}-{day:02d}T{hour:02d}:{rng.randint(0, 59):02d}:07.{seconds % 10**6}Z",
            f"2026-{month:02d}-{day:02d} {hour:02d}:30:00,{seconds % 1000:03d}",
            f"2026{month:02d}{day:02d}-{hour:02d}3015",
            str(seconds),
            str(seconds * 1000 + rng.randrange(1000)),
            str(seconds * 10**6 + rng.randrange(10**6)),
            str(seconds * 10**9 + rng.randrange(10**9)),
            f"{seconds}.{rng.randrange(10**6):06d}",
        )
    )


def _price(rng: Random) -> str:
    value = rng.uniform(0.00001, 99_999)
    return rng.choice(
        (f"{value:.2f}", f"{value:.5f}", f"{value:.8f}", f"{value:,.2f}", repr(value))
    )


def _number(rng: Random) -> str:
    return rng.choice(
        (
            str(rng.randint(0, 10**6)),
            f"-{rng.random():.4f}",
            f"{rng.random():.3%}",
            f"{rng.random():.6e}",
            repr(rng.random()),
            f"{rng.randint(1, 5000)}ms",
            f"0x{rng.randrange(16**12):x}",
        )
    )


def _order_id(rng: Random) -> str:
    return rng.choice(
        (
            lambda: uuid(rng),
            lambda: draw(rng, DIGITS, 10),
            lambda: draw(rng, DIGITS, 11),
            lambda: draw(rng, DIGITS, 5),
            lambda: f"O{draw(rng, UPPER, 5)}-{draw(rng, UPPER, 5)}-{draw(rng, UPPER, 6)}",
            lambda: f"ffe-20260105-BTCUSD-{draw(rng, DIGITS, 4)}",
            lambda: f"x-{draw(rng, ALNUM, 8)}{draw(rng, HEX, 22)}",
            lambda: f"decision_{draw(rng, HEX, 12)}",
        )
    )()


def _version(rng: Random) -> str:
    number = f"{rng.randint(0, 40)}.{rng.randint(0, 30)}.{rng.randint(0, 300)}"
    return rng.choice(
        (number, f"v{number}", f"{number}rc1", f"numpy=={number}", f"react@{number}", f"{number}+g")
    )


def _path(rng: Random) -> str:
    name = rng.choice(FILES())
    return rng.choice(
        (
            f"/srv/ffe/{draw(rng, LOWER_ALNUM, 6)}/{name}",
            f"finance_feedback_engine/agent/{name}",
            f"C:\\ffe\\data\\{draw(rng, LOWER_ALNUM, 8)}\\{name.replace('/', chr(92))}",
            f"s3://ffe-prices/{rng.randint(2010, 2026)}/{name}",
            f"/tmp/tmp{draw(rng, LOWER_ALNUM + '_', 8)}/{name}",
            f"data/decisions/2026-01-05_{uuid(rng)}.json",
        )
    )


def _blob(rng: Random) -> str:
    data = rng.randbytes(rng.choice((12, 24, 33, 48, 96, 300)))
    return rng.choice((base64.b64encode, base64.urlsafe_b64encode))(data).decode()


def _uuid7(rng: Random) -> str:
    return (
        f"019b{draw(rng, HEX, 4)}-{draw(rng, HEX, 4)}-7{draw(rng, HEX, 3)}-a{draw(rng, HEX, 15)}"[
            :36
        ]
    )


def _hex(length: int) -> Callable[[Random], str]:
    return lambda rng: draw(rng, HEX, length)


def _address(rng: Random) -> str:
    return rng.choice(
        (
            f"0x{draw(rng, HEX, 40)}",
            f"bc1q{draw(rng, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l', 38)}",
            draw(rng, BASE58, 44),
        )
    )


def _server(rng: Random) -> str:
    port = rng.randint(1024, 65535)
    return rng.choice(
        (f"127.0.0.1:{port}", f"http://localhost:{port}/v1/traces", f"redis://cache:{port}/0",
         f"https://api.coinbase.com/products/BTC-USD/candles?limit={port % 300}",
         f"postgresql://db.internal:{port}/trades", f"ollama.service-{port}.svc.cluster.local")
    )  # fmt: skip


def _tokens(rng: Random) -> str:
    return str(rng.randint(1, 200_000))


ORDINARY = (
    Ordinary("trace_id", _hex(32), ("trace_id", "traceID", "parent"),
             ("trace {} was sampled", "see http://127.0.0.1:4319/trace/{}",
              "traceparent: 00-{}-00f067aa0ba902b7-01")),
    Ordinary("span_id", _hex(16), ("span_id", "parent_span_id"), ("span {} ended twice",)),
    Ordinary("uuid4", uuid, ("correlation_id", "decision_id", "request_id", "idempotency_key"),
             ("decision {} saved", "correlation id {}", "run {} is resumed")),
    Ordinary("uuid7", _uuid7, ("event_id", "id"), ("event {} written",)),
    Ordinary("git_hash", _hex(40), ("git.commit", "vcs.ref.head.revision"),
             ("built from {}", "HEAD is now at {} Bound the queue")),
    Ordinary("short_hash", _hex(7), ("commit", "build"), ("version 0.10.1 sha={} branch=main",)),
    Ordinary("sha256", _hex(64), ("sha256", "digest", "content_hash", "etag"),
             ("downloaded model sha256:{}", "checksum {} matches", "image@sha256:{}")),
    Ordinary("md5", _hex(32), ("md5", "prompt_hash", "ETag"), ("cached under {}",)),
    Ordinary("transaction_hash", lambda rng: f"0x{draw(rng, HEX, 64)}", ("tx_hash", "block.hash"),
             ("transaction {} confirmed in block 21000000",)),
    Ordinary("chain_address", _address, ("wallet.address", "to"), ("sent 0.5 ETH to {}",)),
    Ordinary("order_id", _order_id, ("order_id", "client_order_id", "trade_id"),
             ("order {} filled at 50000.10", "Order {} rejected: insufficient margin",
              "GET /v3/orders/{} 200")),
    Ordinary("price", _price, ("price", "exit_price", "stop_loss", "vwap"),
             ("BTCUSD filled at {}", "stop loss moved to {} after 3 bars", "bid {} ask 50001.5")),
    Ordinary("timestamp", _timestamp, ("timestamp", "created_at", "start_time_unix_nano"),
             ("last candle at {}", "clock skew since {}")),
    Ordinary("ticker", lambda rng: rng.choice(TICKERS()), ("symbol", "ticker"), ("buying {} now",)),
    Ordinary("pair", lambda rng: rng.choice(PAIRS()), ("asset_pair", "instrument"),
             ("State of {}: flat", "cache_key=market_data:{}:1h")),
    Ordinary("isin", _isin, ("isin", "security_id"),
             ("bought 10 of {}", "ISIN {} is not tradable")),
    Ordinary("blob", _blob, ("chart.png", "payload", "body", "embedding"),
             ("image data:image/png;base64,{}", "received {}")),
    Ordinary("path", _path, ("code.file.path", "path", "log.file.name"),
             ("saved to {}", 'File "{}", line 42, in analyze', "cannot open {}: no such file")),
    Ordinary("version", _version, ("service.version", "version"), ("running {}", "upgrade to {}")),
    Ordinary("number", _number, ("confidence", "score", "duration", "offset"),
             ("Cycle phase durations (s): PERCEPTION={} REASONING=0.81", "Local LLM took {}")),
    Ordinary("server", _server, ("server.address", "url.full", "endpoint"),
             ("connected to {}", "listening on {}", "Connection refused: {}")),
    Ordinary("model", lambda rng: rng.choice(MODELS()), ("gen_ai.request.model", "model"),
             ("Using model: {} (instance default)",)),
    Ordinary("tokens", _tokens, ("gen_ai.usage.input_tokens", "max_tokens", "total_tokens"),
             ("prompt tokens: {}, completion tokens: 512", "max_tokens={} temperature=0.2",
              "token budget {} exceeded", "rate limiter: {} tokens/sec")),
)  # fmt: skip

# Opaque in form, and no secret: one in some thousand looks like a vendor's key.
CURSORS = (
    Ordinary("cursor", lambda rng: draw(rng, URLSAFE, 24), ("cursor", "next_page"),
             ("fetching the page after {}",)),
)  # fmt: skip

# Said about secrets, without one.
SENTENCES = (
    "API key for alpha_vantage is missing; set ALPHA_VANTAGE_API_KEY",
    "password authentication failed for user ffe",
    "invalid api key format",
    "Authorization header is missing",
    "no bearer token was sent",
    "401 Client Error: Unauthorized for url: https://api.coinbase.com/products",
    "secret rotation is due in 5 days",
    "token expired, asking for a new one",
    "session started, cookies are off",
    "signature mismatch, clock skew of 3.2 s?",
    "random seed: 42, phrase: market open",
    "the private key is read from a file",
    "primary key violation in table trades",
    "wallet is empty; nothing to sell",
    "account is restricted to closing orders",
    "password must not be empty",
    "credentials: none configured for platform paper",
    "api_key=None",
    "api_key: null",
    "token=<unset>",
    "password=***",
    "Momentum is strong above the moving average, but volume fades; hold until the close.",
    "The market opened lower, and the yield curve is flat; reduce exposure before the meeting.",
    "Bulls point to earnings growth; bears to rates. Confidence 62, hold.",
)


def ordinary(count: int, seed: str, sorts: Sequence[Ordinary] = ORDINARY) -> Iterator[Value]:
    """So many values, every sort in turn."""
    rng = Random(seed)
    for number in range(count):
        sort = sorts[number % len(sorts)]
        value = sort.make(rng)
        text = rng.choice(sort.texts).replace("{}", value)
        yield Value(sort.name, rng.choice(sort.keys), value, text)
