# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a rule: words that mean nothing, and patterns that are not linear."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.checks import CHECKS
from ffe_otel.redaction.names import squash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.redaction.catalogue import Rule

KINDS: Final = frozenset(
    {"key", "beside", "query", "shape", "word", "userinfo", "pem", "literal", "card", "iban",
     "email", "phone", "phrase", "bytes", "detector"}
)  # fmt: skip
VALUES: Final = frozenset({"any", "opaque", "random", "mixed"})
WHERE: Final = frozenset({"", "query"})
WORDS: Final = frozenset({"", "whole", "last", "alone"})
EXTENTS: Final = frozenset({"word", "scheme", "line"})
_ID: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")
# A character class, an escaped character, or any other character: the lint steps over
# the first two, where `*` and `+` are plain characters.
TOKEN: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|.", re.DOTALL)
_OPEN_REPEAT: Final = re.compile(r"\{\d*,\}")
_BOUND: Final = re.compile(r"\{(?:[0-9]{0,9},)?([0-9]{1,9})\}")
_LOOKAROUND: Final = re.compile(r"\(\?(?:[=!]|<[=!]|P=|\()|\\[1-9]")


def problems(rule: Rule) -> Iterator[str]:
    """Yield what is wrong with a rule, in words."""
    if not _ID.fullmatch(rule.id):
        yield "id must be 2 to 40 lower-case letters, digits and hyphens"
    for option, allowed in (
        ("kind", KINDS),
        ("values", VALUES),
        ("extent", EXTENTS),
        ("words", WORDS),
        ("where", WHERE),
        ("check", CHECKS),
    ):
        if (value := getattr(rule, option)) not in allowed:
            yield f"{option} is {value!r}, must be one of {', '.join(sorted(allowed))}"
    if rule.kind in {"key", "query", "beside"} and not (
        rule.names and all(map(squash, rule.names))
    ):
        yield "names must be given"
    if rule.kind == "beside" and not (rule.beside and all(map(squash, rule.beside))):
        yield "beside must be given"
    if rule.kind == "shape":
        yield from _shape_problems(rule)
    if rule.kind == "word" and rule.pattern:
        yield from pattern_problems(rule.pattern)


def _shape_problems(rule: Rule) -> Iterator[str]:
    if not rule.anchors or any(
        len(a) < 3 or a != a.lower() or not a.isascii() for a in rule.anchors
    ):
        yield "anchors must be given: lower-case ASCII texts of 3 or more characters"
    if not 0 <= rule.lead <= 64:
        yield "lead must be between 0 and 64"
    yield from pattern_problems(rule.pattern, rule.tail)


def pattern_problems(pattern: str, tail: str = "") -> Iterator[str]:
    """Yield what is wrong with a regular expression, and the characters it is stretched over."""
    try:
        compiled = re.compile(pattern, re.ASCII)
        re.compile(f"[{tail or 'x'}]", re.ASCII)
    except re.error as error:
        yield f"pattern or tail is no regular expression: {error}"
        return
    if compiled.match(""):
        yield "pattern must not match the empty text"
    for position, what in _open_ended(pattern):
        yield f"pattern has {what} at character {position}: it would not take linear time"
    if unknown := sorted(set(compiled.groupindex) - {"secret"}):
        yield f"pattern has groups called {', '.join(unknown)}; only 'secret' means something"


def _open_ended(pattern: str) -> Iterator[tuple[int, str]]:
    """Constructs that cost more than linear time, or that RE2 does not know."""
    for token in TOKEN.finditer(pattern):
        start = token.start()
        if token[0] in {"*", "+"}:
            yield start, f"an unbounded repeat ({token[0]})"
        elif token[0] == "{" and _OPEN_REPEAT.match(pattern, start):
            yield start, "an unbounded repeat ({n,})"
        elif token[0] == "{" and (bound := _BOUND.match(pattern, start)) and int(bound[1]) > 1000:
            yield start, "a repeat of more than 1000, which RE2 refuses"
        elif _LOOKAROUND.match(pattern, start):
            yield start, "a look-around, a condition or a back-reference"
