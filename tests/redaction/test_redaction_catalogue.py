# SPDX-License-Identifier: Apache-2.0
"""Reading rule files: what is in force, and clear errors for what cannot be used."""

from pathlib import Path

import pytest

from ffe_otel import semconv
from ffe_otel.redaction import CatalogueError, Redactor, load_catalogue
from ffe_otel.redaction.lint import pattern_problems

ROOT = Path(__file__).parents[2]
RULE = """
rules:
  - id: house-key
    kind: shape
    description: Keys of our own gateway
    why: They are printed on errors
    anchors: [hk-]
    pattern: '\\bhk-[0-9]{4,20}'
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "rules.yaml"
        path.write_text(text)
        return path

    return write


def test_the_copy_in_config_is_the_packaged_one():
    packaged = ROOT / "ffe_otel" / "redaction" / "default_rules.yaml"
    assert (ROOT / "config" / "redaction.yaml").read_text() == packaged.read_text()


def test_every_rule_explains_itself():
    for rule in load_catalogue().rules:
        assert rule.description
        assert rule.why
        assert rule.match or rule.kind == "literal"


def test_rules_of_the_user_are_added(write):
    catalogue = load_catalogue(write(RULE))
    assert catalogue.rules[-1].id == "house-key"
    assert Redactor(catalogue).text("bad hk-12345!", "body") == "bad [redacted:house-key]!"


def test_rules_of_the_user_replace_packaged_ones(write):
    text = RULE.replace("house-key", "sk-key")
    redactor = Redactor(load_catalogue(write(text)))
    assert redactor.text("hk-12345 sk-FakeFakeFake0123456", "body") == (
        "[redacted:sk-key] sk-FakeFakeFake0123456"
    )


@pytest.mark.parametrize("name", ["pin", "email", "2fa", "time"])
def test_a_frequent_word_may_be_a_name_of_its_own(write, name):
    rule = "{id: own, kind: key, description: d, why: w, numbers: true, names: [" + name + "]}"
    path = write(f"rules:\n  - {rule}")
    redactor = Redactor(load_catalogue(path, disabled=["second-factor"]))
    assert redactor.text(f"{name}=48291745", "log") == f"{name}=[redacted:own]"
    with redactor.screened([f"{name}=48291745"]):
        assert redactor.text(f"{name}=48291745", "log") == f"{name}=[redacted:own]"


def test_every_kind_can_be_added(write):
    rules = """
rules:
  - {id: door-code, kind: key, description: d, why: w, names: [door code], numbers: true}
  - {id: room-query, kind: query, description: d, why: w, names: [room]}
