# SPDX-License-Identifier: Apache-2.0
"""FROZEN: a second table of kinds of secrets, written by someone who had not read the rules.

The rules have been worked on since the first held-out table was frozen, so that table says less
than it did. The same holds for this one: it must not change to fit the rules, and no rule may be
written for a kind in it. The test holds a checksum of it.
"""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING

from canary_kind import (
    ALNUM,
    BASE32,
    BASE58,
    BASE64,
    DIGITS,
    HEX,
    LOWER_ALNUM,
    UPPER_ALNUM,
    URLSAFE,
    Kind,
    Secret,
    base64_of,
    draw,
    one_of,
    parts,
    password,
    random,
    uuid,
    uuids,
)
from mnemonic import Mnemonic

if TYPE_CHECKING:
    from random import Random

_WORDS = Mnemonic("english").wordlist


def _flex_token(rng: Random) -> Secret:
    """Half of it is looked for: shorter runs of digits are found anywhere."""
    text = draw(rng, DIGITS, 24)
    return Secret(text, (text[-12:],))


def _elastic_key(rng: Random) -> Secret:
    pair = f"{draw(rng, URLSAFE, 20)}:{draw(rng, URLSAFE, 22)}"
    text = base64.b64encode(pair.encode()).decode()
    return Secret(text, (text.rstrip("="),))


def _encoded_password(rng: Random) -> Secret:
    """As a manifest of Kubernetes holds it."""
    text = base64.b64encode(draw(rng, ALNUM, rng.randint(15, 24)).encode()).decode()
    return Secret(text, (text.rstrip("="),))


def _service_account(rng: Random) -> Secret:
    """A whole key file of Google's as one line; all but the shared start of it is hidden."""
    key = base64_of(rng, 120)
    account = {
        "type": "service_account",
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n",
    }
    text = base64.b64encode(json.dumps(account).encode()).decode()
    return Secret(text, (text[100:250],))


def _keytab(rng: Random) -> Secret:
    """Starts with the version of the format, as every keytab does."""
    text = base64.b64encode(b"\x05\x02\x00\x00" + rng.randbytes(86)).decode()
    return Secret(text, (text.rstrip("=")[8:],))


def _saml(rng: Random) -> Secret:
    start = '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_'
    text = base64.b64encode(start.encode() + rng.randbytes(240)).decode()
    return Secret(text, (text.rstrip("=")[110:],))


def _putty(rng: Random) -> Secret:
    private = base64_of(rng, 36)
    mac = draw(rng, HEX, 64)
    text = (
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: ffe\nPublic-Lines: 1\n"
        "AAAAC3NzaC1lZDI1NTE5AAAAIA==\n"
        f"Private-Lines: 1\n{private}\nPrivate-MAC: {mac}\n"
    )
    return Secret(text, (private,))


def _jwk(rng: Random) -> Secret:
    x, d = draw(rng, URLSAFE, 43), draw(rng, URLSAFE, 43)
    text = f'{{"kty": "OKP", "crv": "Ed25519", "x": "{x}", "d": "{d}"}}'
    return Secret(text, (d,))


def _algorand_words(rng: Random) -> Secret:
    """25 words; where two of them meet is a leak, as in the catalogue's seed phrases."""
    words = rng.sample(_WORDS, 25)
    seams = (f"{a[-3:]} {b[:4]}" for a, b in itertools.pairwise(words))
    return Secret(" ".join(words), tuple(seam for seam in seams if len(seam) == 8))


def _solana_bytes(rng: Random) -> Secret:
    text = ",".join(str(byte) for byte in rng.randbytes(64))
    return Secret(f"[{text}]", (text,))


def _password_hash(rng: Random) -> Secret:
    bcrypt = draw(rng, ALNUM + "./", 53)
    salt, digest = draw(rng, ALNUM, 22), base64_of(rng, 32)
    return rng.choice(
        (
            Secret(f"$2b$12${bcrypt}", (bcrypt,)),
            Secret(f"pbkdf2_sha256$600000${salt}${digest}", (digest.rstrip("="),)),
            Secret(f"$apr1${salt[:8]}${bcrypt[:22]}", (bcrypt[:22],)),
        )
    )


def _langfuse(rng: Random) -> Secret:
    text = uuid(rng)
    return Secret(f"sk-lf-{text}", (text,))


