# SPDX-License-Identifier: Apache-2.0
"""Values, limits, literals, counters, and failing closed."""

import base64
import datetime as dt
import decimal
import json
import urllib.parse
import uuid

import pytest

from ffe_otel import semconv
from ffe_otel.redaction import (
    Contribution,
    Redactor,
    harvest_literals,
    harvest_settings,
    load_catalogue,
)

CATALOGUE = load_catalogue()
SECRET = "s3cret/with+odd&characters"


@pytest.fixture
def redactor():
    return Redactor(CATALOGUE, [SECRET], ["token"])


class TestText:
    @pytest.mark.parametrize(
        "text",
        [
            "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
            "correlation 4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
            "2026-11-23T02:29:10.123456+00:00 BTCUSD 64231.50 EUR_USD 1.08432",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "gen_ai.usage.input_tokens=512 gen_ai.usage.output_tokens=64 tokens: 576",
            "order 3f1c9a7e-0b1d-4f7e-9a55-0c9f6f6f2a10 filled at 1.2e-5, fee $0.25",
            "Portfolio limit exceeded: VaR 0.05 > 0.04; keywords: key levels 100, 200",
            "GET https://api.example/v1/prices?symbol=BTCUSD&interval=5min&limit=100 200 OK",
            "File '/opt/engine/token_manager.py', line 12, in refresh_token",
            "ISIN US0378331005, version 1.45.1, base64 aGVsbG8gd29ybGQ=",
        ],
    )
    def test_ordinary_text_stays(self, redactor, text):
        assert redactor.text(text, "body") == text

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                'ValueError: {\'api_key\': \'A1\', "nested": "{\\"password\\": \\"p w\\"}"}',
                "ValueError: {'api_key': '[redacted:api-key]', \"nested\": "  # noqa: ISC004
                '"{\\"password\\": \\"[redacted:password]\\"}"}',
            ),
            (r"C:\token=abc123def456", r"C:\token=[redacted:token-value]"),
            (r"failed:\npassword=hunter2", r"failed:\npassword=[redacted:password]"),
            ("tool --pw hunter2a --x", "tool --pw [redacted:pass-value] --x"),
            (
                "url=https%3A%2F%2Fx%2Fq%3Fapikey%3DA1B2C3%26limit%3D5",
                "url=https%3A%2F%2Fx%2Fq%3Fapikey%3D[redacted:api-key]%26limit%3D5",
            ),
            (
                'os.environ["API_SECRET"] = "x y"; done',
                'os.environ["API_SECRET"] = "[redacted:secret]"; done',
            ),
            (
                "Authorization: Digest username=bob, response=abc",
                "Authorization: [redacted:authorization]",
            ),
            ("password='cut off here", "password='[redacted:password]"),
            ("password=a,b;c next", "password=[redacted:password] next"),
            ("Server=x;Password=abc;Timeout=5", "Server=x;Password=[redacted:password];Timeout=5"),
        ],
    )
    def test_notations_nest(self, redactor, text, expected):
        assert redactor.text(text, "body") == expected

    def test_allowed_query_parameters_stay(self, redactor):
        text = "https://x/q?token=abc123def456&apikey=abc123def456"
        assert redactor.text(text, "a").endswith("?token=abc123def456&apikey=[redacted:api-key]")

    def test_allowed_query_parameters_may_hold_generated_words(self):
        text = "https://x/q?appid=0a1b2c3d4e5f60718293&other=0a1b2c3d4e5f60718293"
        assert Redactor(CATALOGUE, (), ["appid"]).text(text, "a") == (
            "https://x/q?appid=0a1b2c3d4e5f60718293&other=[redacted:query-value]"
        )

    @pytest.mark.parametrize(
        "form",
        [
            SECRET,
            urllib.parse.quote(SECRET, safe=""),
            urllib.parse.quote_plus(SECRET),
            json.dumps(SECRET)[1:-1],
            base64.b64encode(f"u:{SECRET}".encode()).decode(),
            base64.urlsafe_b64encode(f"us:{SECRET}".encode()).decode(),
            base64.b64encode(SECRET.encode()).decode(),
        ],
    )
    def test_literal_in_every_form(self, redactor, form):
        redacted = redactor.text(f"<{form}>", "body")
        assert "[redacted:literal]" in redacted
        assert len(redacted) <= len("<[redacted:literal]>") + 8

    def test_literals_that_are_too_short_are_reported(self, caplog):
        redactor = Redactor(CATALOGUE, ["abc", "", "abcd"])
        assert redactor.text("abc abcd", "body") == "abc [redacted:literal]"
        assert "1 configured secrets are shorter than 4 characters" in caplog.text

    def test_disabled_rules_do_nothing(self):
        redactor = Redactor(load_catalogue(disabled=["account-id", "oanda-account"]))
        assert redactor.text("account_id=101-004-1234567-001", "a").endswith("-001")


