# SPDX-License-Identifier: Apache-2.0
"""The kinds of secrets that the catalogue of rules knows: none of them may leave the process."""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING

from canary_kind import (
    ALNUM,
    BASE32,
    BASE58,
    DIGITS,
    HEX,
    LOWER_ALNUM,
    UPPER_ALNUM,
    URLSAFE,
    Kind,
    Secret,
    base64_bytes,
    draw,
    luhn,
    one_of,
    parts,
    password,
    pem,
    random,
    uuid,
)
from mnemonic import Mnemonic

if TYPE_CHECKING:
    from random import Random

_MNEMONIC = Mnemonic("english")
_NAMES = "anna ben carla david elena felix greta henry iris jonas karla luis mara nils olga"


def _basic(rng: Random) -> Secret:
    pair = f"{rng.choice(_NAMES.split())}:{draw(rng, ALNUM, rng.randint(14, 24))}"
    text = base64.b64encode(pair.encode()).decode()
    return Secret(text, (text.rstrip("=")[-16:],))


def _jwt(rng: Random) -> Secret:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = part(
        {"sub": draw(rng, LOWER_ALNUM, 12), "iat": rng.randint(1_700_000_000, 1_800_000_000)}
    )
    signature = draw(rng, URLSAFE, 43)
    head = part({"alg": "HS256", "typ": "JWT"})
    return Secret(f"{head}.{claims}.{signature}", (claims[-20:], signature))


def _iban(rng: Random) -> Secret:
    country, length = rng.choice((("DE", 18), ("NL", 14), ("GB", 18), ("FR", 23), ("CH", 17)))
    account = draw(rng, DIGITS, length)
    if country in {"NL", "GB"}:
        account = rng.choice(("ABNA", "INGB", "BARC", "LOYD")) + account[4:]
    digits = "".join(str(int(c, 36)) for c in account + country + "00")
    text = f"{country}{98 - int(digits) % 97:02d}{account}"
    if rng.random() < 0.4:
        text = " ".join(text[at : at + 4] for at in range(0, len(text), 4))
    return Secret(text, (text[-10:],))