"""
    redactor = Redactor(load_catalogue(write(rules)))
    assert redactor.text("door_code=1234", "body") == "door_code=[redacted:door-code]"
    assert redactor.text("/x?room=12", "body") == "/x?room=[redacted:room-query]"


def test_rules_can_be_switched_off():
    catalogue = load_catalogue(disabled=["jwt", "bearer"])
    assert {"jwt", "bearer"}.isdisjoint(rule.id for rule in catalogue.rules)
    assert len(catalogue.rules) == len(load_catalogue().rules) - 2


def test_switching_off_an_unknown_rule_is_an_error():
    with pytest.raises(
        CatalogueError, match="disabled_rules: nothing is called jwtt; there are literal, pem"
    ):
        load_catalogue(disabled=["jwtt", "jwt"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ("kind: shape", "kind: magic"),
            "rule 1 (house-key): kind is 'magic', must be one of beside",
        ),
        (("id: house-key", "id: House Key"), "id must be 2 to 40 lower-case letters"),
        (("    why: They are printed on errors\n", ""), "why must be given"),
        (("anchors: [hk-]", "anchors: [HK-]"), "anchors must be given: lower-case"),
        (("anchors: [hk-]", "anchors: hk-"), "anchors must be a list of texts, not a str"),
        (("anchors: [hk-]", "anchors: [hk-]\n    lead: 99"), "lead must be between 0 and 64"),
        (("anchors: [hk-]", "anchors: [hk-]\n    lead: x"), "lead must be a int, not a str"),
        (("{4,20}", "{4,}"), "an unbounded repeat ({n,}) at character 10"),
        (("{4,20}", "{4,1001}"), "a repeat of more than 1000, which RE2 refuses at character 10"),
        (
            ("\\bhk-", "(?P<key>hk)-"),
            "pattern has groups called key; only 'secret' means something",
        ),
        (("{4,20}", "+"), "an unbounded repeat (+) at character 10"),
        (("[0-9]", "[0-9*+]{2}(?=x)"), "a look-around, a condition or a back-reference"),
        (("hk-[0-9]{4,20}", "(hk"), "pattern or tail is no regular expression"),
        (("\\bhk-[0-9]{4,20}", "[0-9]{0,4}"), "pattern must not match the empty text"),
        (("kind: shape", "kind: key"), "names must be given"),
        (("kind: shape", "kind: shape\n    colour: red"), "unknown keys colour"),
        (("rules:", "rule:"), "unknown keys rule; there are allow, jurisdictions, rules, version"),
        (("rules:", "rules: {}\nx:"), "a list under the key 'rules' is needed"),
        (("  - id", "  - just text\n  - id"), "rule 1: a mapping is needed, not a str"),
        (("rules:", "rules: ["), "not YAML"),
    ],
)
def test_what_is_wrong_is_said(write, change, problem):
    path = write(RULE.replace(*change))
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(path)
    assert str(caught.value).startswith(str(path))
    assert problem in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CatalogueError, match=r"missing\.yaml cannot be read .*rules_file"):
        load_catalogue(tmp_path / "missing.yaml")


def test_the_lint_knows_classes_and_escapes():
    assert list(pattern_problems(r"[*+(?=]\*\+\\[{2,}]a{2,3}(?:b)?(?P<secret>c)")) == []


def test_rules_that_are_off_are_switched_on_by_id_class_and_jurisdiction():
    def ids(**chosen):
        return {rule.id for rule in load_catalogue(**chosen).rules}

    usual = ids()
    assert usual.isdisjoint({"client-ip", "financial", "financial-text"})
    assert ids(enabled=["client-ip"]) == usual | {"client-ip"}
    assert ids(classes=["financial"]) == usual | {"financial", "financial-text"}
    assert ids(jurisdiction="eu") == usual | {"client-ip"}
    assert ids(jurisdiction="us") == usual
    assert ids(jurisdiction="bank-secrecy", disabled=["financial"]) == (
        usual | {"client-ip", "financial-text"}
    )


def test_jurisdictions_of_the_user_are_added(write):
    path = write("jurisdictions: {here: [financial]}")
    rules = load_catalogue(path, jurisdiction="here").rules
    assert "financial" in {rule.id for rule in rules}


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({"enabled": ["x"]}, "redaction.enabled_rules: nothing is called x; there are literal"),
        ({"classes": ["x"]}, "redaction.classes: nothing is called x; there are account, "),
        ({"jurisdiction": "x"}, "redaction.jurisdiction: nothing is called x; there are eu, uk"),
    ],
)
def test_what_does_not_exist_cannot_be_switched_on(chosen, problem):
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(**chosen)
    assert problem in str(caught.value)


def test_what_was_switched_on_counts_for_names_of_ours_as_well():
    plain, strict = (Redactor(load_catalogue(classes=on)) for on in ([], ["financial"]))
    financial = semconv.Sensitivity.FINANCIAL
    names = [a.name for a in semconv.ATTRIBUTES.values() if a.sensitivity is financial]
    assert semconv.TRADE_FILL_PRICE in names
    values = dict.fromkeys(names, 12.5)
    assert plain.mapping(values, "attribute") == values
    assert strict.mapping(values, "attribute") == dict.fromkeys(names, "[redacted:financial]")
    other = {semconv.ASSET_PAIR: "BTCUSD", semconv.CYCLE_NUMBER: 3}
    assert strict.mapping(other, "attribute") == other


def test_the_allow_list(write):
    redactor = Redactor(
        load_catalogue(
            write("""
allow:
  keys: [sandbox_password]
  values: [demo-demo, ops@desk.example]
  patterns: ['test-[0-9]{1,4}']
""")
        )
    )
    same = "password=demo-demo, mail to ops@desk.example, secret: test-17"
    assert redactor.text(same, "body") == same
    assert redactor.text("password=test-17x", "body") == "password=[redacted:password]"
    values = {"sandbox_password": "x", "password": "demo-demo", "secret": ["test-1", "other"]}
    assert redactor.mapping(values, "attribute") == {
        **values, "secret": ["test-1", "[redacted:secret]"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("allow: {words: [a]}", "unknown keys words in allow; there are keys, patterns, values"),
        ("allow: [a]", "allow must be a mapping of names to lists of texts"),
        ("allow: {keys: [1]}", "allow must be a mapping of names to lists of texts"),
        ("allow: {patterns: ['.*']}", "allow: '.*': pattern must not match the empty text"),
        ("allow: {patterns: ['a+']}", "allow: 'a+': pattern has an unbounded repeat"),
        ("jurisdictions: {eu: network}", "jurisdictions must be a mapping of names to lists"),
    ],
)
def test_what_is_wrong_beside_the_rules_is_said(write, text, problem):
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(write(text))
    assert problem in str(caught.value)
