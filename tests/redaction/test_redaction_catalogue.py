# SPDX-License-Identifier: Apache-2.0
"""Reading rule files: what is in force, and clear errors for what cannot be used."""

from pathlib import Path

import pytest

from ffe_otel.redaction import CatalogueError, Redactor, load_catalogue
from ffe_otel.redaction import catalogue as module

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


def test_every_kind_can_be_added(write):
    rules = """
rules:
  - {id: pin-code, kind: key, description: d, why: w, names: [pin code], numbers: true}
  - {id: room-query, kind: query, description: d, why: w, names: [room]}
"""
    redactor = Redactor(load_catalogue(write(rules)))
    assert redactor.text("pin_code=1234", "body") == "pin_code=[redacted:pin-code]"
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
            "rule 1 (house-key): kind is 'magic', must be one of card",
        ),
        (("id: house-key", "id: House Key"), "id must be 2 to 40 lower-case letters"),
        (("    why: They are printed on errors\n", ""), "why must be given"),
        (("anchors: [hk-]", "anchors: [HK-]"), "anchors must be given: lower-case"),
        (("anchors: [hk-]", "anchors: hk-"), "anchors must be a list of texts, not 'hk-'"),
        (("anchors: [hk-]", "anchors: [hk-]\n    lead: 99"), "lead must be between 0 and 64"),
        (("anchors: [hk-]", "anchors: [hk-]\n    lead: x"), "lead must be a int, not 'x'"),
        (("{4,20}", "{4,}"), "an unbounded repeat ({n,}) at character 10"),
        (("{4,20}", "+"), "an unbounded repeat (+) at character 10"),
        (("[0-9]", "[0-9*+]{2}(?=x)"), "a look-around, a condition or a back-reference"),
        (("hk-[0-9]{4,20}", "(hk"), "pattern or tail is no regular expression"),
        (("\\bhk-[0-9]{4,20}", "[0-9]{0,4}"), "pattern must not match the empty text"),
        (("kind: shape", "kind: key"), "names must be given"),
        (("kind: shape", "kind: shape\n    colour: red"), "unknown keys colour"),
        (("rules:", "rule:"), "unknown keys rule; there are allow, jurisdictions, rules, version"),
        (("rules:", "rules: {}\nx:"), "a list under the key 'rules' is needed"),
        (("  - id", "  - just text\n  - id"), "rule 1: a mapping is needed, not 'just text'"),
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
    assert list(module._open_ended(r"[*+(?=]\*\+\\[{2,}]a{2,3}(?:b)?(?P<secret>c)")) == []