class TestLimit:
    def test_cut_after_redaction(self, redactor):
        text = "x" * 90 + " password=hunter2"
        assert redactor.text(text, "body", 95) == text[:95]
        assert redactor.text(text, "body", 105) == "x" * 90 + " password="
        assert redactor.text(text, "body", 130) == "x" * 90 + " password=[redacted:password]"

    def test_a_secret_across_the_cut_is_seen_whole(self, redactor):
        text = "x" * 40 + " -----BEGIN EC PRIVATE KEY-----\n" + "A" * 4000
        assert "A" not in redactor.text(text, "body", 100)

    def test_shorter_markers_bring_nothing_from_beyond(self, redactor):
        key = "-----BEGIN EC PRIVATE KEY-----\n" + "A" * 90 + "\n-----END EC PRIVATE KEY-----\n"
        text = key * 200 + "ghp_" + "B" * 40
        assert "BBBB" not in redactor.text(text, "body", len(text) - 30)

    def test_cut_texts_are_counted(self, redactor):
        redactor.text("y" * 100_000, "body")
        assert len(redactor.text("y" * 100_000, "body")) == 65_536
        assert redactor.counts() == {("truncated", "body"): 2}


class TestValue:
    def test_nested(self, redactor):
        value = {
            "headers": [("X-Api-Key", "k1"), ("Accept", "json")],
            "har": [{"name": "Cookie", "value": "a=b"}, {"name": "Accept", "value": "json"}],
            "credentials": {"user": "bob", "pair": ["s1", {"x": "s2"}], "sandbox": True, "n": 1},
            "count": 3,
            "raw": b"token=abc123def456",
        }
        assert redactor.value(value, "", "attribute") == {
            "headers": [("X-Api-Key", "[redacted:api-key]"), ("Accept", "json")],
            "har": [
                {"name": "Cookie", "value": "[redacted:cookie]"},
                {"name": "Accept", "value": "json"},
            ],
            "credentials": {
                "user": "[redacted:credentials]",
                "pair": ["[redacted:credentials]", {"x": "[redacted:credentials]"}],
                "sandbox": True,
                "n": 1,
            },
            "count": 3,
            "raw": b"token=[redacted:token-value]",
        }

    @pytest.mark.parametrize(
        ("key", "value", "expected"),
        [
            ("password", "x", "[redacted:password]"),
            ("password", 1234, "[redacted:password]"),
            ("password", None, None),
            ("password", "", ""),
            ("ffe.password", ["a", "b"], ["[redacted:password]"] * 2),
            ("account_id", 778899, "[redacted:account-id]"),
            ("http.request.header.authorization", ("Bearer x",), ("[redacted:authorization]",)),
            ("token", "BTC", "BTC"),
            ("token", 512, 512),
            ("max_tokens", 512, 512),
            ("token", "abc123def456", "[redacted:token-value]"),
            ("next_page_token", "abc123def456", "abc123def456"),
            ("api_key", "${API_KEY}", "${API_KEY}"),
            ("api_key", "${API_KEY:-YOUR_API_KEY}", "${API_KEY:-YOUR_API_KEY}"),
            ("api_key", "${API_KEY:-hunter2x}", "[redacted:api-key]"),
            ("api_key", "${API_KEY:YOUR_0F1E2D}", "[redacted:api-key]"),
            ("password", "your-horse-battery", "[redacted:password]"),
            ("api_key", "********", "********"),
            ("api_key", True, True),
            ("note", 1.5, 1.5),
        ],
    )
    def test_by_key(self, redactor, key, value, expected):
        assert redactor.value(value, key, "attribute") == expected

    def test_other_types_become_text(self, redactor):
        when = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
        some = {"u": uuid.UUID(int=1), "d": decimal.Decimal("1.10"), "t": when, "s": {"a"}}
        assert redactor.value(some, "", "x") == {
            "u": str(uuid.UUID(int=1)), "d": "1.10", "t": str(when), "s": ("a",),
        }  # fmt: skip

    def test_keys_are_redacted_and_stay_apart(self, redactor):
        found = redactor.mapping({"token=abc123def456": 1, "token=abc123def457": 2}, "attribute")
        assert found == {"token=[redacted:token-value]": 1, "token=[redacted:token-value]'": 2}

    def test_our_own_names_are_never_secrets(self, redactor):
        names = {*semconv.ATTRIBUTES, *semconv.LOG_FIELDS}
        names |= {label for metric in semconv.METRICS for label in metric.labels}
        values = dict.fromkeys(names, "abc123def456")
        assert redactor.mapping(values, "attribute") == values

    def test_invalid_utf8_survives(self, redactor):
        assert redactor.value(b"\xff\xfe ok", "", "x") == b"\xff\xfe ok"
        assert redactor.value(b"\xffpassword=x", "", "x") == b"\xffpassword=[redacted:password]"

    @pytest.mark.parametrize("gate", ["python", "re2"])
    def test_lone_surrogates_survive(self, gate):
        text = "\ud800 password=x"
        assert (
            Redactor(CATALOGUE, gate=gate).text(text, "x") == "\ud800 password=[redacted:password]"
        )


