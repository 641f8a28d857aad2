# SPDX-License-Identifier: Apache-2.0
"""Rules of other distributions: installed ones, as pip leaves them on the path."""

import logging
import sys
import textwrap

import pytest

from ffe_otel.config.model import Redaction
from ffe_otel.redaction import Redactor, configured_catalogue
from ffe_otel.redaction.plugins import load_plugins

GOOD = """
from ffe_otel.redaction import Contribution, Span

RULES = '''
rules:
  - {id: desk-code, kind: shape, description: d, why: w, anchors: [desk-], pattern: 'desk-[0-9]{4}'}
  - {id: even-words, kind: detector, sensitivity: desk, description: d, why: w}
jurisdictions: {moon: [network]}
'''

class EvenWords:
    anchors, digit_anchors = ("evenword",), ()

    def __init__(self, rule):
        self.rule = rule

    def find(self, text, low):
        start = low.find("evenword")
        yield Span(start, start + 8, self.rule)

def rules():
    return Contribution(RULES, {"even-words": EvenWords})
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with one module and one entry point on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, source, target="rules"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[ffe_otel.redaction_rules]\n{name} = {name}:{target}\n"
        )

    yield install
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_rules_and_detectors_of_a_distribution_count(install):
    install("deskrules", GOOD)
    redactor = Redactor(configured_catalogue(Redaction()))
    assert redactor.text("desk-1234 and evenword", "body") == (
        "[redacted:desk-code] and [redacted:even-words]"
    )


def test_they_are_switched_like_others(install):
    install("deskrules", GOOD)
    settings = Redaction(disabled_rules=("desk-code",), jurisdiction="moon")
    redactor = Redactor(configured_catalogue(settings))
    assert redactor.text("desk-1234 from 203.0.113.7", "body") == (
        "desk-1234 from [redacted:client-ip]"
    )


IMPORT = "from ffe_otel.redaction import Contribution\n"
HEAD = "description: d, why: w"
TOO_SLOW = f"""
{IMPORT}
rules = Contribution('rules: [{{id: slow, kind: shape, {HEAD}, anchors: [abc], pattern: abc+}}]')
"""
RAISES = f"""
{IMPORT}
def make(rule):
    raise ValueError('no list')
rules = Contribution('rules: [{{id: lost, kind: detector, {HEAD}}}]', {{'lost': make}})
"""


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("raise OSError('no disk')", "OSError: no disk"),
        ("x = 1", "AttributeError"),
        ("def rules(): return 'rules: []'", "str, not ffe_otel.redaction.Contribution"),
        (
            f"{IMPORT}rules = Contribution('rules: [{{id: jwt, kind: pem, {HEAD}}}]')",
            "there are rules called jwt already",
        ),
        (
            f"{IMPORT}rules = Contribution('rules: [{{id: lost, kind: detector, {HEAD}}}]')",
            "lost: no plugin brings a detector for this rule",
        ),
        (TOO_SLOW, "an unbounded repeat (+)"),
        (RAISES, "ValueError: no list"),
    ],
    ids=range(7),
)
def test_a_broken_one_is_left_out_and_said(install, caplog, source, problem):
    install("brokenrules", source)
    install("deskrules", GOOD)
    with caplog.at_level(logging.ERROR):
        redactor = Redactor(configured_catalogue(Redaction()))
    assert redactor.text("desk-1234 password=x", "body") == (
        "[redacted:desk-code] password=[redacted:password]"
    )
    (message,) = caplog.messages
    assert message.startswith("The redaction rules of brokenrules (brokenrules) are left out")
    assert problem in message
    assert problem in load_plugins().problems["brokenrules (brokenrules)"]