SECOND = (
    # Exchanges
    Kind(
        "bitget_key",
        random(HEX, 32, prefix="bg_"),
        (("ACCESS-KEY", "{}"), ("BITGET_API_KEY", "{}"), ("bitget.apiKey", "{}")),
        ("bitget 40006: Invalid ACCESS_KEY {}", "bitget client for key {} is ready"),
    ),
    Kind(
        "bitget_passphrase",
        password,
        (("ACCESS-PASSPHRASE", "{}"), ("BITGET_PASSPHRASE", "{}"), ("BITGET_API_PASS", "{}")),
        (
            "ccxt.bitget({'apiKey': 'from-vault', 'password': '{}'})",
            "bitget: passphrase {} is wrong",
        ),
    ),
    Kind(
        "mexc_key",
        random(ALNUM, 15, prefix="mx0v"),
        (("X-MEXC-APIKEY", "{}"), ("MEXC_ACCESS_KEY", "{}")),
        (
            "curl -H 'X-MEXC-APIKEY: {}' https://api.mexc.com/api/v3/account",
            "mexc: api key info invalid, access key {}",
        ),
    ),
    Kind(
        "gateio_headers",
        one_of(random(HEX, 32), random(HEX, 128)),
        (("GATEIO_API_KEY", "{}"), ("GATEIO_API_SECRET", "{}"), ("SIGN", "{}")),
        (
            "request to api.gateio.ws with headers {'KEY': 'ab', 'Timestamp': '1', 'SIGN': '{}'}",
            "gate_api.Configuration(key='from-vault', secret='{}')",
        ),
    ),
    Kind(
        "htx_access_key",
        parts("{}-{}-{}-{}", (HEX, 8), (LOWER_ALNUM, 10), (HEX, 8), (HEX, 5)),
        (("HTX_ACCESS_KEY", "{}"), ("AccessKeyId", "{}")),
        (
            (
                "GET https://api.huobi.pro/v1/account/accounts?AccessKeyId={}"
                "&SignatureMethod=HmacSHA256&SignatureVersion=2 403"
            ),
            "huobi client: access_key={}",
        ),
    ),
    Kind(
        "phemex_headers",
        one_of(uuids, random(HEX, 64)),
        (("x-phemex-access-token", "{}"), ("x-phemex-request-signature", "{}")),
        (
            "phemex headers: x-phemex-request-expiry: 1767225600, x-phemex-request-signature: {}",
            "PHEMEX_API_SECRET={}",
        ),
    ),
    Kind(
        "bitmex_key",
        random(URLSAFE, 24, 48),
        (("api-key", "{}"), ("BITMEX_API_SECRET", "{}"), ("bitmex.apiKey", "{}")),
        (
            "bitmex.bitmex(test=False, api_key='from-vault', api_secret='{}')",
            "bitmex: headers api-expires=1767225600 api-key={}",
        ),
    ),
    Kind(
        "dydx_credentials",
        one_of(random(URLSAFE, 40), random(HEX, 63, prefix="0x")),
        (
            ("DYDX-PASSPHRASE", "{}"),
            ("DYDX_STARK_PRIVATE_KEY", "{}"),
            ("dydx.api_key_credentials", '{"key": "ab", "secret": "{}", "passphrase": "cd"}'),
        ),
        (
            "Client(host=API_HOST_MAINNET, stark_private_key='{}')",
            '{"api_key_credentials": {"key": "ab", "passphrase": "{}"}}',
        ),
    ),
    Kind(
        "deribit_client_secret",
        random(URLSAFE, 43),
        (
            ("DERIBIT_CLIENT_SECRET", "{}"),
            (
                "ws.sent",
                (
                    '{"jsonrpc": "2.0", "method": "public/auth", "params": {"grant_type": '
                    '"client_credentials", "client_id": "fo7WAPRm4P", "client_secret": "{}"}}'
                ),
            ),
        ),
        (
            "https://www.deribit.com/api/v2/public/auth?client_id=fo7WAPRm4P&client_secret={}",
            'deribit -> {"id": 9, "method": "public/auth", "params": {"client_secret": "{}"}}',
        ),
    ),
    Kind(
        "bitfinex_headers",
        one_of(random(ALNUM, 43), random(HEX, 96)),
        (("bfx-apikey", "{}"), ("bfx-signature", "{}"), ("BFX_API_SECRET", "{}")),
        (
            "bfx request {'bfx-nonce': '1767225600000', 'bfx-signature': '{}'}",
            "Client(API_KEY='from-vault', API_SECRET='{}')",
        ),
    ),
    Kind(
        "gemini_exchange_headers",
        one_of(random(ALNUM, 20, prefix="account-"), random(HEX, 96)),
        (("X-GEMINI-APIKEY", "{}"), ("X-GEMINI-SIGNATURE", "{}")),
        ("POST https://api.gemini.com/v1/balances X-GEMINI-APIKEY: {}", "GEMINI_API_SECRET={}"),
    ),
    Kind(
        "cryptocom_signature",
        random(HEX, 64),
        (
            ("crypto_com.body", '{"id": 11, "method": "private/get-orders", "sig": "{}"}'),
            ("CRYPTO_COM_SECRET_KEY", "{}"),
        ),
        ('sent {"id": 11, "method": "private/create-order", "nonce": 1767225600000, "sig": "{}"}',),
    ),
    Kind(
        "websocket_auth_frame",
        random(HEX, 64),
        (("ws.sent", '{"op": "auth", "args": ["from-vault", 1767225600000, "{}"]}'),),
        (
            '> {"op": "auth", "args": ["from-vault", 1767225600000, "{}"]}',
            (
                'ws send: {"event": "auth", "authNonce": 1767225600000, "authPayload": "AUTH1", '
                '"authSig": "{}"}'
            ),
        ),
    ),
    Kind(
        "zerox_api_key",
        uuids,
        (("0x-api-key", "{}"), ("ZEROX_API_KEY", "{}")),
        ("GET https://api.0x.org/swap/v1/quote headers={'0x-api-key': '{}', '0x-version': 'v2'}",),
    ),
    # Brokers
    Kind(
        "ibkr_flex_token",
        _flex_token,
        (
            ("IBKR_FLEX_TOKEN", "{}"),
            ("flex.token", "{}"),
            (
                "url.full",
                (
                    "https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService/"
                    "SendRequest?t={}&q=123456&v=3"
                ),
            ),
        ),
        (
            "FlexReport(token='{}', queryId='123456')",
            (
                "GET https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService/"
                "GetStatement?t={}&q=8472635&v=3 -> 1012 Token has expired"
            ),
        ),
    ),
    Kind(
        "ibc_password",
        password,
        (("TWSPASSWORD", "{}"), ("IbPassword", "{}"), ("TWS_PASSWORD_PAPER", "{}")),
        (
            "IbLoginId=trader7\nIbPassword={}\nTradingMode=live\n",
            "docker run -e TWS_USERID=trader7 -e TWS_PASSWORD={} ib-gateway",
        ),
    ),
    Kind(
        "oauth1_header",
        one_of(random(URLSAFE, 40), random(ALNUM, 27, suffix="%3D")),
        (
            (
                "Authorization",
                (
                    'OAuth realm="limited_poa",oauth_consumer_key="FFECONSUM",'
                    'oauth_signature_method="HMAC-SHA256",oauth_token="{}"'
                ),
            ),
            ("ETRADE_OAUTH_TOKEN_SECRET", "{}"),
        ),
        (
            (
                'Authorization: OAuth oauth_consumer_key="FFECONSUM", oauth_nonce="ab12", '
                'oauth_signature="{}", oauth_version="1.0"'
            ),
            "oauth_token=ab12&oauth_token_secret={}&oauth_callback_confirmed=true",
        ),
    ),
    Kind(
        "schwab_token",
        random(URLSAFE, 44, prefix="I0.b2F1dGgyLmNkYy5zY2h3YWIuY29t.", suffix="@"),
        (
            ("Authorization", "Bearer {}"),
            ("schwab.token_file", '{"token": {"token_type": "Bearer", "access_token": "{}"}}'),
        ),
        (
            "schwab: access_token {} expired 3 s ago",
            '{"expires_in": 1800, "scope": "api", "access_token": "{}"}',
        ),
    ),
    Kind(
        "saxo_app_secret",
        random(HEX, 32),
        (("SAXO_APP_SECRET", "{}"), ("saxo.AppSecret", "{}")),
        ('{"AppName": "ffe", "AppKey": "ab12", "AppSecret": "{}"}', "SAXO_APP_SECRET: {}"),
    ),
    Kind(
        "ig_session_headers",
        random(HEX, 64, suffix="01111"),
        (("X-SECURITY-TOKEN", "{}"), ("CST", "{}"), ("IG_CST", "{}")),
        (
            "IG session open, response headers {'CST': '{}', 'Version': '2'}",
            "ig: X-SECURITY-TOKEN: {}",
        ),
    ),
    Kind(
        "capitalcom_credentials",
        one_of(random(ALNUM, 16), password),
        (("X-CAP-API-KEY", "{}"), ("CAPITAL_CUSTOM_PASSWORD", "{}")),
        (
            '{"identifier": "trader7", "password": "{}", "encryptedPassword": false}',
            "capital.com POST /api/v1/session X-CAP-API-KEY={}",
        ),
    ),
    Kind(
        "metatrader_password",
        password,
        (("MT5_PASSWORD", "{}"), ("mt5.investor_password", "{}"), ("MT4_MASTER_PWD", "{}")),
        (
            "mt5.login(51234567, password='{}', server='Demo-01')",
            "[Common]\nLogin=51234567\nPassword={}\nServer=Demo-01\n",
            "terminal64.exe /portable /login:51234567 /password:{} /server:Demo-01",
        ),
    ),
    Kind(
        "ctrader_access_token",
        random(URLSAFE, 43),
        (("CTRADER_ACCESS_TOKEN", "{}"), ("ctrader.accessToken", "{}")),
        (
            'ProtoOAAccountAuthReq ctidTraderAccountId: 4455 accessToken: "{}"',
            "sending ProtoOAGetAccountListByAccessTokenReq(accessToken='{}')",
        ),
    ),
    Kind(
        "kite_access_token",
        random(ALNUM, 32),
        (("Authorization", "token kitefrontkey0001:{}"), ("KITE_ACCESS_TOKEN", "{}")),
        (
            "Authorization: token kitefrontkey0001:{}",
            "kite.set_access_token('{}')",
            "wss://ws.kite.trade/?api_key=from-vault&access_token={}",
        ),
    ),
    Kind(
        "security_answer",
        password,
        (("security_answer", "{}"), ("memorable_word", "{}"), ("login.passcode", "{}")),
        (
            "broker asks for the memorable word, sending {}",
            '{"question": "first pet", "security_answer": "{}"}',
            "BrokerLogin(user='trader7', passcode='{}')",
        ),
    ),
    # Market data
    Kind(
        "coinmarketcap_key",
        uuids,
        (("X-CMC_PRO_API_KEY", "{}"), ("CMC_API_KEY", "{}")),
        (
            "https://pro-api.coinmarketcap.com/v1/key/info?CMC_PRO_API_KEY={}",
            "session.headers.update({'X-CMC_PRO_API_KEY': '{}'})",
        ),
    ),
    Kind(
        "cryptocompare_key",
        random(HEX, 64),
        (("authorization", "Apikey {}"), ("CRYPTOCOMPARE_API_KEY", "{}")),
        (
            "https://min-api.cryptocompare.com/data/price?fsym=BTC&tsyms=USD&api_key={}",
            "authorization: Apikey {}",
        ),
    ),
    Kind(
        "messari_key",
        random(URLSAFE, 44),
        (("x-messari-api-key", "{}"), ("MESSARI_KEY", "{}")),
        ("curl -H 'x-messari-api-key: {}' https://data.messari.io/api/v1/assets",),
    ),
    Kind(
        "nasdaq_data_link_key",
        random(ALNUM, 20),
        (("NASDAQ_DATA_LINK_API_KEY", "{}"), ("X-Api-Token", "{}")),
        (
            "https://data.nasdaq.com/api/v3/datasets/LBMA/GOLD.json?api_key={}&rows=1",
            "quandl.ApiConfig.api_key = '{}'",
        ),
    ),
    Kind(
        "newsapi_key",
        random(HEX, 32),
        (("NEWSAPI_KEY", "{}"), ("NEWS_API_KEY", "{}")),
        (
            "https://newsapi.org/v2/everything?q=EURUSD&language=en&apiKey={}",
            "NewsApiClient(api_key='{}') failed: apiKeyInvalid",
        ),
    ),
    Kind(
        "eodhd_token",
        parts("{}.{}", (HEX, 14), (DIGITS, 8)),
        (("EODHD_API_TOKEN", "{}"), ("url.query", "fmt=json&period=d&api_token={}")),
        ("https://eodhd.com/api/eod/EURUSD.FOREX?api_token={}&fmt=json", "EOD_API_KEY={}"),
    ),
    Kind(
        "twelve_data_key",
        random(HEX, 32),
        (("TWELVEDATA_KEY", "{}"), ("Authorization", "apikey {}")),
        (
            "wss://ws.twelvedata.com/v1/quotes/price?apikey={}",
            "TDClient(apikey='{}')",
        ),
    ),
    Kind(
        "marketstack_key",
        random(HEX, 32),
        (("MARKETSTACK_ACCESS_KEY", "{}"), ("access_key", "{}")),
        ("http://api.marketstack.com/v1/eod?access_key={}&symbols=AAPL",),
    ),
    Kind(
        "tiingo_token",
        random(HEX, 40),
        (("TIINGO_API_KEY", "{}"), ("Authorization", "Token {}")),
        (
            "https://api.tiingo.com/tiingo/daily/aapl/prices?startDate=2026-01-05&token={}",
            '{"eventName": "subscribe", "authorization": "{}", "eventData": {"thresholdLevel": 5}}',
        ),
    ),
    Kind(
        "databento_key",
        random(ALNUM, 29, prefix="db-"),
        (("DATABENTO_API_KEY", "{}"), ("databento.note", "{}")),
        ("db.Historical('{}')", "databento refused {}: auth_invalid_username"),
    ),
    Kind(
        "cryptopanic_token",
        random(HEX, 40),
        (("CRYPTOPANIC_TOKEN", "{}"), ("url.query", "auth_token={}&currencies=BTC")),
        ("GET https://cryptopanic.com/api/v1/posts/?auth_token={}&currencies=BTC 200",),
    ),
    Kind(
        "alchemy_key",
        random(URLSAFE, 32),
        (("ALCHEMY_API_KEY", "{}"), ("rpc.url", "https://eth-mainnet.g.alchemy.com/v2/{}")),
        (
            "HTTPSConnectionPool: https://eth-mainnet.g.alchemy.com/v2/{} timed out",
            "wss://eth-mainnet.g.alchemy.com/v2/{}",
        ),
    ),
    Kind(
        "quicknode_token",
        random(HEX, 40),
        (("QUICKNODE_URL", "https://old-tiny-moon.solana-mainnet.quiknode.pro/{}/"),),
        ("rpc https://old-tiny-moon.solana-mainnet.quiknode.pro/{}/ answered 429",),
    ),
    # Models and what surrounds them
    Kind(
        "cohere_key",
        random(ALNUM, 40),
        (("CO_API_KEY", "{}"), ("COHERE_API_KEY", "{}"), ("Authorization", "BEARER {}")),
        ("cohere.ClientV2(api_key='{}')", "co = cohere.Client('{}')  # production key"),
    ),
    Kind(
        "together_key",
        random(HEX, 64),
        (("TOGETHER_API_KEY", "{}"), ("together.api_key", "{}")),
        ("Together(api_key='{}')", "together: Invalid API key provided: {}"),
    ),
    Kind(
        "fireworks_key",
        random(ALNUM, 24, prefix="fw_"),
        (("FIREWORKS_API_KEY", "{}"), ("llm.note", "{}")),
        ("fireworks key {} was rotated", "fireworks.client.api_key = '{}'"),
    ),
    Kind(
        "voyage_key",
        random(URLSAFE, 43, prefix="pa-"),
        (("VOYAGE_API_KEY", "{}"), ("Authorization", "Bearer {}")),
        ("voyageai.Client(api_key='{}')", "voyage says: Provided API key {} is invalid."),
    ),
    Kind(
        "pinecone_key",
        parts("pcsk_{}_{}", (ALNUM, 5), (ALNUM, 63)),
        (("PINECONE_API_KEY", "{}"), ("Api-Key", "{}"), ("vector.note", "{}")),
        ("pinecone: Malformed API key {}", "pc = Pinecone('{}')"),
    ),
    Kind(
        "weaviate_key",
        random(ALNUM, 36),
        (("WEAVIATE_API_KEY", "{}"), ("X-Weaviate-Api-Key", "{}")),
        ("auth_credentials=weaviate.auth.AuthApiKey('{}')", "WCS_API_KEY={}"),
    ),
    Kind(
        "langsmith_key",
        parts("lsv2_pt_{}_{}", (HEX, 32), (HEX, 10)),
        (("LANGCHAIN_API_KEY", "{}"), ("LANGSMITH_API_KEY", "{}"), ("llm.note", "{}")),
        ("langsmith 403 Forbidden for {}", "tracing to project ffe as {}"),
    ),
    Kind(
        "langfuse_secret",
        _langfuse,
        (("LANGFUSE_SECRET_KEY", "{}"), ("llm.note", "{}")),
        ("Langfuse(public_key='pk-lf-1', secret_key='{}')", "langfuse auth check failed for {}"),
    ),
    Kind(
        "wandb_key",
        random(HEX, 40),
        (("WANDB_API_KEY", "{}"), ("wandb.api_key", "{}")),
        (
            "wandb login --relogin {}",
            "wandb: ERROR API key must be 40 characters long, yours was {}",
            "machine api.wandb.ai\n  login user\n  password {}\n",
        ),
    ),
    Kind(
        "helicone_key",
        parts(
            "sk-helicone-{}-{}-{}-{}",
            (LOWER_ALNUM, 7),
            (LOWER_ALNUM, 7),
            (LOWER_ALNUM, 7),
            (LOWER_ALNUM, 8),
        ),
        (("Helicone-Auth", "Bearer {}"), ("HELICONE_API_KEY", "{}")),
        ("default_headers={'Helicone-Auth': 'Bearer {}'}", "helicone rejected {}"),
    ),
    Kind(
        "openrouter_key",
        random(HEX, 64, prefix="sk-or-v1-"),
        (("OPENROUTER_API_KEY", "{}"), ("llm.note", "{}")),
        ("openrouter: No auth credentials found for {}", "falls back to {} on rate limits"),
    ),
    Kind(
        "azure_openai_key",
        random(HEX, 32),
        (("AZURE_OPENAI_API_KEY", "{}"), ("Ocp-Apim-Subscription-Key", "{}")),
        (
            "POST https://ffe.openai.azure.com/openai/deployments/gpt/chat api-key: {}",
            "AzureOpenAI(azure_endpoint='https://ffe.openai.azure.com', api_key='{}')",
        ),
    ),
    Kind(
        "tavily_key",
        random(ALNUM, 32, prefix="tvly-"),
        (("TAVILY_API_KEY", "{}"), ("search.note", "{}")),
        ("TavilyClient('{}')", "tavily: Unauthorized: {}"),
    ),
    # Clouds and machines
    Kind(
        "azure_client_secret",
        parts("{}8Q~{}", (ALNUM, 3), (URLSAFE, 34)),
        (("AZURE_CLIENT_SECRET", "{}"), ("ARM_CLIENT_SECRET", "{}"), ("deploy.note", "{}")),
        (
            "ClientSecretCredential(tenant, client, '{}')",
            "az login --service-principal -u app -p {} --tenant example.com",
        ),
    ),
    Kind(
        "google_oauth_access_token",
        random(URLSAFE, 170, prefix="ya29.a0"),
        (("Authorization", "Bearer {}"), ("gcloud.note", "{}")),
        ("gcloud auth print-access-token\n{}\n", "Credentials(token='{}', expiry=None)"),
    ),
    Kind(
        "gcp_service_account_base64",
        _service_account,
        (("GCP_SA_KEY", "{}"), ("GOOGLE_CREDENTIALS_BASE64", "{}")),
        ("echo {} | base64 -d > service-account.json", "GCP_SA_KEY={} ./deploy.sh"),
    ),
    Kind(
        "aws_session_token",
        random(BASE64, 320, prefix="IQoJb3JpZ2luX2Vj", suffix="=="),
        (("AWS_SESSION_TOKEN", "{}"), ("x-amz-security-token", "{}")),
        ("aws_session_token = {}", '{"Credentials": {"SessionToken": "{}", "Version": 1}}'),
    ),
    Kind(
        "aws_signature_header",
        random(HEX, 64),
        (
            (
                "Authorization",
                (
                    "AWS4-HMAC-SHA256 Credential=from-vault/20260105/eu-central-1/s3/aws4_request, "
                    "SignedHeaders=host;x-amz-date, Signature={}"
                ),
            ),
        ),
        (
            (
                "Authorization: AWS4-HMAC-SHA256 Credential=from-vault/20260105/eu-central-1/s3/"
                "aws4_request, SignedHeaders=host;x-amz-date, Signature={}"
            ),
        ),
    ),
    Kind(
        "cloudfront_signature",
        random(ALNUM + "-~", 342, suffix="__"),
        (
            (
                "url.full",
                "https://d1abc.cloudfront.net/day.csv?Expires=1767225600&Signature={}&Key-Pair-Id=K2",
            ),
            ("CloudFront-Signature", "{}"),
        ),
        ("403 for https://d1abc.cloudfront.net/t.csv?Policy=ab&Signature={}&Key-Pair-Id=K2",),
    ),
    Kind(
        "oracle_password",
        password,
        (
            ("ORACLE_PWD", "{}"),
            ("database.url", "oracle+oracledb://ffe:{}@db:1521/?service_name=T"),
        ),
        (
            "sqlplus ffe/{}@//db.example.com:1521/TRADES",
            "oracledb.connect(user='ffe', password='{}', dsn='db:1521/TRADES')",
        ),
    ),
    Kind(
        "hetzner_token",
        random(ALNUM, 64),
        (("HCLOUD_TOKEN", "{}"), ("hcloud.token", "{}")),
        ('provider "hcloud" {\n  token = "{}"\n}', "HCLOUD_TOKEN={} hcloud server list"),
    ),
    Kind(
        "vultr_key",
        random(UPPER_ALNUM, 36),
        (("VULTR_API_KEY", "{}"),),
        ("export VULTR_API_KEY={}", 'curl -H "Authorization: Bearer {}" https://api.vultr.com/v2'),
    ),
    Kind(
        "fly_token",
        random(BASE64, 220, prefix="fm2_"),
        (("FLY_API_TOKEN", "FlyV1 {}"), ("Authorization", "FlyV1 {}")),
        ("fly deploy --access-token {}", "FLY_API_TOKEN='FlyV1 {}'"),
    ),
    Kind(
        "render_key",
        random(ALNUM, 28, prefix="rnd_"),
        (("RENDER_API_KEY", "{}"), ("deploy.note", "{}")),
        ("render.com deploy with {}", "https://api.render.com/deploy/srv-abc123?key={}"),
    ),
    Kind(
        "supabase_key",
        one_of(random(HEX, 40, prefix="sbp_"), random(URLSAFE, 31, prefix="sb_secret_")),
        (("SUPABASE_SERVICE_ROLE_KEY", "{}"), ("apikey", "{}"), ("deploy.note", "{}")),
        ("create_client('https://ab.supabase.co', '{}')", "supabase login --token {}"),
    ),
    Kind(
        "libpq_dsn_password",
        password,
        (("DSN", "host=ep-cool-1.eu.aws.neon.tech dbname=trades user=ffe password={} port=5432"),),
        (
            "connection failed: host=db port=5432 user=ffe password='{}' sslmode=require",
            "psycopg.connect('dbname=trades user=ffe password={} host=db')",
        ),
    ),
    Kind(
        "upstash_token",
        random(ALNUM, 58, prefix="AX", suffix="=="),
        (("UPSTASH_REDIS_REST_TOKEN", "{}"), ("KV_REST_API_TOKEN", "{}")),
        ("https://eu1-fit-ant-1.upstash.io/get/last?_token={}", "Redis(url=URL, token='{}')"),
    ),
    Kind(
        "rabbitmq_password",
        password,
        (("RABBITMQ_DEFAULT_PASS", "{}"), ("rabbitmq.pass", "{}")),
        (
            "rabbitmqadmin -u ffe -p {} list queues",
            "pika.PlainCredentials('ffe', '{}')",
            "rabbitmqctl change_password ffe {}",
        ),
    ),
    Kind(
        "kafka_sasl_password",
        password,
        (
            ("sasl.password", "{}"),
            ("sasl_plain_password", "{}"),
            (
                "sasl.jaas.config",
                (
                    "org.apache.kafka.common.security.plain.PlainLoginModule required "
                    'username="ffe" password="{}";'
                ),
            ),
        ),
        (
            (
                "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required "
                'username="ffe" password="{}";'
            ),
            "KafkaProducer(sasl_plain_username='ffe', sasl_plain_password='{}')",
        ),
    ),
    Kind(
        "nats_seed",
        random(BASE32, 56, prefix="SU"),
        (("NATS_NKEY_SEED", "{}"), ("nats.seed", "{}")),
        (
            "-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            "nats: nkeys_seed_str='{}'",
        ),
    ),
    Kind(
        "elastic_api_key",
        _elastic_key,
        (("Authorization", "ApiKey {}"), ("ELASTIC_API_KEY", "{}"), ("ES_API_KEY", "{}")),
        (
            "Authorization: ApiKey {}",
            "Elasticsearch('https://es:9200', api_key='{}')",
        ),
    ),
    Kind(
        "clickhouse_password",
        password,
        (("X-ClickHouse-Key", "{}"), ("CLICKHOUSE_PASSWORD", "{}")),
        (
            "POST http://clickhouse:8123/?user=ffe&password={}&query=SELECT+1",
            "clickhouse-client --user ffe --password {} -q 'SELECT 1'",
        ),
    ),
    Kind(
        "redis_auth_command",
        password,
        (("REDISCLI_AUTH", "{}"), ("db.statement", "AUTH default {}")),
        ("redis-cli -h cache -a {} PING", "CONFIG SET requirepass {}", "requirepass {}"),
    ),
    Kind(
        "minio_password",
        password,
        (("MINIO_ROOT_PASSWORD", "{}"), ("MC_HOST_local", "http://ffe:{}@minio:9000")),
        ("mc alias set local http://minio:9000 ffe {}", "Minio('minio:9000', secret_key='{}')"),
    ),
    Kind(
        "consul_token",
        uuids,
        (("X-Consul-Token", "{}"), ("CONSUL_HTTP_TOKEN", "{}")),
        ("consul kv get -token={} ffe/config", "SecretID:         {}\nDescription:      ffe"),
    ),
    Kind(
        "tailscale_key",
        parts("tskey-auth-{}-{}", (ALNUM, 17), (ALNUM, 32)),
        (("TS_AUTHKEY", "{}"), ("network.note", "{}")),
        ("tailscale up --authkey={}", "tailscaled: invalid key {}"),
    ),
    Kind(
        "mqtt_password",
        password,
        (("mqtt.password", "{}"), ("MQTT_PASS", "{}")),
        (
            "mosquitto_pub -h mq -t ffe/alerts -u ffe -P {} -m down",
            "client.username_pw_set('ffe', '{}')",
            "mqtts://ffe:{}@mq.example.com:8883",
        ),
    ),
    # Messages
    Kind(
        "mattermost_webhook",
        random(LOWER_ALNUM, 26),
        (("MATTERMOST_WEBHOOK_URL", "https://chat.example.com/hooks/{}"),),
        ("POST https://chat.example.com/hooks/{} 400", "MATTERMOST_TOKEN={}"),
    ),
    Kind(
        "matrix_access_token",
        parts("syt_{}_{}_{}", (ALNUM, 8), (ALNUM, 20), (ALNUM, 6)),
        (("MATRIX_ACCESS_TOKEN", "{}"), ("matrix.note", "{}")),
        (
            "https://matrix.example.com/_matrix/client/v3/sync?timeout=30000&access_token={}",
            "matrix: M_UNKNOWN_TOKEN for {}",
        ),
    ),
    Kind(
        "pushover_token",
        random(LOWER_ALNUM, 30),
        (("PUSHOVER_APP_TOKEN", "{}"), ("PUSHOVER_USER_KEY", "{}")),
        ("POST api.pushover.net body: token={}&user=from-vault&message=stopped",),
    ),
    Kind(
        "brevo_key",
        parts("xkeysib-{}-{}", (HEX, 64), (ALNUM, 16)),
        (("BREVO_API_KEY", "{}"), ("api-key", "{}"), ("mail.note", "{}")),
        ("brevo: Key not found: {}", "sib_api_v3_sdk configured with {}"),
    ),
    Kind(
        "postmark_token",
        uuids,
        (("X-Postmark-Server-Token", "{}"), ("POSTMARK_API_TOKEN", "{}")),
        ("PostmarkClient(server_token='{}')",),
    ),
    Kind(
        "mailjet_private_key",
        random(HEX, 32),
        (("MJ_APIKEY_PRIVATE", "{}"), ("mailjet.secret_key", "{}")),
        (
            "mailjet_rest.Client(auth=('from-vault', '{}'), version='v3.1')",
            'curl --user "from-vault:{}" https://api.mailjet.com/v3.1/send',
        ),
    ),
    Kind(
        "zulip_key",
        random(ALNUM, 32),
        (("ZULIP_API_KEY", "{}"), ("zulip.api_key", "{}")),
        ("[api]\nemail=bot\nkey={}\nsite=https://chat.example.com\n",),
    ),
    Kind(
        "google_chat_webhook",
        random(URLSAFE, 43),
        (
            (
                "GCHAT_WEBHOOK",
                "https://chat.googleapis.com/v1/spaces/AAQA1/messages?key=from-vault&token={}",
            ),
        ),
        ("https://chat.googleapis.com/v1/spaces/AAQA1/messages?key=from-vault&token={} 404",),
    ),
    Kind(
        "ntfy_token",
        random(LOWER_ALNUM, 29, prefix="tk_"),
        (("NTFY_TOKEN", "{}"), ("Authorization", "Bearer {}")),
        ("ntfy publish --token {} ffe-alerts down", "https://push.example.com/message?token={}"),
    ),
    # Building and shipping
    Kind(
        "circleci_token",
        parts("CCIPAT_{}_{}", (ALNUM, 22), (HEX, 40)),
        (("Circle-Token", "{}"), ("CIRCLECI_CLI_TOKEN", "{}")),
        ("curl -H 'Circle-Token: {}' https://circleci.com/api/v2/me", "circleci refused {}"),
    ),
    Kind(
        "buildkite_token",
        random(HEX, 40, prefix="bkua_"),
        (("BUILDKITE_API_TOKEN", "{}"), ("ci.note", "{}")),
        ("buildkite: 401 for {}", "BUILDKITE_AGENT_TOKEN={}"),
    ),
    Kind(
        "terraform_token",
        parts("{}.atlasv1.{}", (ALNUM, 14), (ALNUM, 67)),
        (("TF_TOKEN_app_terraform_io", "{}"), ("deploy.note", "{}")),
        ('credentials "app.terraform.io" {\n  token = "{}"\n}', "terraform login gave {}"),
    ),
    Kind(
        "pulumi_token",
        random(HEX, 40, prefix="pul-"),
        (("PULUMI_ACCESS_TOKEN", "{}"), ("Authorization", "token {}")),
        ("pulumi: logged in with {}", "PULUMI_CONFIG_PASSPHRASE={} pulumi up"),
    ),
    Kind(
        "sonar_token",
        random(HEX, 40, prefix="squ_"),
        (("SONAR_TOKEN", "{}"), ("sonar.login", "{}")),
        ("sonar-scanner -Dsonar.token={} -Dsonar.projectKey=ffe", "sonar answered 401 to {}"),
    ),
    Kind(
        "codecov_token",
        uuids,
        (("CODECOV_TOKEN", "{}"),),
        ("codecov upload-process -t {}", "POST https://codecov.io/upload/v4?package=cli&token={}"),
    ),
    Kind(
        "jfrog_key",
        random(ALNUM, 69, prefix="AKCp"),
        (("X-JFrog-Art-Api", "{}"), ("PIP_INDEX_URL", "https://ffe:{}@ffe.jfrog.io/simple")),
        ("Looking in indexes: https://ffe:{}@ffe.jfrog.io/artifactory/api/pypi/pypi/simple",),
    ),
    Kind(
        "jenkins_token",
        random(HEX, 32, prefix="11"),
        (("JENKINS_API_TOKEN", "{}"),),
        (
            "curl -X POST -u ops:{} https://ci.example.com/job/ffe/build",
            "java -jar jenkins-cli.jar -auth ops:{} build ffe",
        ),
    ),
    Kind(
        "atlassian_token",
        random(URLSAFE, 180, prefix="ATATT3xFfGF0"),
        (("JIRA_API_TOKEN", "{}"), ("ticket.note", "{}")),
        ("jira: basic_auth=('ops', '{}')", "confluence export used {}"),
    ),
    Kind(
        "notion_token",
        random(ALNUM, 46, prefix="ntn_"),
        (("NOTION_TOKEN", "{}"), ("journal.note", "{}")),
        ("notion: API token {} is invalid.", "Client(auth='{}')"),
    ),
    # Machines and people who log in
    Kind(
        "password_hash",
        _password_hash,
        (("password_hash", "{}"), ("user.password", "{}")),
        ("ops:{}", "check_password_hash('{}', given) is False", "INSERT INTO users VALUES ('{}')"),
    ),
    Kind(
        "ldap_bind_password",
        password,
        (("LDAP_BIND_PASSWORD", "{}"), ("ldap.bind_pw", "{}"), ("bindCredentials", "{}")),
        (
            "ldapsearch -x -D cn=ffe,dc=example,dc=com -w {} -b dc=example,dc=com",
            "conn.simple_bind_s('cn=ffe,dc=example,dc=com', '{}')",
            "binddn cn=ffe,dc=example,dc=com\nbindpw {}\n",
        ),
    ),
    Kind(
        "kerberos_keytab",
        _keytab,
        (("KRB5_KEYTAB_BASE64", "{}"), ("kerberos.keytab", "{}")),
        ("echo {} | base64 -d > /etc/krb5.keytab", "KEYTAB={}"),
    ),
    Kind(
        "java_keystore_password",
        password,
        (("javax.net.ssl.keyStorePassword", "{}"), ("ssl.truststore.password", "{}")),
        (
            "java -Djavax.net.ssl.keyStorePassword={} -jar gateway.jar",
            "keytool -list -keystore gateway.jks -storepass {}",
        ),
    ),
    Kind(
        "ansible_password",
        password,
        (("ansible_become_pass", "{}"), ("ansible_ssh_pass", "{}")),
        (
            "trader1 ansible_host=10.0.0.5 ansible_user=ops ansible_become_pass={}",
            "ansible_password: {}",
        ),
    ),
    Kind(
        "shell_password",
        password,
        (
            ("command", "sshpass -p {} ssh ops@trader1 uptime"),
            ("process.command_line", "openssl pkcs12 -in c.p12 -passin pass:{} -nodes"),
        ),
        (
            "sshpass -p {} scp day.csv ops@trader1:/srv",
            "echo {} | sudo -S systemctl restart ffe",
            "openssl rsa -in key.pem -passin pass:{}",
            "gpg --batch --passphrase {} -d day.csv.gpg",
        ),
    ),
    Kind(
        "restic_password",
        password,
        (("RESTIC_PASSWORD", "{}"), ("B2_ACCOUNT_KEY", "{}"), ("backup.encryption_password", "{}")),
        ("RESTIC_PASSWORD={} restic snapshots", "borg: BORG_PASSPHRASE='{}'"),
    ),
    Kind(
        "http_digest",
        random(HEX, 32),
        (
            (
                "Authorization",
                'Digest username="ffe", realm="q", nonce="ab", uri="/v1", response="{}"',
            ),
        ),
        ('Authorization: Digest username="ffe", realm="q", uri="/v1", qop=auth, response="{}"',),
    ),
    Kind(
        "saml_response",
        _saml,
        (("SAMLResponse", "{}"), ("saml.assertion", "{}")),
        ("POST /saml/acs RelayState=ab&SAMLResponse={}", "cannot verify SAMLResponse {}"),
    ),
    Kind(
        "device_code",
        random(URLSAFE, 40),
        (("device_code", "{}"), ("oauth.device_code", "{}")),
        (
            '{"device_code": "{}", "user_code": "WDJB-MJHT", "interval": 5}',
            "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code={}&client_id=ffe",
        ),
    ),
    Kind(
        "pkce_verifier",
        random(URLSAFE, 64),
        (("code_verifier", "{}"), ("oauth.code_verifier", "{}")),
        ("grant_type=authorization_code&code_verifier={}&client_id=ffe",),
    ),
    Kind(
        "vapid_private_key",
        random(URLSAFE, 43),
        (("VAPID_PRIVATE_KEY", "{}"), ("webpush.vapid_private_key", "{}")),
        ("webpush(subscription, data, vapid_private_key='{}')", '{"privateKey": "{}"}'),
    ),
    Kind(
        "fernet_key",
        random(URLSAFE, 43, suffix="="),
        (("FERNET_KEY", "{}"), ("AIRFLOW__CORE__FERNET_KEY", "{}"), ("ENCRYPTION_KEY", "{}")),
        ("Fernet(b'{}')", "cryptography: cannot decrypt with encryption key {}"),
    ),
    # Wallets
    Kind(
        "keystore_password",
        password,
        (("KEYSTORE_PASSWORD", "{}"), ("wallet.unlock_password", "{}")),
        (
            "Account.decrypt(keystore, '{}')",
            '{"method": "personal_unlockAccount", "params": ["0xab", "{}", 300]}',
            "bitcoin-cli walletpassphrase {} 60",
        ),
    ),
    Kind(
        "stellar_seed",
        random(BASE32, 55, prefix="S"),
        (("STELLAR_SECRET", "{}"), ("wallet.note", "{}")),
        ("Keypair.from_secret('{}')", "stellar account signs with {}"),
    ),
    Kind(
        "ripple_seed",
        random(BASE58, 28, prefix="sEd"),
        (("XRPL_SEED", "{}"), ("xrp.secret", "{}")),
        ("Wallet.from_seed('{}')", '{"method": "sign", "params": [{"secret": "{}"}]}'),
    ),
    Kind(
        "polkadot_seed",
        random(HEX, 64, prefix="0x"),
        (("POLKADOT_SEED", "{}"), ("substrate.secret_seed", "{}")),
        ("Secret seed:       {}\n  Network ID:        substrate", "subkey inspect {}"),
    ),
    Kind(
        "monero_spend_key",
        random(HEX, 64),
        (("MONERO_SPEND_KEY", "{}"), ("xmr.view_key", "{}")),
        ("secret: {}\npublic: ab12\n", "monero-wallet-cli spendkey -> secret: {}"),
    ),
    Kind(
        "algorand_words",
        _algorand_words,
        (("ALGO_MNEMONIC", "{}"), ("wallet.note", "{}")),
        ("mnemonic.to_private_key('{}')", "your 25 words: {}"),
    ),
    Kind(
        "solana_keypair_bytes",
        _solana_bytes,
        (("SOLANA_KEYPAIR", "{}"), ("solana.secret_key", "{}")),
        ("~/.config/solana/id.json: {}", "Keypair.from_bytes({})"),
    ),
    Kind(
        "bip38_key",
        random(BASE58, 56, prefix="6P"),
        (("wallet.encrypted_key", "{}"), ("BIP38_KEY", "{}")),
        ("bip38 decrypt {}", "paper wallet private key {}"),
    ),
    Kind(
        "walletconnect_key",
        random(HEX, 64),
        (
            (
                "wc.uri",
                "wc:7f6e504bfad60b485450578e05678ed3e8e8c4751d3c@2?relay-protocol=irn&symKey={}",
            ),
        ),
        ("pair with wc:7f6e504bfad60b485450578e05678ed3e8e8c4751d3c@2?symKey={}",),
    ),
    Kind(
        "lnd_macaroon",
        random(HEX, 240, prefix="0201036c6e64"),
        (("Grpc-Metadata-macaroon", "{}"), ("LND_MACAROON_HEX", "{}")),
        ("curl -H 'Grpc-Metadata-macaroon: {}' https://lnd:8080/v1/getinfo", "macaroon={}"),
    ),
    # Ways of writing, whoever issued the secret
    Kind(
        "putty_key",
        _putty,
        (("deploy.key", "{}"), ("PUTTY_PPK", "{}")),
        ("key file:\n{}", "{}"),
    ),
    Kind(
        "json_web_key",
        _jwk,
        (("signing.jwk", "{}"), ("JWK_PRIVATE", "{}")),
        ("loaded private key {}", "jwk.construct({})"),
    ),
    Kind(
        "traceback_locals",
        random(ALNUM, 32, 40, 64),
        (("exception.locals", "{'self': <Broker>, 'api_secret': '{}', 'retries': 3}"),),
        (
            "│ │ api_secret = '{}' │ │",
            "    api_secret = '{}'\n    retries = 3\n",
            "  File \"broker.py\", line 12, in sign\n    secret = '{}'\n",
        ),
    ),
    Kind(
        "settings_file_secret",
        random(ALNUM, 32, 40, 64),
        (("config.text", "broker:\n  name: demo\n  api_secret: >-\n    {}\n  paper: true\n"),),
        (
            '[broker]\nname = "demo"\napi_secret = "{}"\n',
            "broker:\n  api_secret: |\n    {}\n  paper: true\n",
            "broker.api.secret={}\nbroker.paper=true\n",
        ),
    ),
    Kind(
        "xml_secret",
        one_of(random(ALNUM, 32), password),
        (
            ("soap.body", "<Login><UserName>ffe</UserName><Password>{}</Password></Login>"),
            ("app.config", '<add key="ApiSecret" value="{}" />'),
        ),
        (
            "<server><id>repo</id><username>ffe</username><password>{}</password></server>",
            '<appSettings><add key="BrokerPassword" value="{}"/></appSettings>',
            "<wsse:Password Type='PasswordText'>{}</wsse:Password>",
        ),
    ),
    Kind(
        "multipart_password",
        password,
        (
            (
                "http.request.body",
                '--b1\r\nContent-Disposition: form-data; name="password"\r\n\r\n{}\r\n--b1--\r\n',
            ),
        ),
        ('--b1\r\nContent-Disposition: form-data; name="api_secret"\r\n\r\n{}\r\n--b1--\r\n',),
    ),
    Kind(
        "argument_list_secret",
        random(ALNUM, 32, 40),
        (("process.command_args", "['main.py', '--api-secret', '{}', '--paper']"),),
        (
            "sys.argv: ['main.py', '--api-secret', '{}', '--paper']",
            "python main.py --paper --broker-token {} --symbols EURUSD",
            "Command '['agent', '--password', '{}']' returned non-zero exit status 1.",
        ),
    ),
    Kind(
        "name_and_value",
        random(ALNUM, 32, 40),
        (
            ("container.env", '[{"name": "BROKER_API_SECRET", "value": "{}"}]'),
            ("http.request.raw_headers", "[(b'host', b'a'), (b'x-api-key', b'{}')]"),
        ),
        (
            "        - name: BROKER_API_SECRET\n          value: {}\n",
            '{"headers": [{"name": "X-Auth-Token", "value": "{}"}]}',
            "headers = [('Accept', '*/*'), ('X-Api-Key', '{}')]",
        ),
    ),
    Kind(
        "kubernetes_secret_data",
        _encoded_password,
        (("manifest", "apiVersion: v1\nkind: Secret\ndata:\n  broker-password: {}\n"),),
        ("kind: Secret\nmetadata:\n  name: ffe\ndata:\n  api-secret: {}\n",),
    ),
    Kind(
        "sql_secret",
        one_of(random(ALNUM, 32), password),
        (
            ("db.statement", "ALTER USER ffe WITH PASSWORD '{}'"),
            ("db.query.text", "UPDATE brokers SET api_secret = '{}' WHERE id = 3"),
        ),
        (
            "CREATE USER ffe IDENTIFIED BY '{}'",
            "INSERT INTO brokers (name, api_secret) VALUES ('demo', '{}')",
            "[SQL: UPDATE brokers SET api_secret=%(s)s] [parameters: {'api_secret': '{}'}]",
        ),
    ),
    Kind(
        "escaped_json_secret",
        random(ALNUM, 32, 40),
        (("http.request.body", '{"body": "{\\"apiSecret\\": \\"{}\\", \\"paper\\": true}"}'),),
        (
            '{"message": "{\\"login\\": {\\"password\\": \\"{}\\"}}"}',
            'b\'{\\"client_secret\\": \\"{}\\"}\'',
        ),
    ),
    Kind(
        "encoded_redirect_token",
        random(ALNUM, 40),
        (
            (
                "url.query",
                "next=https%3A%2F%2Fapp.example.com%2Fcb%3Faccess_token%3D{}%26state%3Dab",
            ),
        ),
        ("302 /login?next=https%3A%2F%2Fapp.example.com%2Fcb%3Faccess_token%3D{}%26state%3Dab",),
    ),
    Kind(
        "password_in_a_sentence",
        password,
        (("chat.message", "log in as trader7, the password is {} and no second factor"),),
        (
            "my broker password is {} please log in for me",
            "use trader7 with password {} on the demo server",
            "The password for the paper account is: {}",
        ),
    ),
    Kind(
        "password_in_other_languages",
        password,
        (("Passwort", "{}"), ("mot_de_passe", "{}"), ("contraseña", "{}")),
        ("Passwort: {}", "mot de passe : {}", "contraseña: {}", "密码: {}"),
    ),
)