class TestFailing:
    def test_circles_and_hostile_objects(self, redactor):
        class Hostile:
            def __str__(self):
                raise RuntimeError("hunter2")

        circle = []
        circle.append(circle)
        assert redactor.value(circle, "", "body") == "[redacted:failed]"
        assert redactor.value(Hostile(), "", "body") == "[redacted:failed]"
        assert redactor.mapping({"a": Hostile()}, "label") == {}
        assert redactor.failures() == {"body": 2, "label": 1}

    def test_a_text_of_ten_megabytes(self, redactor):
        text = "password=hunter2 " + "x" * 10_000_000
        redacted = redactor.text(text, "body")
        assert redacted.startswith("password=[redacted:password] xxx")
        assert len(redacted) <= 65_536
        assert redactor.counts()["truncated", "body"] == 1

    def test_bytes_that_are_no_text(self, redactor):
        value = b"\xff\xfe\x00 password=hunter2 \xc3("
        assert redactor.value(value, "", "body") == (
            b"\xff\xfe\x00 password=[redacted:password] \xc3("
        )

    def test_a_detector_that_raises(self):
        class Broken:
            anchors, digit_anchors = ("broken",), ()

            def __init__(self, rule):
                self.rule = rule

            def find(self, text, low):
                raise RuntimeError(text)

        rules = "rules: [{id: broken, kind: detector, description: d, why: w}]"
        plugin = Contribution(rules, {"broken": Broken})
        redactor = Redactor(load_catalogue(contributions=[plugin]))
        assert redactor.text("nothing to see", "name") == "nothing to see"
        assert redactor.text("this is broken", "name") == "[redacted:failed]"
        assert redactor.failures() == {"name": 1}


def test_counts_name_rule_and_surface(redactor):
    redactor.text("password=a1 password=b2 sk-FakeFakeFake0123456", "body")
    redactor.value("x", "password", "attribute")
    assert redactor.counts() == {
        ("password", "body"): 2,
        ("sk-key", "body"): 1,
        ("password", "attribute"): 1,
    }


def test_shared_objects_are_redacted_once(redactor):
    made = []
    thing = object()

    def make(original):
        made.append(original)
        return original

    assert redactor.shared(thing, 1, make) is redactor.shared(thing, 1, make)
    redactor.shared(thing, 2, make)
    assert made == [thing, thing]


class TestHarvest:
    def test_takes_what_looks_secret(self):
        environ = {
            "ALPHA_VANTAGE_API_KEY": "DEMOFAKEKEY01234",
            "DB_PASSWORD": "hunter2-hunter2",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abcdef123456,x-tenant=everybody",
            "REDIS_URL": "redis://:p%40ssw0rd@localhost:6379",
            "GITHUB_TOKEN": "only-letters-but-long",
        }
        assert set(harvest_literals(environ)) == {
            "DEMOFAKEKEY01234",
            "hunter2-hunter2",
            "Bearer abcdef123456",
            "abcdef123456",
            "p@ssw0rd",
            "only-letters-but-long",
        }

    def test_leaves_alone_what_would_be_found_everywhere(self):
        environ = {
            "PWD": "/home/user/engine1",
            "API_TOKEN": "disabled",
            "SHORT_SECRET": "abc123",
            "ACCOUNT_ID": "1234567890",
            "HOME": "/home/secretive1",
            "SSH_AUTH_SOCK": "/tmp/ssh-XX12345/agent",
            "MAX_TOKENS": "abcdefgh1234",
            "BROKEN_URL": "http://[::1",
            "PASSWORD": "",
        }
        assert harvest_literals(environ) == ()

    def test_takes_secrets_of_a_nested_configuration(self):
        settings = {
            "alpha_vantage_api_key": "DEMOFAKEKEY01234",
            "platforms": {
                "coinbase": {"credentials": {"a": "fake-fake-1", "sandbox": True, "n": 3}},
                "credentials": {"base_url": "https://api.example/v3", "username": "trader-one"},
                "oanda": {"account_id": "101-004-1234567-001", "environment": "practice"},
            },
            "alerts": [{"headers": {"authorization": "Bearer fakefake1234"}}],
            "redis": {"url": "redis://:p%40ssw0rd@cache:6379", "key": "market-data-1"},
            "api_key_path": "/run/secrets/key",
            "connection_url": "redis://localhost:6379/0",
            "password": "short",
        }
        assert set(harvest_settings(settings)) == {
            "DEMOFAKEKEY01234", "fake-fake-1", "101-004-1234567-001", "Bearer fakefake1234",
            "fakefake1234", "p@ssw0rd",
        }  # fmt: skip

    def test_a_circle_in_the_configuration_ends(self):
        circle = {"password": "hunter2hunter2"}
        circle["again"] = circle
        assert harvest_settings(circle) == ("hunter2hunter2",)


def test_what_is_learnt_is_hidden_from_then_on():
    redactor = Redactor(CATALOGUE, [SECRET])
    text = f"plainlyfake and {SECRET}"
    assert redactor.text("plainlyfake", "body") == "plainlyfake"
    assert redactor.text(text, "body") == "plainlyfake and [redacted:literal]"
    redactor.learn(["plainlyfake", "abc"])
    assert redactor.text("plainlyfake", "body") == "[redacted:literal]"
    assert redactor.text(text, "body") == "[redacted:literal] and [redacted:literal]"
