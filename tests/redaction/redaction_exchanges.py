# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501, ISC004 - a table
"""How clients of exchanges, brokers and nodes carry their credentials.

Written down from the exchanges' documents. ``<hex 64>`` and the like stand for secrets of that
alphabet and length, which are drawn anew in each run; nothing here is or was a credential.
"""

from __future__ import annotations

import base64
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_ALPHABETS: Final = {
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "digits": string.digits,
    "alnum": string.ascii_letters + string.digits,
    "lower": string.ascii_lowercase + string.digits,
    "UPPER": string.ascii_uppercase + string.digits,
    "url": string.ascii_letters + string.digits + "-_",
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
}
_PLACE: Final = re.compile(r"<([A-Za-z0-9]+) ([0-9]+)>")


@dataclass(frozen=True, slots=True)
class Signing:
    """What a client of one exchange sends and keeps.

    Attributes:
        headers: of a signed request.
        query: parameters of a signed request's URL or form.
        settings: what the client is made with.
        messages: JSON that logs in to a WebSocket, or is answered.
        urls: addresses with a credential in them.
        texts: log lines and exception texts.
    """

    headers: dict[str, str] | None = None
    query: dict[str, str] | None = None
    settings: dict[str, str] | None = None
    messages: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def fill(template: str, rng: Random, secrets: list[str]) -> str:
    """Put secrets into a template; what was drawn is appended to ``secrets``."""

    def drawn(place: re.Match[str]) -> str:
        secrets.append(_draw(rng, place[1], int(place[2])))
        return secrets[-1]

    return _PLACE.sub(drawn, template)


def _draw(rng: Random, kind: str, length: int) -> str:
    if kind == "base64":
        return base64.b64encode(rng.randbytes(length)).decode()
    if kind == "uuid":
        digits = "".join(rng.choices(_ALPHABETS["hex"], k=32))
        parts = digits[:8], digits[8:12], "4" + digits[13:16], "a" + digits[17:20], digits[20:]
        return "-".join(parts)
    if kind == "jwt":
        return "eyJhbGciOiJFUzI1NiJ9." + ".".join(_draw(rng, "url", n) for n in (length, 86))
    while True:
        text = "".join(rng.choices(_ALPHABETS[kind], k=length))
        if kind == "digits" or (any(map(str.isdigit, text)) and any(map(str.isalpha, text))):
            return text


