# SPDX-License-Identifier: Apache-2.0
"""FROZEN: kinds of secrets that the redaction's rules were not written for.

Committed before the rules were. This file must not change to fit the rules, and no rule may be
written for a kind of this table: it measures how redaction does on what it does not know. The
test holds a checksum of it; a new kind goes into a new table with a commit of its own.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from canary_kind import (
    ALNUM,
    BASE32,
    BASE58,
    BECH32,
    DIGITS,
    HEX,
    LETTERS,
    LOWER_ALNUM,
    UPPER_ALNUM,
    URLSAFE,
    Kind,
    Secret,
    base64_bytes,
    draw,
    one_of,
    parts,
    password,
    pem,
    random,
    uuids,
)

if TYPE_CHECKING:
    from random import Random


def _docker_auth(rng: Random) -> Secret:
    pair = f"deploy:{draw(rng, ALNUM, 20)}"
    text = base64.b64encode(pair.encode()).decode()
    return Secret(text, (text.rstrip("=")[10:],))


def _wif(rng: Random) -> Secret:
    text = rng.choice("KL") + draw(rng, BASE58, 51)
    return Secret(text, (text,))


HELD_OUT = (
    # Brokers and exchanges
    Kind(
        "kraken_key",
        random(ALNUM + "+/", 56),
        (("API-Key", "{}"), ("KRAKEN_API_KEY", "{}")),
        ("kraken: using api key {}", '{"exchange": "kraken", "apiKey": "{}"}'),
    ),
    Kind(
        "kraken_secret",
        base64_bytes(64),
        (("KRAKEN_API_SECRET", "{}"), ("kraken.private_key", "{}"), ("api_sec", "{}")),
        ("KRAKEN_SECRET={}", "ccxt.kraken({'apiKey': 'from-vault', 'secret': '{}'})"),
    ),
    Kind(
        "bybit_key",
        random(ALNUM, 18),
        (("X-BAPI-API-KEY", "{}"), ("BYBIT_API_KEY", "{}")),
        ("https://api.bybit.com/v5/account/info?api_key={}&timestamp=1767225600000",),
    ),
    Kind(
        "bybit_signature",
        random(HEX, 64),
        (("X-BAPI-SIGN", "{}"),),
        ("wss auth failed: retCode 10004, error sign! sign={}",),
    ),
    Kind(
        "okx_passphrase",
        password,
        (("OK-ACCESS-PASSPHRASE", "{}"), ("okx.passphrase", "{}"), ("OKX_PASSPHRASE", "{}")),
        ("okx login rejected for passphrase {}", '{"op": "login", "args": [{"passphrase": "{}"}]}'),
    ),
    Kind(
        "kucoin_secret",
        uuids,
        (("KUCOIN_API_SECRET", "{}"), ("kucoin.secret", "{}")),
        ("export KUCOIN_API_SECRET={}", "kucoin client: secret='{}'"),
    ),
    Kind(
        "alpaca_key_id",
        random(UPPER_ALNUM, 18, prefix="PK"),
        (("APCA-API-KEY-ID", "{}"), ("ALPACA_API_KEY", "{}")),
        ("curl -H 'APCA-API-KEY-ID: {}' https://paper-api.alpaca.markets/v2/account",),
    ),
    Kind(
        "alpaca_secret",
        random(ALNUM, 40),
        (("APCA-API-SECRET-KEY", "{}"), ("APCA_API_SECRET_KEY", "{}")),
        ("curl -H 'APCA-API-SECRET-KEY: {}' https://paper-api.alpaca.markets/v2/orders",),
    ),
    Kind(
        "tradier_token",
        random(ALNUM, 28),
        (("TRADIER_ACCESS_TOKEN", "{}"), ("Authorization", "Bearer {}")),
        ("tradier: 401 for access token {}",),
    ),
    Kind(
        "bitmex_signature",
        random(HEX, 64),
        (("api-signature", "{}"),),
        ("wss://ws.bitmex.com/realtime?api-expires=1767225600&api-signature={}",),
    ),
    Kind(
        "hyperliquid_agent_key",
        random(HEX, 64, prefix="0x"),
        (("HL_AGENT_PRIVATE_KEY", "{}"), ("hyperliquid.secret_key", "{}")),
        ("Account.from_key('{}')", "HL_SECRET_KEY={}"),
    ),
    Kind(
        "fix_logon_password",
        password,
        (
            ("fix.password", "{}"),
            ("fix.logon", "8=FIX.4.4|35=A|49=ENGINE|56=BROKER|554={}|10=131|"),
        ),
        (
            "8=FIX.4.4\x0135=A\x0149=ENGINE\x0156=BROKER\x01553=trader7\x01554={}\x0110=087\x01",
            "sent logon 8=FIX.4.4|9=112|35=A|34=1|49=ENGINE|553=trader7|554={}|10=087|",
        ),
    ),
    # Market data
    Kind(
        "polygon_key",
        random(ALNUM + "_", 32),
        (("POLYGON_API_KEY", "{}"), ("url.query", "adjusted=true&sort=asc&apiKey={}")),
        (
            (
                "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/2026-01-05/2026-01-09"
                "?adjusted=true&apiKey={}"
            ),
        ),
    ),
    Kind(
        "finnhub_token",
        random(LOWER_ALNUM, 20, 40),
        (("X-Finnhub-Token", "{}"), ("FINNHUB_API_KEY", "{}")),
        (
            "GET https://finnhub.io/api/v1/quote?symbol=AAPL&token={}",
            "websocket connecting to wss://ws.finnhub.io?token={}",
        ),
    ),
    Kind(
        "fred_key",
        random(LOWER_ALNUM, 32),
        (("FRED_API_KEY", "{}"),),
        (
            (
                "https://api.stlouisfed.org/fred/series/observations?series_id=CPIAUCSL&api_key={}"
                "&file_type=json"
            ),
        ),
    ),
    Kind(
        "coingecko_key",
        random(ALNUM, 24, prefix="CG-"),
        (("x-cg-pro-api-key", "{}"), ("x-cg-demo-api-key", "{}")),
        ("https://api.coingecko.com/api/v3/ping?x_cg_demo_api_key={}",),
    ),
    Kind(
        "glassnode_key",
        random(ALNUM, 27),
        (("GLASSNODE_API_KEY", "{}"), ("X-Api-Key", "{}")),
        ("GET /v1/metrics/market/price_usd_close?a=BTC&api_key={} -> 429",),
    ),
    Kind(
        "infura_project_id",
        random(HEX, 32),
        (("INFURA_API_KEY", "{}"), ("rpc.url", "https://mainnet.infura.io/v3/{}")),
        ("web3 provider https://mainnet.infura.io/v3/{} is not connected",),
    ),
    Kind(
        "etherscan_key",
        random(UPPER_ALNUM, 34),
        (("ETHERSCAN_API_KEY", "{}"),),
        ("https://api.etherscan.io/api?module=account&action=balance&tag=latest&apikey={}",),
    ),
    # Models
    Kind(
        "groq_key",
        random(ALNUM, 52, prefix="gsk_"),
        (("GROQ_API_KEY", "{}"), ("Authorization", "Bearer {}"), ("llm.note", "{}")),
        ("groq: Invalid API Key {}", "the key in .env is {} if you need it"),
    ),
    Kind(
        "xai_key",
        random(ALNUM, 80, prefix="xai-"),
        (("XAI_API_KEY", "{}"), ("Authorization", "Bearer {}")),
        ("Incorrect API key provided: {}. See https://console.x.ai.",),
    ),
    Kind(
        "mistral_key",
        random(ALNUM, 32),
        (("MISTRAL_API_KEY", "{}"), ("Authorization", "Bearer {}")),
        ("MistralClient(api_key='{}')",),
    ),
    Kind(
        "deepseek_key",
        random(HEX, 32, prefix="sk-"),
        (("DEEPSEEK_API_KEY", "{}"), ("llm.note", "{}")),
        ("Authentication Fails, Your api key: {} is invalid", "deepseek uses {} today"),
    ),
    Kind(
        "replicate_token",
        random(ALNUM, 37, prefix="r8_"),
        (("REPLICATE_API_TOKEN", "{}"), ("Authorization", "Token {}")),
        ("replicate.Client(api_token='{}')",),
    ),
    Kind(
        "perplexity_key",
        random(ALNUM, 48, prefix="pplx-"),
        (("PERPLEXITY_API_KEY", "{}"), ("PPLX_KEY", "{}")),
        ("perplexity call with {} returned 401",),
    ),
    Kind(
        "huggingface_token",
        random(LETTERS, 34, prefix="hf_"),
        (("HF_TOKEN", "{}"), ("HUGGING_FACE_HUB_TOKEN", "{}")),
        ("huggingface-cli login --token {}", "pulling ProsusAI/finbert as {}"),
    ),
    # Operations
    Kind(
        "twilio_auth_token",
        random(HEX, 32),
        (("TWILIO_AUTH_TOKEN", "{}"), ("twilio.auth_token", "{}")),
        ("Client(account_sid, auth_token='{}')",),
    ),
    Kind(
        "mailgun_key",
        parts("key-{}", (HEX, 32)),
        (("MAILGUN_API_KEY", "{}"),),
        ("curl -s --user 'api:{}' https://api.mailgun.net/v3/mg.example.com/messages",),
    ),
    Kind(
        "sendgrid_key",
        parts("SG.{}.{}", (URLSAFE, 22), (URLSAFE, 43)),
        (("SENDGRID_API_KEY", "{}"), ("mail.config", "{}")),
        ("sendgrid rejected {}: The provided authorization grant is invalid",),
    ),
    Kind(
        "smtp_password",
        password,
        (("SMTP_PASSWORD", "{}"), ("smtp_pass", "{}"), ("EMAIL_HOST_PASSWORD", "{}")),
        ("smtp://alerts:{}@smtp.example.com:587", "smtp login alerts@example.com password={}"),
    ),
    Kind(
        "datadog_key",
        random(HEX, 32),
        (("DD_API_KEY", "{}"), ("DD-API-KEY", "{}")),
        ("DD_API_KEY={} DD_SITE=datadoghq.eu datadog-agent start",),
    ),
    Kind(
        "datadog_application_key",
        random(HEX, 40),
        (("DD_APP_KEY", "{}"), ("DD-APPLICATION-KEY", "{}")),
        ("https://api.datadoghq.com/api/v1/query?application_key={}",),
    ),
    Kind(
        "sentry_dsn",
        random(HEX, 32),
        (("SENTRY_DSN", "https://{}@o4501234.ingest.sentry.io/4505678"),),
        ("sentry_sdk.init('https://{}@o4501234.ingest.sentry.io/4505678')",),
    ),
    Kind(
        "grafana_service_token",
        parts("glsa_{}_{}", (ALNUM, 32), (HEX, 8)),
        (("GRAFANA_TOKEN", "{}"), ("Authorization", "Bearer {}"), ("grafana.login", "{}")),
        ("grafana answered 401 to {}",),
    ),
    Kind(
        "vault_token",
        random(URLSAFE, 91, prefix="hvs."),
        (("X-Vault-Token", "{}"), ("VAULT_TOKEN", "{}")),
        ("vault login {}", "lease for token {} was revoked"),
    ),
    Kind(
        "doppler_token",
        random(ALNUM, 43, prefix="dp.pt."),
        (("DOPPLER_TOKEN", "{}"),),
        ("doppler run --token {} -- python main.py",),
    ),
    Kind(
        "digitalocean_token",
        random(HEX, 64, prefix="dop_v1_"),
        (("DIGITALOCEAN_ACCESS_TOKEN", "{}"), ("deploy.note", "{}")),
        ("doctl auth init -t {}",),
    ),
    Kind(
        "azure_storage_key",
        base64_bytes(64),
        (
            ("AZURE_STORAGE_KEY", "{}"),
            (
                "AZURE_STORAGE_CONNECTION_STRING",
                (
                    "DefaultEndpointsProtocol=https;AccountName=ffe;AccountKey={};"
                    "EndpointSuffix=core.windows.net"
                ),
            ),
        ),
        (
            (
                "cannot parse DefaultEndpointsProtocol=https;AccountName=ffe;AccountKey={};"
                "EndpointSuffix=core.windows.net"
            ),
        ),
    ),
    Kind(
        "azure_sas_signature",
        random(ALNUM, 43, suffix="%3D"),
        (("url.full", "https://ffe.blob.core.windows.net/b/day.parquet?sv=2024-11-04&sig={}"),),
        ("PUT https://ffe.blob.core.windows.net/b/x?sv=2024-11-04&se=2026-12-01&sp=rw&sig={} 403",),
    ),
    Kind(
        "firebase_server_key",
        parts("AAAA{}:APA91b{}", (URLSAFE, 7), (URLSAFE, 134)),
        (("FCM_SERVER_KEY", "{}"), ("Authorization", "key={}")),
        ("fcm: key={} is not authorised",),
    ),
    Kind(
        "cloudflare_token",
        random(URLSAFE, 40),
        (("CLOUDFLARE_API_TOKEN", "{}"), ("CF_API_TOKEN", "{}")),
        ("curl -H 'Authorization: Bearer {}' https://api.cloudflare.com/client/v4/zones",),
    ),
    Kind(
        "cloudflare_global_key",
        random(HEX, 37),
        (("X-Auth-Key", "{}"),),
        ("curl -H 'X-Auth-Key: {}' https://api.cloudflare.com/client/v4/user",),
    ),
    Kind(
        "heroku_key",
        uuids,
        (("HEROKU_API_KEY", "{}"),),
        ("machine api.heroku.com login ops@example.com password {}",),
    ),
    Kind(
        "pagerduty_routing_key",
        random(LOWER_ALNUM, 32),
        (("PAGERDUTY_ROUTING_KEY", "{}"), ("routing_key", "{}")),
        ('{"routing_key": "{}", "event_action": "trigger"}',),
    ),
    Kind(
        "newrelic_key",
        random(UPPER_ALNUM, 27, prefix="NRAK-"),
        (("NEW_RELIC_API_KEY", "{}"), ("Api-Key", "{}")),
        ("curl -H 'Api-Key: {}' https://api.newrelic.com/graphql",),
    ),
    Kind(
        "opsgenie_key",
        uuids,
        (("OPSGENIE_API_KEY", "{}"), ("Authorization", "GenieKey {}")),
        ("curl -H 'Authorization: GenieKey {}' https://api.opsgenie.com/v2/alerts",),
    ),
    Kind(
        "gitlab_token",
        random(URLSAFE, 20, prefix="glpat-"),
        (("GITLAB_TOKEN", "{}"), ("PRIVATE-TOKEN", "{}")),
        ("git clone https://oauth2:{}@gitlab.example.com/ffe/strategies.git",),
    ),
    Kind(
        "npm_token",
        random(ALNUM, 36, prefix="npm_"),
        (("NPM_TOKEN", "{}"),),
        ("//registry.npmjs.org/:_authToken={}",),
    ),
    Kind(
        "pypi_token",
        random(URLSAFE, 160, prefix="pypi-AgEIcHlwaS5vcmc"),
        (("TWINE_PASSWORD", "{}"), ("UV_PUBLISH_TOKEN", "{}")),
        ("twine upload -u __token__ -p {} dist/*", "upload with {} was refused"),
    ),
    Kind(
        "stripe_key",
        random(ALNUM, 24, 99, prefix="sk_live_"),
        (("STRIPE_SECRET_KEY", "{}"), ("billing.note", "{}")),
        ("Invalid API Key provided: {}", "stripe listen --api-key {}"),
    ),
    Kind(
        "influxdb_token",
        random(URLSAFE, 86, suffix="=="),
        (("INFLUX_TOKEN", "{}"), ("Authorization", "Token {}")),
        ("influx write --bucket ffe --token {}",),
    ),
    Kind(
        "telegram_session",
        random(URLSAFE, 352, prefix="1B", suffix="="),
        (("TELETHON_SESSION", "{}"), ("telegram.session_string", "{}")),
        ("TelegramClient(StringSession('{}'), api_id, api_hash)",),
    ),
    Kind(
        "telegram_api_hash",
        random(HEX, 32),
        (("TELEGRAM_API_HASH", "{}"), ("api_hash", "{}")),
        ("TG_API_ID=1234567 TG_API_HASH={} python bot.py",),
    ),
    Kind(
        "discord_bot_token",
        parts("MT{}.{}.{}", (ALNUM, 24), (ALNUM, 6), (URLSAFE, 38)),
        (("DISCORD_BOT_TOKEN", "{}"), ("Authorization", "Bot {}")),
        ("client.run('{}')", "discord gateway refused token {}"),
    ),
    # Databases and machines
    Kind(
        "mongodb_password",
        password,
        (("MONGO_URI", "mongodb+srv://ffe:{}@cluster0.ab1cd.mongodb.net/trades"),),
        ("pymongo cannot reach mongodb+srv://ffe:{}@cluster0.ab1cd.mongodb.net/?w=majority",),
    ),
    Kind(
        "mysql_password",
        password,
        (("MYSQL_PWD", "{}"), ("DATABASE_URL", "mysql+pymysql://ffe:{}@db:3306/trades")),
        ("mysql -h db -u ffe --password={} trades", "mysql+pymysql://ffe:{}@db:3306/trades"),
    ),
    Kind(
        "mssql_password",
        password,
        (("mssql.dsn", "Driver={ODBC Driver 18};Server=db,1433;Uid=sa;Pwd={};Encrypt=yes"),),
        ("connecting with Server=db,1433;Database=ffe;User Id=sa;Password={};Encrypt=True",),
    ),
    Kind(
        "snowflake_password",
        password,
        (("SNOWFLAKE_PASSWORD", "{}"), ("SNOWSQL_PWD", "{}")),
        ("snowflake://ffe:{}@ab12345.eu-central-1/market/public?warehouse=wh",),
    ),
    Kind(
        "pgpass_password",
        password,
        (("PGPASSWORD", "{}"),),
        ("db.example.com:5432:trades:ffe:{}", "PGPASSWORD={} psql -h db trades"),
    ),
    Kind(
        "netrc_password",
        password,
        (("netrc.line", "machine artifacts.example.com login ffe password {}"),),
        ("machine artifacts.example.com login ffe password {}",),
    ),
    Kind(
        "curl_user_password",
        password,
        (("command", "curl -u ffe:{} https://intern.example.com/metrics"),),
        (
            "curl -fsS -u ffe:{} https://intern.example.com/api/health",
            "wget --user=ffe --password={} https://intern.example.com/prices.csv",
        ),
    ),
    Kind(
        "docker_registry_auth",
        _docker_auth,
        (("docker.config", '{"auths": {"registry.example.com": {"auth": "{}"}}}'),),
        ('{"auths": {"https://index.docker.io/v1/": {"auth": "{}"}}}',),
    ),
    Kind(
        "kubeconfig_token",
        random(URLSAFE, 120, prefix="k8s-aws-v1."),
        (("kube.token", "{}"),),
        ("users:\n- name: ffe\n  user:\n    token: {}\n", "kubectl --token={} get pods"),
    ),
    Kind(
        "kubeconfig_client_key",
        base64_bytes(600),
        (("client-key-data", "{}"),),
        ("users:\n- name: ffe\n  user:\n    client-key-data: {}\n",),
    ),
    Kind(
        "environment_dump",
        one_of(random(ALNUM, 20, 32), random(HEX, 40), password),
        (
            ("FFE_SECRET", "{}"),
            ("WEBHOOK_SIGNING_SECRET", "{}"),
            ("DJANGO_SECRET_KEY", "{}"),
            ("process.environment", "PATH=/usr/bin SESSION_SECRET={} LANG=C.UTF-8"),
        ),
        (
            "export FFE_SECRET={}",
            'declare -x WEBHOOK_SIGNING_SECRET="{}"',
            "environ({'HOME': '/root', 'APP_SECRET_KEY': '{}', 'LANG': 'C.UTF-8'})",
        ),
    ),
    # Keys
    Kind(
        "ssh_private_key",
        pem("OPENSSH PRIVATE KEY", 260, 1600),
        (("deploy.key", "{}"), ("SSH_PRIVATE_KEY", "{}")),
        ("could not load key:\n{}\n",),
    ),
    Kind(
        "pgp_private_key",
        pem("PGP PRIVATE KEY BLOCK", 700, headers="Version: GnuPG v2\n"),
        (("gpg.export", "{}"),),
        ("gpg --import <<EOF\n{}\nEOF",),
    ),
    Kind(
        "encrypted_private_key",
        pem("ENCRYPTED PRIVATE KEY", 1250, newline="\\n"),
        (("TLS_KEY", "{}"),),
        ('{"tls": {"key": "{}"}}',),
    ),
    Kind(
        "age_secret_key",
        random(BECH32.upper(), 58, prefix="AGE-SECRET-KEY-1"),
        (("SOPS_AGE_KEY", "{}"), ("sops.identity", "{}")),
        ("age: identity {} did not match any of the recipients",),
    ),
    Kind(
        "bitcoin_wif",
        _wif,
        (("wallet.wif", "{}"), ("BTC_PRIVATE_KEY", "{}")),
        ("bitcoin-cli importprivkey {}", "sweeping wallet with private key {}"),
    ),
    Kind(
        "solana_keypair",
        random(BASE58, 87, 88),
        (("SOLANA_PRIVATE_KEY", "{}"), ("solana.secret_key", "{}")),
        ("Keypair.from_base58_string('{}') # bot wallet private key",),
    ),
    Kind(
        "wireguard_private_key",
        base64_bytes(32),
        (("WG_PRIVATE_KEY", "{}"),),
        ("[Interface]\nPrivateKey = {}\nAddress = 10.8.0.2/24\n",),
    ),
    Kind(
        "totp_seed",
        random(BASE32, 32),
        (("TOTP_SECRET", "{}"),),
        ("otpauth://totp/Broker:ops?secret={}&issuer=Broker",),
    ),
    Kind(
        "one_time_code",
        random(DIGITS, 8),
        (("otp_code", "{}"), ("mfa_code", "{}")),
        ("login with one-time code {} accepted",),
    ),
    Kind(
        "oauth_code",
        random(URLSAFE, 43),
        (("url.query", "state=ab&code={}"),),
        ("GET /callback?code={}&state=ab HTTP/1.1",),
    ),
    Kind(
        "oauth_refresh_token",
        random(URLSAFE, 100, prefix="1//0g"),
        (("refresh_token", "{}"),),
        ("grant_type=refresh_token&refresh_token={}&client_id=ffe",),
    ),
    Kind(
        "session_cookie_value",
        random(LOWER_ALNUM, 32),
        (("sessionid", "{}"), ("PHPSESSID", "{}"), ("JSESSIONID", "{}")),
        ("redirect to /login;jsessionid={}", "sessionid={}; csrftoken=none"),
    ),
    Kind(
        "presigned_url_signature",
        random(HEX, 64),
        (
            (
                "url.full",
                (
                    "https://b.s3.amazonaws.com/day.csv?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                    "&X-Amz-Expires=900&X-Amz-Signature={}"
                ),
            ),
        ),
        ("GET https://b.s3.amazonaws.com/day.csv?X-Amz-Expires=900&X-Amz-Signature={} 403",),
    ),
    Kind(
        "hmac_signature_header",
        base64_bytes(32),
        (("X-Signature", "{}"), ("X-Hub-Signature-256", "sha256={}")),
        ("request headers: {'X-Signature': '{}', 'Accept': '*/*'}",),
    ),
)