def _card(rng: Random) -> Secret:
    issuer, length = rng.choice(
        (("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("6011", 16), ("34", 15))
    )
    digits = issuer + draw(rng, DIGITS, length - len(issuer) - 1)
    digits += str(luhn(digits))
    groups = (
        (digits[:4], digits[4:10], digits[10:])
        if length == 15
        else tuple(digits[at : at + 4] for at in range(0, 16, 4))
    )
    text = rng.choice(("", "", " ", "-")).join(groups)
    return Secret(text, (text[-11:],))


def _email(rng: Random) -> Secret:
    local = f"{rng.choice(_NAMES.split())}.{draw(rng, LOWER_ALNUM, 8)}"
    return Secret(
        f"{local}@{rng.choice(('example.com', 'mail.example.org', 'example.co.uk'))}", (local,)
    )


def _phone(rng: Random) -> Secret:
    local = draw(rng, DIGITS, 7)
    return Secret(
        *rng.choice(
            (
                lambda: (f"+49171{local}", (f"9171{local}",)),
                lambda: (f"+1 415 555 {local[:4]}", (f"415 555 {local[:4]}",)),
                lambda: (f"+44 20 7946 {local[:4]}", (f"20 7946 {local[:4]}",)),
                lambda: (f"+1-212-555-{local[:4]}", (f"212-555-{local[:4]}",)),
                lambda: (f"(212) 555-{local[:4]}", (f"(212) 555-{local[:4]}",)),
            )
        )()
    )


def _client_ip(rng: Random) -> Secret:
    """A public address: those of the own network are nobody's."""
    text = ".".join(
        (rng.choice(("109", "151", "178")), *(str(rng.randint(100, 254)) for _ in "abc"))
    )
    return Secret(text, (text,))


def _phrase(rng: Random) -> Secret:
    """Where two of its words meet is a leak: eight letters of one may be an ordinary word."""
    text = _MNEMONIC.to_mnemonic(rng.randbytes(rng.choice((16, 20, 24, 28, 32))))
    words = text.split()
    seams = (f"{a[-3:]} {b[:4]}" for a, b in itertools.pairwise(words))
    return Secret(text, tuple(seam for seam in seams if len(seam) == 8))


def _extended_key(rng: Random) -> Secret:
    prefix = rng.choice(("xprv9s21ZrQH143K", "tprv8ZgxMBicQKsP", "zprvAWgYBBk7JR8G"))
    body = draw(rng, BASE58, 111 - len(prefix))
    return Secret(prefix + body, (body,))


def _cdp_name(rng: Random) -> Secret:
    organization, key = uuid(rng), uuid(rng)
    return Secret(f"organizations/{organization}/apiKeys/{key}", (key,))


def _oanda_account(rng: Random) -> Secret:
    number = f"{rng.randint(1, 9_999_999):07d}"
    text = (
        f"{rng.choice(('101', '001'))}-{rng.randint(1, 12):03d}-{number}-{rng.randint(1, 20):03d}"
    )
    return Secret(text, (text,))


def _amount(rng: Random) -> Secret:
    """Money with its eight characters or more: what is shorter cannot be told from any number."""
    text = f"{rng.choice(('', '', '-'))}{rng.uniform(100_000, 9_999_999):.2f}"
    return Secret(text, (text.lstrip("-"),))


CATALOGUE = (
    # API keys and tokens
    Kind(
        "alpha_vantage_key",
        random(UPPER_ALNUM, 16),
        (
            ("ALPHA_VANTAGE_API_KEY", "{}"),
            ("alpha_vantage.api_key", "{}"),
            ("url.full", "https://www.alphavantage.co/query?function=NEWS_SENTIMENT&apikey={}"),
        ),
        (
            "GET https://www.alphavantage.co/query?function=FX_DAILY&to_symbol=USD&apikey={} 503",
            "We have detected your API key as {} and our standard API rate limit is 25 requests",
        ),
    ),
    Kind(
        "openai_key",
        one_of(
            parts("sk-proj-{}T3BlbkFJ{}", (URLSAFE, 74), (URLSAFE, 73)),
            parts("sk-{}T3BlbkFJ{}", (ALNUM, 20), (ALNUM, 20)),
        ),
        (("OPENAI_API_KEY", "{}"), ("llm.note", "{}"), ("Authorization", "Bearer {}")),
        ("Incorrect API key provided: {}.", "the agent used {} yesterday"),
    ),
    Kind(
        "anthropic_key",
        random(URLSAFE, 93, prefix="sk-ant-api03-", suffix="AA"),
        (("ANTHROPIC_API_KEY", "{}"), ("x-api-key", "{}"), ("llm.note", "{}")),
        ("401 invalid x-api-key {}", "claude was called with {}"),
    ),
    Kind(
        "google_key",
        random(URLSAFE, 35, prefix="AIza"),
        (("GEMINI_API_KEY", "{}"), ("x-goog-api-key", "{}"), ("llm.note", "{}")),
        ("https://generativelanguage.googleapis.com/v1beta/models?key={}", "API key {} not valid"),
    ),
    Kind(
        "aws_access_key_id",
        random(BASE32, 16, prefix="AKIA"),
        (("AWS_ACCESS_KEY_ID", "{}"), ("upload.note", "{}")),
        ("aws_access_key_id = {}", "S3 refused {}: InvalidAccessKeyId"),
    ),
    Kind(
        "aws_secret_key",
        base64_bytes(30),
        (("AWS_SECRET_ACCESS_KEY", "{}"), ("aws.secret_access_key", "{}")),
        ("aws_secret_access_key = {}", "AWS_SECRET_ACCESS_KEY={} aws s3 ls"),
    ),
    Kind(
        "github_token",
        one_of(
            random(ALNUM, 36, prefix="ghp_"),
            random(ALNUM, 36, prefix="gho_"),
            random(ALNUM, 36, prefix="ghs_"),
            parts("github_pat_{}_{}", (ALNUM, 22), (ALNUM, 59)),
        ),
        (("GITHUB_TOKEN", "{}"), ("deploy.note", "{}")),
        ("git clone https://x-access-token:{}@github.com/ffe/strategies", "pushed with {}"),
    ),
    Kind(
        "slack_token",
        one_of(
            parts("xoxb-{}-{}-{}", (DIGITS, 12), (DIGITS, 13), (ALNUM, 24)),
            parts("xapp-1-A{}-{}-{}", (UPPER_ALNUM, 10), (DIGITS, 13), (HEX, 64)),
        ),
        (("SLACK_BOT_TOKEN", "{}"), ("alert.note", "{}")),
        ("slack said invalid_auth to {}", "SLACK_TOKEN={}"),
    ),
    Kind(
        "telegram_bot_token",
        parts("7{}:AA{}", (DIGITS, 9), (URLSAFE, 33)),
        (("TELEGRAM_BOT_TOKEN", "{}"), ("url.full", "https://api.telegram.org/bot{}/sendMessage")),
        ("POST https://api.telegram.org/bot{}/getUpdates 409 Conflict", "telegram bot {} started"),
    ),
    Kind(
        "coinbase_cdp_key_name",
        _cdp_name,
        (("COINBASE_API_KEY", "{}"), ("coinbase.key", "{}")),
        ('{"name": "{}", "type": "ecdsa"}', "coinbase rejected {}"),
    ),
    Kind(
        "coinbase_cdp_private_key",
        pem("EC PRIVATE KEY", 121, newline="\\n"),
        (("COINBASE_API_SECRET", "{}"), ("coinbase.pem", "{}")),
        ('{"principal": "ffe", "privateKey": "{}"}', "ValueError: cannot parse {}"),
    ),
    Kind(
        "coinbase_legacy_secret",
        one_of(random(ALNUM, 32), base64_bytes(64)),
        (("CB_API_SECRET", "{}"), ("COINBASE_API_SECRET", "{}"), ("coinbase.api_secret", "{}")),
        ("coinbase: api_secret={}", "{'api_key': 'from-vault', 'api_secret': '{}'}"),
    ),
    Kind(
        "coinbase_legacy_headers",
        one_of(random(ALNUM, 16), random(HEX, 64), random(LOWER_ALNUM, 12)),
        (("CB-ACCESS-KEY", "{}"), ("CB-ACCESS-SIGN", "{}"), ("CB-ACCESS-PASSPHRASE", "{}")),
        ("headers: {'CB-ACCESS-SIGN': '{}', 'CB-VERSION': '2026-01-01'}", "CB-ACCESS-KEY: {}"),
    ),
    Kind(
        "binance_key",
        random(ALNUM, 64),
        (("X-MBX-APIKEY", "{}"), ("BINANCE_API_KEY", "{}")),
        ("curl -H 'X-MBX-APIKEY: {}' https://api.binance.com/api/v3/account", "binance api key {}"),
    ),
    Kind(
        "binance_secret",
        one_of(random(ALNUM, 64), random(HEX, 64)),
        (("BINANCE_API_SECRET", "{}"), ("binance.secret_key", "{}")),
        (
            "https://api.binance.com/api/v3/order?symbol=BTCUSDT&timestamp=1767225600000&signature={}",
            "BINANCE_SECRET_KEY={}",
        ),
    ),
    Kind(
        "oanda_token",
        parts("{}-{}", (HEX, 32), (HEX, 32)),
        (("OANDA_ACCESS_TOKEN", "{}"), ("oanda.note", "{}"), ("Authorization", "Bearer {}")),
        ("oanda: Insufficient authorization for {}", "oandapyV20.API(access_token='{}')"),
    ),
    Kind(
        "api_key_by_name",
        one_of(random(ALNUM, 20, 32, 40), random(HEX, 32), random(UPPER_ALNUM, 12)),
        (("api_key", "{}"), ("apiKey", "{}"), ("X-API-Key", "{}"), ("client_secret", "{}")),
        (
            '{"api_key": "{}", "sandbox": true}',
            "api_key={}",
            "https://data.example.com/v1/quotes?symbol=AAPL&api_key={}",
            "Config(api_key='{}', timeout=10)",
        ),
    ),
    Kind(
        "bearer_token",
        random(URLSAFE, 32, 64, 120),
        (("Authorization", "Bearer {}"), ("http.request.header.authorization", "Bearer {}")),
        ("Authorization: Bearer {}", "headers={'Authorization': 'Bearer {}'}"),
    ),
    Kind(
        "basic_credentials",
        _basic,
        (("Authorization", "Basic {}"), ("Proxy-Authorization", "Basic {}")),
        ("Authorization: Basic {}", "curl -H 'Authorization: Basic {}' https://example.com"),
    ),
    Kind(
        "jwt",
        _jwt,
        (("access_token", "{}"), ("session.note", "{}")),
        ("token expired: {}", "https://example.com/callback#{}"),
    ),
    Kind(
        "cookie",
        random(ALNUM, 26, 40),
        (("Cookie", "theme=dark; sid={}"), ("Set-Cookie", "session={}; Path=/; HttpOnly; Secure")),
        ("Cookie: session={}; theme=dark", "set-cookie: sid={}; Max-Age=3600; SameSite=Lax"),
    ),
    Kind(
        "password_by_name",
        password,
        (("password", "{}"), ("db_password", "{}"), ("OANDA_PASSWORD", "{}")),
        ("login(user='ops', password='{}')", '{"user": "ops", "passwd": "{}"}', "password: {}"),
    ),
    Kind(
        "redis_url_password",
        password,
        (("REDIS_URL", "redis://:{}@cache:6379/0"),),
        ("Error 111 connecting to rediss://default:{}@cache.example.com:6380/1.",),
    ),
    Kind(
        "postgres_url_password",
        password,
        (("DATABASE_URL", "postgresql://ffe:{}@db:5432/trades"),),
        ("could not connect: postgresql+asyncpg://ffe:{}@db:5432/trades?ssl=require",),
    ),
    Kind(
        "amqp_url_password",
        password,
        (("broker.url", "amqp://ffe:{}@mq:5672/prod"),),
        ("celery: consumer: Cannot connect to amqps://ffe:{}@mq.example.com:5671//: refused",),
    ),
    Kind(
        "http_url_password",
        password,
        (("url.full", "https://ffe:{}@data.example.com/v1/prices?symbol=AAPL"),),
        ("GET https://ffe:{}@data.example.com/v1/prices 401", "proxy http://ffe:{}@proxy:3128"),
    ),
    Kind(
        "pem_private_key",
        one_of(
            pem("PRIVATE KEY", 138, 634),
            pem("RSA PRIVATE KEY", 607),
            pem("EC PRIVATE KEY", 121),
        ),
        (("signing.key", "{}"), ("upload.note", "{}")),
        ("could not parse\n{}\nas a key", "{}"),
    ),
    Kind(
        "pem_escaped_newlines",
        one_of(
            pem("PRIVATE KEY", 138, newline="\\n"),
            pem("RSA PRIVATE KEY", 607, newline="\\n"),
            pem("PRIVATE KEY", 138, newline="\\r\\n"),
        ),
        (("GOOGLE_CREDENTIALS", '{"type": "service_account", "private_key": "{}\\n"}'),),
        ('{"private_key": "{}"}', "env SIGNING_PEM={}"),
    ),
    # Accounts and people
    Kind(
        "oanda_account_id",
        _oanda_account,
        (("oanda.account", "{}"), ("url.path", "/v3/accounts/{}/orders")),
        (
            "GET https://api-fxtrade.oanda.com/v3/accounts/{}/pricing?instruments=EUR_USD 200",
            "Account {} has no open trades",
        ),
    ),
    Kind(
        "account_id_by_key",
        one_of(random(DIGITS, 8, 10), random(DIGITS, 8, prefix="U"), random(UPPER_ALNUM, 10)),
        (("account_id", "{}"), ("accountId", "{}"), ("account_number", "{}")),
        ('{"accountId": "{}", "currency": "USD"}', "account_id={}"),
    ),
    Kind(
        "iban",
        _iban,
        (("payout.note", "{}"), ("iban", "{}")),
        ("withdrawal to {} requested", "Please send it to IBAN {}."),
    ),
    Kind(
        "card_number",
        _card,
        (("payment.note", "{}"), ("card", "{}")),
        ("paid with {} on Monday", '{"card": "{}", "cvc": "***"}'),
    ),
    Kind(
        "email",
        _email,
        (("enduser.id", "{}"), ("notify.to", "{}")),
        ("alert sent to {}", "User <{}> logged in"),
    ),
    Kind(
        "phone",
        _phone,
        (("phone", "{}"), ("notify.phone_number", "{}")),
        ("SMS to {} delivered", "call {} for support"),
    ),
    Kind(
        "client_ip",
        _client_ip,
        (("client.address", "{}"), ("X-Forwarded-For", "{}")),
        ("client {} connected", '{}:52144 - "GET /api/status HTTP/1.1" 200'),
    ),
    # Wallets
    Kind(
        "wallet_private_key",
        one_of(random(HEX, 64, prefix="0x"), random(HEX, 64)),
        (("WALLET_PRIVATE_KEY", "{}"), ("eth.private_key", "{}")),
        ("wallet private key {}", "w3.eth.account.from_key(private_key='{}')"),
    ),
    Kind(
        "extended_private_key",
        _extended_key,
        (("wallet.master", "{}"), ("wallet.note", "{}")),
        ("derived from {}", "master key {} imported"),
    ),
    Kind(
        "seed_phrase",
        _phrase,
        (("MNEMONIC", "{}"), ("wallet.note", "{}")),
        ("restoring wallet from: {}", "Account.from_mnemonic('{}')", '{"seed": "{}"}'),
    ),
    # Webhooks
    Kind(
        "slack_webhook",
        random(ALNUM, 24),
        (("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T012AB3CD/B045EF6GH/{}"),),
        ("POST https://hooks.slack.com/services/T012AB3CD/B045EF6GH/{} 404 no_service",),
    ),
    Kind(
        "discord_webhook",
        random(URLSAFE, 68),
        (("alert.url", "https://discord.com/api/webhooks/1234567890123456789/{}"),),
        ("POST https://discordapp.com/api/webhooks/1234567890123456789/{} 429",),
    ),
    Kind(
        "teams_webhook",
        random(HEX, 32),
        (
            (
                "alert.url",
                (
                    "https://ffe.webhook.office.com/webhookb2/6f9619ff-8b86-4011-b42d-00c04fc964ff"
                    "@72f988bf-86f1-41af-91ab-2d7cd011db47/IncomingWebhook/{}"
                    "/0a1b2c3d-4e5f-4678-9abc-def012345678"
                ),
            ),
        ),
        (
            (
                "teams answered 410: https://ffe.webhook.office.com/webhookb2/6f9619ff-8b86-4011-"
                "b42d-00c04fc964ff@72f988bf-86f1-41af-91ab-2d7cd011db47/IncomingWebhook/{}/0a1b2c3d"
            ),
        ),
    ),
    # Money, switched on per jurisdiction
    Kind(
        "balance",
        _amount,
        (("account.balance", "{}"), ("equity", "{}"), ("ffe.portfolio.value", "{}")),
        ("Portfolio balance: ${}", '{"balance": {}, "currency": "USD"}'),
    ),
    Kind(
        "position_size",
        _amount,
        (("position_size", "{}"), ("position.units", "{}")),
        ("position_size={} units of EUR_USD", '{"position_size": {}}'),
    ),
    Kind(
        "profit_and_loss",
        _amount,
        (("unrealized_pnl", "{}"), ("realized_pnl", "{}"), ("pnl_dollars", "{}")),
        ("Unrealized P&L: {}", "trade closed, realized_pnl={}"),
    ),
)