EXCHANGES: Final = {
    "binance": Signing(
        headers={"X-MBX-APIKEY": "<alnum 64>"},
        query={"signature": "<hex 64>"},
        settings={"apiKey": "<alnum 64>", "secret": "<alnum 64>"},
        messages=(
            '{"id": 5, "method": "session.logon", "params": {"apiKey": "<alnum 64>",'
            ' "signature": "<base64 64>", "timestamp": 1700000000000}}',
            '{"listenKey": "<alnum 64>"}',
            '{"method": "SUBSCRIBE", "params": ["<alnum 64>"], "id": 3}',
            '{"e": "listenKeyExpired", "E": 1700000000000, "listenKey": "<alnum 64>"}',
        ),
        urls=(
            "wss://stream.binance.com:9443/ws/<alnum 64>",
            "wss://stream.binance.com:9443/stream?streams=<alnum 64>",
            "wss://stream.binance.com:9443/stream?streams=btcusdt@trade/<alnum 64>",
            "wss://fstream.binance.com/private/ws?listenKey=<alnum 64>&events=ORDER_TRADE_UPDATE",
            "https://api.binance.com/api/v3/userDataStream?listenKey=<alnum 64>",
        ),
        texts=(
            "listen key <alnum 64> keepalive failed",
            "Reconnecting user stream, listenKey: <alnum 64>",
            "binance fetch Request: binance GET https://api.binance.com/api/v3/account?timestamp=1"
            "&signature=<hex 64> RequestHeaders: {'X-MBX-APIKEY': '<alnum 64>'} RequestBody: None",
            "Client(api_key='<alnum 64>', api_secret='<alnum 64>', tld='com')",
        ),
    ),
    "bybit": Signing(
        headers={
            "X-BAPI-API-KEY": "<alnum 18>", "X-BAPI-SIGN": "<hex 64>", "X-BAPI-SIGN-TYPE": "2",
            "X-BAPI-TIMESTAMP": "1700000000000", "X-BAPI-RECV-WINDOW": "5000",
        },
        query={"api_key": "<alnum 18>", "sign": "<hex 64>"},
        settings={"api_key": "<alnum 18>", "api_secret": "<alnum 36>"},
        messages=(
            '{"op": "auth", "args": ["<alnum 18>", 1700000000000, "<hex 64>"]}',
            '{"req_id": "1", "op": "auth", "args": ["<alnum 18>", "1700000000000", "<hex 64>"]}',
            '{"op":"auth","args":["<alnum 18>",1700000000000,"<hex 64>"]}',
        ),
        texts=("HTTP(testnet=False, api_key='<alnum 18>', api_secret='<alnum 36>')",),
    ),
    "okx": Signing(
        headers={
            "OK-ACCESS-KEY": "<uuid 36>", "OK-ACCESS-SIGN": "<base64 32>",
            "OK-ACCESS-TIMESTAMP": "2026-11-30T12:00:00.000Z", "OK-ACCESS-PASSPHRASE": "<alnum 12>",
        },
        settings={"apiKey": "<uuid 36>", "secret": "<HEX 32>", "password": "<alnum 12>"},
        messages=(
            '{"op": "login", "args": [{"apiKey": "<uuid 36>", "passphrase": "<alnum 12>",'
            ' "timestamp": "1700000000", "sign": "<base64 32>"}]}',
        ),
        texts=("AccountAPI('<uuid 36>', '<HEX 32>', '<alnum 12>', False, '0')",),
    ),
    "kucoin": Signing(
        headers={
            "KC-API-KEY": "<hex 24>", "KC-API-SIGN": "<base64 32>",
            "KC-API-PASSPHRASE": "<base64 32>", "KC-API-KEY-VERSION": "2",
            "KC-API-PARTNER-SIGN": "<base64 32>",
        },
        settings={"apiKey": "<hex 24>", "secret": "<uuid 36>", "password": "<alnum 10>"},
        messages=('{"code": "200000", "data": {"token": "<url 180>", "instanceServers": []}}',),
        urls=("wss://ws-api-spot.kucoin.com/?token=<url 180>&connectId=17",),
        texts=("kucoin bullet token <url 180> expires",),
    ),
    "kraken": Signing(
        headers={"API-Key": "<base64 42>", "API-Sign": "<base64 64>"},
        query={"otp": "<digits 6>"},
        settings={"apiKey": "<base64 42>", "secret": "<base64 64>", "twofa": "<digits 6>"},
        messages=(
            '{"event": "subscribe", "subscription": {"name": "ownTrades", "token": "<base64 32>"}}',
            '{"method": "add_order", "params": {"symbol": "BTC/USD", "token": "<base64 32>"}}',
            '{"error": [], "result": {"token": "<base64 32>", "expires": 900}}',
        ),
    ),
    "kraken futures": Signing(
        headers={"APIKey": "<base64 42>", "Authent": "<base64 64>", "Nonce": "1700000000000"},
        messages=(
            '{"event": "subscribe", "feed": "fills", "api_key": "<base64 42>",'
            ' "original_challenge": "<uuid 36>", "signed_challenge": "<base64 64>"}',
        ),
    ),
    "coinbase": Signing(
        headers={
            "CB-ACCESS-KEY": "<hex 32>", "CB-ACCESS-SIGN": "<hex 64>",
            "CB-ACCESS-TIMESTAMP": "1700000000", "CB-ACCESS-PASSPHRASE": "<lower 11>",
            "Authorization": "Bearer <jwt 120>",
        },
        settings={"id": "1f9c", "privateKey": "<base64 64>"},
        messages=(
            '{"type": "subscribe", "channel": "user", "jwt": "<jwt 120>"}',
            '{"type": "subscribe", "signature": "<base64 32>", "key": "<hex 32>",'
            ' "passphrase": "<lower 11>", "timestamp": "1700000000"}',
            '{"name": "organizations/<uuid 36>/apiKeys/<uuid 36>", "privateKey":'
            ' "-----BEGIN EC PRIVATE KEY-----\\n<base64 45>\\n-----END EC PRIVATE KEY-----\\n"}',
        ),
        texts=(
            "RESTClient(api_key='organizations/<uuid 36>/apiKeys/<uuid 36>', api_secret="
            "'-----BEGIN EC PRIVATE KEY-----\\n<base64 45>\\n-----END EC PRIVATE KEY-----\\n')",
        ),
    ),
    "bitget": Signing(
        headers={
            "ACCESS-KEY": "bg_<hex 32>", "ACCESS-SIGN": "<base64 32>",
            "ACCESS-PASSPHRASE": "<alnum 12>", "ACCESS-TIMESTAMP": "1700000000000",
        },
        settings={"apiKey": "bg_<hex 32>", "secret": "<hex 64>", "password": "<alnum 12>"},
        messages=(
            '{"op": "login", "args": [{"apiKey": "bg_<hex 32>", "passphrase": "<alnum 12>",'
            ' "timestamp": "1700000000", "sign": "<base64 32>"}]}',
        ),
    ),
    "gate": Signing(
        headers={"KEY": "<hex 32>", "Timestamp": "1700000000.123", "SIGN": "<hex 128>"},
        settings={"apiKey": "<hex 32>", "secret": "<hex 64>"},
        messages=(
            '{"channel": "spot.orders", "event": "subscribe", "auth": {"method": "api_key",'
            ' "KEY": "<hex 32>", "SIGN": "<hex 128>"}}',
            '{"channel": "spot.login", "event": "api", "payload": {"api_key": "<hex 32>",'
            ' "signature": "<hex 128>", "timestamp": "1700000000", "req_id": "1"}}',
        ),
        texts=("Configuration(key='<hex 32>', secret='<hex 64>')",),
    ),
    "bitfinex": Signing(
        headers={
            "bfx-nonce": "1700000000000", "bfx-apikey": "<alnum 43>", "bfx-signature": "<hex 96>",
            "bfx-token": "pub:api:<uuid 36>-caps",
        },
        settings={"apiKey": "<alnum 43>", "secret": "<alnum 43>"},
        messages=(
            '{"event": "auth", "apiKey": "<alnum 43>", "authSig": "<hex 96>", "authNonce":'
            ' 1700000000000, "authPayload": "AUTH1700000000000"}',
        ),
    ),
    "deribit": Signing(
        headers={"Authorization": "deri-hmac-sha256 id=<url 8>,ts=1700000000000,sig=<hex 64>,nonce=a1"},
        query={"client_secret": "<url 43>"},
        settings={"client_id": "Jx7bQ2Lk", "client_secret": "<url 43>"},
        messages=(
            '{"jsonrpc": "2.0", "id": 1, "method": "public/auth", "params": {"grant_type":'
            ' "client_credentials", "client_id": "Jx7bQ2Lk", "client_secret": "<url 43>"}}',
            '{"method": "public/auth", "params": {"grant_type": "client_signature", "client_id":'
            ' "Jx7bQ2Lk", "timestamp": 1700000000000, "signature": "<hex 64>", "nonce": "a1b2",'
            ' "data": ""}}',
            '{"result": {"access_token": "1700000000000.<url 8>.<url 90>", "refresh_token":'
            ' "1700000000000.<url 8>.<url 90>", "scope": "trade:read_write"}}',
        ),
    ),
    "hyperliquid": Signing(
        settings={"privateKey": "0x<hex 64>", "secret_key": "0x<hex 64>"},
        messages=(
            '{"secret_key": "0x<hex 64>", "account_address": "0x00aa", "multi_sig": {}}',
        ),
        texts=(
            "account = eth_account.Account.from_key('0x<hex 64>')",
            "agent wallet 0x<hex 64> approved",
            "agent_key=0x<hex 64>",
        ),
    ),
    "dydx": Signing(
        headers={
            "DYDX-SIGNATURE": "<base64 32>", "DYDX-API-KEY": "<uuid 36>",
            "DYDX-PASSPHRASE": "<url 20>", "DYDX-TIMESTAMP": "2026-11-30T12:00:00.000Z",
        },
        settings={"stark_private_key": "<hex 63>", "passphrase": "<url 20>"},
    ),
    "oanda": Signing(
        headers={"Authorization": "Bearer <hex 32>-<hex 32>"},
        settings={"access_token": "<hex 32>-<hex 32>", "account_id": "101-004-<digits 7>-001"},
        urls=("https://api-fxtrade.oanda.com/v3/accounts/101-004-<digits 7>-001/orders",),
    ),
    "alpaca": Signing(
        headers={"APCA-API-KEY-ID": "PK<UPPER 18>", "APCA-API-SECRET-KEY": "<alnum 40>"},
        settings={"key_id": "PK<UPPER 18>", "secret_key": "<alnum 40>"},
        messages=(
            '{"action": "auth", "key": "PK<UPPER 18>", "secret": "<alnum 40>"}',
            '{"action": "authenticate", "data": {"key_id": "PK<UPPER 18>",'
            ' "secret_key": "<alnum 40>"}}',
        ),
        texts=("TradingClient('PK<UPPER 18>', '<alnum 40>', paper=True)",),
    ),
    "ibkr": Signing(
        headers={
            "Authorization": 'OAuth realm="limited_poa", oauth_consumer_key="<UPPER 9>",'
            ' oauth_token="<hex 20>", oauth_signature="<base64 32>", oauth_nonce="a1"',
            "Cookie": "api=<hex 32>; x-sess-uuid=0.<hex 20>",
        },
        settings={"access_token_secret": "<base64 64>", "live_session_token": "<base64 20>"},
        messages=('{"session": "<hex 32>", "ssoExpires": 540000}',),
    ),
    "bitstamp": Signing(
        headers={
            "X-Auth": "BITSTAMP <alnum 32>", "X-Auth-Signature": "<HEX 64>",
            "X-Auth-Nonce": "1f9c", "X-Auth-Timestamp": "1700000000000", "X-Auth-Version": "v2",
        },
        query={"key": "<alnum 32>", "signature": "<HEX 64>"},
        messages=(
            '{"event": "bts:subscribe", "data": {"channel": "private-my_orders_btcusd-9",'
            ' "auth": "<alnum 32>"}}',
        ),
    ),
    "gemini": Signing(
        headers={
            "X-GEMINI-APIKEY": "account-<alnum 20>", "X-GEMINI-SIGNATURE": "<hex 96>",
            "X-GEMINI-PAYLOAD": "<base64 60>",
        },
        settings={"apiKey": "account-<alnum 20>", "secret": "<alnum 27>"},
    ),
    "htx": Signing(
        query={
            "AccessKeyId": "<hex 8>-<hex 8>-<hex 8>-<hex 5>", "SignatureMethod": "HmacSHA256",
            "SignatureVersion": "2", "Signature": "<base64 32>",
        },
        settings={"access_key": "<hex 8>-<hex 8>-<hex 8>-<hex 5>", "secret_key": "<hex 8>-<hex 8>"},
        messages=(
            '{"action": "req", "ch": "auth", "params": {"authType": "api", "accessKey":'
            ' "<hex 8>-<hex 8>-<hex 8>-<hex 5>", "signatureVersion": "2.1",'
            ' "signature": "<base64 32>"}}',
            '{"op": "auth", "type": "api", "AccessKeyId": "<hex 8>-<hex 8>-<hex 8>-<hex 5>",'
            ' "Signature": "<base64 32>"}',
        ),
    ),
    "mexc": Signing(
        headers={
            "X-MEXC-APIKEY": "mx0<alnum 15>", "ApiKey": "mx0<alnum 15>",
            "Request-Time": "1700000000000", "Signature": "<hex 64>",
        },
        query={"signature": "<hex 64>"},
        messages=(
            '{"method": "login", "param": {"apiKey": "mx0<alnum 15>", "reqTime": "1700000000000",'
            ' "signature": "<hex 64>"}}',
        ),
        urls=("wss://wbs-api.mexc.com/ws?listenKey=<hex 64>",),
    ),
    "bitmart": Signing(
        headers={"X-BM-KEY": "<hex 40>", "X-BM-SIGN": "<hex 64>", "X-BM-TIMESTAMP": "1700000000000"},
        settings={"apiKey": "<hex 40>", "secret": "<hex 64>", "uid": "<alnum 9>"},
        messages=(
            '{"op": "login", "args": ["<hex 40>", "1700000000000", "<hex 64>"]}',
            '{"action": "access", "args": ["<hex 40>", "1700000000000", "<hex 64>", "web"]}',
        ),
        texts=(
            "APISpot(api_key='<hex 40>', secret_key='<hex 64>', memo='<alnum 9>')",
            "BITMART_MEMO=<lower 9>",
        ),
    ),
    "bitmex": Signing(
        headers={"api-key": "<url 24>", "api-signature": "<hex 64>", "api-expires": "1700000000"},
        settings={"apiKey": "<url 24>", "secret": "<url 48>"},
        messages=('{"op": "authKeyExpires", "args": ["<url 24>", 1700000000, "<hex 64>"]}',),
        urls=(
            "wss://ws.bitmex.com/realtime?api-expires=1700000000&api-signature=<hex 64>"
            "&api-key=<url 24>",
        ),
    ),
    "phemex": Signing(
        headers={
            "x-phemex-access-token": "<uuid 36>", "x-phemex-request-signature": "<hex 64>",
            "x-phemex-request-expiry": "1700000000",
        },
        settings={"apiKey": "<uuid 36>", "secret": "<url 86>"},
        messages=(
            '{"method": "user.auth", "params": ["API", "<uuid 36>", "<hex 64>", 1700000000],'
            ' "id": 1}',
        ),
    ),
    "woo": Signing(
        headers={
            "x-api-key": "<base64 16>", "x-api-signature": "<hex 64>",
            "x-api-timestamp": "1700000000000", "orderly-key": "ed25519:<base58 44>",
            "orderly-signature": "<base64 64>", "orderly-secret": "ed25519:<base58 44>",
        },
        messages=(
            '{"id": "1", "event": "auth", "params": {"apikey": "<base64 16>", "sign": "<hex 64>",'
            ' "timestamp": 1700000000000}}',
        ),
    ),
    "upbit": Signing(
        headers={"Authorization": "Bearer <jwt 150>"},
        settings={"access_key": "<alnum 40>", "secret_key": "<alnum 40>"},
    ),
    "crypto.com": Signing(
        messages=(
            '{"id": 1, "method": "public/auth", "api_key": "<alnum 22>", "sig": "<hex 64>",'
            ' "nonce": 1700000000000}',
        ),
        settings={"apiKey": "<alnum 22>", "secret": "<alnum 22>"},
    ),
    "poloniex": Signing(
        headers={
            "key": "<UPPER 8>-<UPPER 8>-<UPPER 8>-<UPPER 8>", "signature": "<base64 32>",
            "signTimestamp": "1700000000000",
        },
        messages=(
            '{"event": "subscribe", "channel": ["auth"], "params": {"key":'
            ' "<UPPER 8>-<UPPER 8>-<UPPER 8>-<UPPER 8>", "signTimestamp": 1700000000000,'
            ' "signature": "<base64 32>"}}',
        ),
    ),
    "bingx": Signing(
        headers={"X-BX-APIKEY": "<alnum 80>"},
        query={"signature": "<hex 64>"},
        urls=("wss://open-api-swap.bingx.com/swap-market?listenKey=<hex 64>",),
    ),
    "bitvavo": Signing(
        headers={"Bitvavo-Access-Key": "<hex 64>", "Bitvavo-Access-Signature": "<hex 64>"},
        messages=(
            '{"action": "authenticate", "key": "<hex 64>", "signature": "<hex 64>",'
            ' "timestamp": 1700000000000}',
        ),
    ),
    "coinex": Signing(
        headers={"X-COINEX-KEY": "<HEX 32>", "X-COINEX-SIGN": "<hex 64>"},
        messages=(
            '{"method": "server.sign", "params": {"access_id": "<HEX 32>", "signed_str":'
            ' "<hex 64>", "timestamp": 1700000000000}, "id": 1}',
        ),
        settings={"access_id": "<HEX 32>", "secret_key": "<HEX 48>"},
    ),
    "whitebit": Signing(
        headers={
            "X-TXC-APIKEY": "<hex 32>", "X-TXC-PAYLOAD": "<base64 60>", "X-TXC-SIGNATURE": "<hex 128>",
        },
        messages=('{"id": 0, "method": "authorize", "params": ["<alnum 64>", "public"]}',),
    ),
    "xt": Signing(
        headers={
            "validate-appkey": "<uuid 36>", "validate-signature": "<hex 64>",
            "validate-timestamp": "1700000000000", "xt-validate-appkey": "<uuid 36>",
        },
    ),
    "hitbtc": Signing(
        headers={"Authorization": "HS256 <base64 90>"},
        messages=(
            '{"method": "login", "params": {"type": "HS256", "api_key": "<url 32>", "timestamp":'
            ' 1700000000000, "signature": "<hex 64>"}}',
            '{"method": "login", "params": {"type": "BASIC", "api_key": "<url 32>", "secret_key":'
            ' "<url 32>"}}',
        ),
    ),
    "ascendex": Signing(
        headers={"x-auth-key": "<alnum 32>", "x-auth-signature": "<base64 32>"},
        messages=('{"op": "auth", "id": "a", "t": 1700000000000, "key": "<alnum 32>", "sig": "<base64 32>"}',),
    ),
    "exmo": Signing(headers={"Key": "K-<hex 40>", "Sign": "<hex 128>"}),
    "bitso": Signing(headers={"Authorization": "Bitso <alnum 10>:1700000000000:<hex 64>"}),
    "btcmarkets": Signing(headers={"BM-AUTH-APIKEY": "<uuid 36>", "BM-AUTH-SIGNATURE": "<base64 64>"}),
    "telegram": Signing(
        urls=(
            "https://api.telegram.org/bot<digits 10>:AA<url 33>/sendMessage",
            "https://api.telegram.org/file/bot<digits 10>:AA<url 33>/photos/file_1.jpg",
        ),
    ),
    "nodes": Signing(
        urls=(
            "https://eth-mainnet.g.alchemy.com/v2/<url 32>",
            "wss://eth-mainnet.g.alchemy.com/v2/<url 32>",
            "https://mainnet.infura.io/v3/<hex 32>",
            "wss://mainnet.infura.io/ws/v3/<hex 32>",
            "https://prettiest-wandering-sky.solana-mainnet.quiknode.pro/<hex 40>/",
            "https://mainnet.helius-rpc.com/?api-key=<uuid 36>",
            "https://rpc.ankr.com/eth/<hex 64>",
            "https://lb.drpc.org/ogrpc?network=ethereum&dkey=<url 44>",
            "https://lb.drpc.org/ethereum/<url 44>",
            "https://bsc.nownodes.io/<uuid 36>",
            "https://go.getblock.io/<hex 32>",
            "https://solana-mainnet.core.chainstack.com/<hex 32>",
            "https://mainnet.gateway.tenderly.co/<alnum 22>",
            "https://eth.llamarpc.com/rpc/<alnum 26>",
        ),
    ),
}  # fmt: skip
