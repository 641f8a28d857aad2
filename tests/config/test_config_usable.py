# SPDX-License-Identifier: Apache-2.0
"""What holds where something is wrong: everything else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from ffe_otel.config import load_config, load_usable
from ffe_otel.config.schema import keys

SECRETS = ("alpha-alpha-alpha", "beta-beta-beta")
# Nothing that any key takes.
WRONG = (None, [[1]], {"a": {"b": "c"}}, float("-inf"), float("nan"), 10**320)


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """What can be used of a text, and variables."""
    monkeypatch.chdir(tmp_path)

    def _loaded(text="", /, **environ):
        Path("c.yaml").write_text(text)
        return load_usable(Path("c.yaml"), environ=environ)

    return _loaded


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:20])
def test_a_bad_value_of_any_key_leaves_every_other_one_in_force(loaded, wrong):
    for name in keys():
        if name.startswith("redaction."):
            continue
        document = {"redaction": {"secrets": list(SECRETS)}, "limits": {"label_sets": 77}}
        section = document
        *sections, last = name.split(".")
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = wrong

        found = loaded(yaml.safe_dump(document))

        assert found.config.redaction.secrets == SECRETS
        assert not found.config.redaction.skeletons_only
        assert found.config.limits.label_sets == (200 if last == "label_sets" else 77)
        assert all(problem.key.startswith(name) for problem in found.problems)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("{secrets: [alpha-alpha-alpha, [x], beta-beta-beta]}", SECRETS),
        ("{secrets: [alpha-alpha-alpha, '${NOT_SET}', beta-beta-beta]}", SECRETS),
        ("{secrets: [alpha-alpha-alpha, 4711, beta-beta-beta]}", SECRETS),
        ("{secretz: [x], secrets: [alpha-alpha-alpha, beta-beta-beta]}", SECRETS),
        ("{classes: 5, secrets: [alpha-alpha-alpha, beta-beta-beta]}", SECRETS),
        ("{rules_file: [], secrets: [alpha-alpha-alpha, beta-beta-beta]}", SECRETS),
        ("{skeletons_only: maybe, secrets: [alpha-alpha-alpha, beta-beta-beta]}", SECRETS),
    ],
)
def test_what_is_to_be_hidden_and_not_understood(loaded, text, kept):
    found = loaded(f"redaction: {text}\n")

    assert found.config.redaction.secrets == kept
    assert found.config.redaction.skeletons_only
    assert found.origins["redaction.skeletons_only"] == found.problems[0].origin
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    "text",
    [
        "redaction: {disabled_rules: jwt}",
        "redaction: {disabled_rules: [1]}",
        "redaction: {allow_query_parameters: [[a]]}",
        "serve: {prot: 1}",
        "serve: {token: 4711}",
        "quux: {a: 1}",
    ],
)
def test_what_tells_nothing_of_hiding_hides_nothing_more(loaded, text):
    found = loaded(text)

    assert len(found.problems) == 1
    assert not found.config.redaction.skeletons_only
    assert found.config.redaction.disabled_rules == ()


@pytest.mark.parametrize(
    "text",
    [
        "a: [", "- a\n", "just text", "\tx", "a: \x07", "redaction: 5", "redaction: [x]",
        "secret: [x]", "privacy: {secrets: [x]}", "telemetry: {redaction: {secrets: [x]}}",
        "redaction: {secrets: [a]}\nredaction: {secrets: [b]}", "[" * 2_000,
    ],
)  # fmt: skip
def test_a_file_that_leaves_open_what_was_to_be_hidden(loaded, text):
    assert loaded(text).config.redaction.skeletons_only


@pytest.mark.parametrize(
    "environ",
    [
        {"FFE_OTEL__REDACTION__SECRETZ": "x"},
        {"FFE_OTEL__REDACTOIN__SECRETS": "x"},
        {"FFE_OTEL_REDACTION_SECRETS": "x"},
        {"FFE_OTEL__REDACTION": "x"},
        {"FFE_OTEL__REDACTION__SECRETS_FILE": "/gone"},
        {"FFE_OTEL__CONFIG": "/etc/ffe_otel.yaml"},
        {"FFE_OTEL_CONFIG_FILE": "/etc/ffe_otel.yaml"},
    ],
)
def test_a_variable_that_leaves_it_open(loaded, environ):
    found = loaded(**environ)

    assert len(found.problems) == 1
    assert found.config.redaction.skeletons_only


def test_files_that_cannot_be_read(tmp_path):
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"redaction: \xff")

    for path in (tmp_path / "gone.yaml", tmp_path, binary, Path("a\0b")):
        found = load_usable(path, environ={"FFE_OTEL__REDACTION__SECRETS": ",".join(SECRETS)})
        assert found.config.redaction.skeletons_only
        assert found.config.redaction.secrets == SECRETS


def test_a_bad_variable_gives_way_to_the_file(loaded):
    found = loaded("limits: {queue_size: 77}", FFE_OTEL__LIMITS__QUEUE_SIZE="abc")

    assert found.config.limits.queue_size == 77
    assert str(found.origins["limits.queue_size"]) == "c.yaml:1"


def test_values_that_do_not_fit_each_other(loaded):
    found = loaded(
        "logging: {retention: {hot_tier_days: 50, warm_tier_days: 40}}\n"
        "serve: {port: 4318, tls_key: k.pem, retention_days: 3}\n"
        "alerting: {channels: {telegram: {enabled: true, bot_token: '${NOT_SET}'}}}\n"
    )

    retention, serve = found.config.logging.retention, found.config.serve
    assert (retention.hot_tier_days, retention.warm_tier_days) == (7, 30)
    assert (serve.port, serve.tls_key, serve.retention_days) == (4319, "", 3)
    assert not found.config.alerting.channels.telegram.enabled


def test_a_row_of_prices_is_right_or_is_none(loaded):
    good = "{provider: a, model: b, input_usd_per_million: 2}"
    bad = ("{provider: a, model: c, input_usd_per_million: -1}", "{model: d}", "5", "{provider: x}")

    found = loaded(f"llm: {{prices: [{', '.join((*bad[:2], good, *bad[2:]))}]}}")

    assert [price.model for price in found.config.llm.prices] == ["b"]
    assert len(found.problems) == 4


def test_no_text_makes_it_raise(loaded):
    shipped = (Path(__file__).parents[2] / "config" / "ffe_otel.yaml").read_text()
    chance = random.Random(7)

    for _ in range(30):
        letters = list(shipped)
        for _ in range(chance.randrange(1, 12)):
            letters[chance.randrange(len(letters))] = chance.choice("{}[]:,-#&*!|>'\"%@`\t\n 0aé")
        found = loaded("".join(letters))
        assert found.config.serve.port is not None


def test_the_strict_load_and_this_one_name_the_same(loaded):
    assert loaded("serve: {port: 1}").problems == ()
    assert (
        load_config(Path("c.yaml"), environ={}).config
        == load_usable(Path("c.yaml"), environ={}).config
    )
