# SPDX-License-Identifier: Apache-2.0
"""The rules as the Collector gets them, run by the engine of regular expressions it has."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from redaction_collector_examples import MISSED, TOO_MUCH

from ffe_otel import semconv
from ffe_otel.redaction import Redactor, load_catalogue
from ffe_otel.redaction.collector import BEGIN, END, render, replace_section
from ffe_otel.redaction.collector_patterns import HARMLESS, key_patterns, left_out, value_patterns
from ffe_otel.redaction.names import NameIndex

re2 = pytest.importorskip("re2")

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue()
VALUES_TEXT = [pattern.text for pattern in value_patterns(CATALOGUE)]
VALUES = [re2.compile(text) for text in VALUES_TEXT]
KEYS = [re2.compile(pattern.text) for pattern in key_patterns(CATALOGUE)]
HARMLESS_VALUE = re2.compile(HARMLESS)
MASK = "****"

CLEAN = [example for rule in CATALOGUE.rules for example in rule.no_match]


def mask(text):
    if HARMLESS_VALUE.search(text):
        return text
    for pattern in VALUES:
        text = pattern.sub(MASK, text)
    return text


def leaves_something(example):
    masked = mask(re.sub("[«»]", "", example))
    return any(secret in masked for secret in re.findall("«(.*?)»", example, re.DOTALL))


def test_the_configuration_holds_the_rules_of_the_catalogue():
    text = (ROOT / "collector" / "config.yaml").read_text()
    assert replace_section(text, render(CATALOGUE)) == text, (
        "stale: ffe-otel collector render collector/config.yaml"
    )


def test_secrets_in_texts_are_hidden_but_for_a_known_few():
    rendered = set(CATALOGUE.rules) - set(left_out(CATALOGUE))
    matches = [example for rule in rendered for example in rule.match]
    assert {re.sub("[«»]", "", e) for e in matches if leaves_something(e)} == MISSED


def test_clean_texts_stay_but_for_a_known_few():
    assert {e for e in CLEAN if mask(e) != e} == TOO_MUCH


@given(st.from_regex(HARMLESS.replace("$", r"\Z"), fullmatch=True))
def test_what_passes_unread_holds_no_secret(text):
    assert HARMLESS_VALUE.search(text)
    assert Redactor(CATALOGUE).text(text, "test") == text


def test_no_pattern_that_walks_through_the_text_stands_alone():
    """Each costs the Collector as much as all those that begin with literal text."""
    walking = [p for p in VALUES_TEXT if not re.match(r"\\?[^\\\[(]", p)]
    assert [p[:12] for p in walking] == ["[^0-9A-Za-z]", "[a-z][A-Z](?"]


def test_what_the_engine_redacted_is_left_as_it_is():
    for rule in CATALOGUE.rules:
        for text in (
            f"api_key={rule.marker}",
            f'{{"password": "{rule.marker}", "symbol": "BTCUSD"}}',
            f'{{\\"client_secret\\": \\"{rule.marker}\\"}}',
            f"Authorization: {rule.marker}",
            f"cookie: {rule.marker}",
            f"redis://:{rule.marker}@localhost:6379/0",
            f"https://x.example/q?key={rule.marker}&limit=5",
            f"rejected: bearer {rule.marker}",
        ):
            assert mask(text) == text


@pytest.mark.parametrize(
    "key",
    ["api_key", "http.request.header.x_api_key", "X-Api-Key", "apiKey", "coinbaseApiKey",
     "OPENAI_API_KEY", "clientSecret", "db.password", "userPassword", "Authorization",
     "set-cookie", "account_id", "accountNumber", "telegram.chat.id", "accesstoken",
     "access_tokens", "x-ffe-alert-token", "ws.auth", "jwt", "pwd", "password_"],
)  # fmt: skip
def test_telling_keys_are_hidden(key):
    assert any(pattern.search(key) for pattern in KEYS)
    assert NameIndex(CATALOGUE.of_kind("key")).rule_for(key) is not None


@pytest.mark.parametrize(
    "key", ["cwd", "primary_key", "cache_key", "keyboard", "author", "max_tokens", "secretary",
            "token_count", "process.command", "order_id"]
)  # fmt: skip
def test_harmless_keys_are_not(key):
    assert not any(pattern.search(key) for pattern in KEYS)


def test_names_of_ours_are_not_hidden():
    """The Collector has no list of keys to leave alone; it must not need one."""
    ours = {*semconv.ATTRIBUTES, *semconv.LOG_FIELDS, *CATALOGUE.allowed_keys}
    ours |= {f"ffe.collector.{field}" for field in ("name", "status.message", "trace_state")}
    assert [key for key in ours if any(pattern.search(key) for pattern in KEYS)] == []


def test_patterns_are_those_of_both_dialects_and_in_bounds():
    """Go refuses repeats above 1000, and writes out all smaller ones."""
    for pattern in (*value_patterns(CATALOGUE), *key_patterns(CATALOGUE)):
        assert all(int(n) <= 100 for n in re.findall(r"\{(?:\d+,)?(\d+)\}", pattern.text))
        assert not re.search(r"\(\?(?:[=!<]|P=)|\\[1-9Zz]", pattern.text)


def test_no_dollar_is_taken_for_a_variable():
    document = yaml.safe_load(f"processors:\n{render(CATALOGUE)}")["processors"]
    patterns = [p.replace("$$", "") for p in document["redaction/values"]["blocked_values"]]
    assert not [p for p in patterns if "$" in p]
    assert [p.replace("$$", "$") for p in document["redaction/keys"]["blocked_key_patterns"]] == [
        pattern.text for pattern in key_patterns(CATALOGUE)
    ]


def test_redaction_fails_closed():
    document = yaml.safe_load(f"processors:\n{render(CATALOGUE)}")["processors"]
    assert {d["error_mode"] for n, d in document.items() if n.startswith("transform")} == {
        "propagate"
    }
    assert document["redaction/keys"]["summary"] == "silent"
    assert document["redaction/values"]["summary"] == "silent"


def test_rules_of_the_user_are_rendered(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("""
rules:
  - {id: house, kind: shape, description: d, why: w, anchors: [hk-], pattern: '\\bhk-[0-9]{4,20}'}
  - {id: pin, kind: key, description: d, why: w, names: [pin code]}
""")
    text = render(load_catalogue(rules, disabled=["url-password"]))
    assert "    # house\n      - 'hk-[0-9]{4,}'\n" in text
    assert "pin[ _.-]?code" in text
    assert "url-password" not in text


def test_an_empty_catalogue_renders(tmp_path):
    everything = [rule.id for rule in CATALOGUE.rules]
    document = yaml.safe_load(render(load_catalogue(disabled=everything)))
    assert document["redaction/values"]["blocked_values"] in (None, [])


def test_the_section_is_replaced_in_place():
    text = f"a\n{BEGIN}\nold\n{END}\nb\n"
    assert replace_section(text, "new\n") == f"a\n{BEGIN}\nnew\n{END}\nb\n"


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_a_file_without_the_section_is_refused(text):
    with pytest.raises(ValueError, match="are not there"):
        replace_section(text, "new\n")


def test_no_telling_name_is_ignored():
    document = yaml.safe_load(f"processors:\n{render(CATALOGUE)}")["processors"]
    ignored = document["redaction/keys"]["ignored_keys"]
    assert {"ffe.asset_pair", "ffe.collector.status.message", "url.full"} <= set(ignored)
    assert [key for key in ignored if any(pattern.search(key) for pattern in KEYS)] == []
    assert "ignored_keys" not in document["redaction/values"]
