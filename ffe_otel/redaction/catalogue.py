# SPDX-License-Identifier: Apache-2.0
"""The rule catalogue: reading it, checking it, and nothing else.

A catalogue is data. What a rule does with a text is in the modules beside this one; what
it promises is in its examples, which a test runs.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import yaml

from ffe_otel import semconv
from ffe_otel.redaction.names import squash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

KINDS: Final = frozenset({"key", "query", "shape", "userinfo", "pem", "literal"})
VALUES: Final = frozenset({"any", "opaque"})
EXTENTS: Final = frozenset({"word", "scheme", "line"})
CHECKS: Final = frozenset({"", "opaque", "jwt", "basic"})
_ID: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEFAULT_FILE: Final = "default_rules.yaml"
# A character class, an escaped character, or any other character: the lint steps over
# the first two, where `*` and `+` are plain characters.
TOKEN: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|.", re.DOTALL)
_OPEN_REPEAT: Final = re.compile(r"\{\d*,\}")
_LOOKAROUND: Final = re.compile(r"\(\?(?:[=!]|<[=!]|P=|\()|\\[1-9]")


class CatalogueError(ValueError):
    """A rule file that cannot be used; the text names file, rule and remedy."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; the fields are those of the YAML file, whose head explains them."""

    id: str
    kind: str
    description: str
    why: str
    sensitivity: str = "secret"
    names: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    values: str = "any"
    numbers: bool = False
    extent: str = "word"
    anchors: tuple[str, ...] = ()
    digits: bool = False
    lead: int = 0
    pattern: str = ""
    tail: str = ""
    check: str = ""
    match: tuple[str, ...] = ()
    no_match: tuple[str, ...] = ()

    @property
    def marker(self) -> str:
        """What stands in place of a match."""
        return f"[redacted:{self.id}]"


_TYPES: Final[dict[str, type]] = {
    f.name: str if f.default is MISSING else type(f.default) for f in fields(Rule)
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rules in force, in order of precedence, and the keys they leave alone.

    ``allowed_keys`` are this project's own attribute names: their values are searched like
    every text, but never taken out because of the name.
    """

    rules: tuple[Rule, ...]
    allowed_keys: frozenset[str] = frozenset(
        {*semconv.ATTRIBUTES, *semconv.LOG_FIELDS, *(k for m in semconv.METRICS for k in m.labels)}
    )

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """The rules of one kind, in order."""
        return tuple(rule for rule in self.rules if rule.kind == kind)


def load_catalogue(extra: Path | None = None, disabled: Collection[str] = ()) -> Catalogue:
    """Read the packaged rules, add those of ``extra`` and leave out ``disabled`` ids.

    A rule of ``extra`` with the id of a packaged one replaces it.

    Raises:
        CatalogueError: ``extra`` cannot be read or breaks the format, or ``disabled`` names
            a rule that does not exist.
    """
    rules = {rule.id: rule for rule in _packaged()}
    if extra is not None:
        try:
            text = extra.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CatalogueError(
                f"redaction rules: {extra} cannot be read ({error}); correct redaction.rules_file"
            ) from error
        rules |= {rule.id: rule for rule in _parse(text, str(extra))}
    if unknown := sorted(set(disabled) - set(rules)):
        raise CatalogueError(
            f"redaction.disabled_rules: no rule is called {', '.join(unknown)}; "
            f"rules are {', '.join(rules)}"
        )
    return Catalogue(tuple(rule for rule in rules.values() if rule.id not in disabled))


@cache
def _packaged() -> tuple[Rule, ...]:
    text = resources.files(__package__).joinpath(_DEFAULT_FILE).read_text(encoding="utf-8")
    return tuple(_parse(text, _DEFAULT_FILE))


def _parse(text: str, source: str) -> Iterator[Rule]:
    try:
        document = yaml.load(text, _LOADER)  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as error:
        raise CatalogueError(f"{source}: not YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        raise CatalogueError(f"{source}: a list under the key 'rules' is needed")
    for number, entry in enumerate(document["rules"], 1):
        where = f"{source}: rule {number}"
        if not isinstance(entry, dict):
            raise CatalogueError(f"{where}: a mapping is needed, not {entry!r}")
        where += f" ({entry.get('id', 'without id')})"
        rule = _rule(entry, where)
        for problem in _problems(rule):
            raise CatalogueError(f"{where}: {problem}")
        yield rule


def _rule(entry: Mapping[str, Any], where: str) -> Rule:
    if unknown := sorted(set(map(str, entry)) - set(_TYPES)):
        raise CatalogueError(f"{where}: unknown keys {', '.join(unknown)}")
    if missing := [n for n in ("id", "kind", "description", "why") if not entry.get(n)]:
        raise CatalogueError(f"{where}: {', '.join(missing)} must be given")
    arguments: dict[str, Any] = {}
    for name, value in entry.items():
        expected = _TYPES[name]
        given = tuple(value) if expected is tuple and isinstance(value, list) else value
        if type(given) is not expected or (
            isinstance(given, tuple) and not all(isinstance(item, str) for item in given)
        ):
            what = "list of texts" if expected is tuple else expected.__name__
            raise CatalogueError(f"{where}: {name} must be a {what}, not {value!r}")
        arguments[name] = given
    return Rule(**arguments)


def _problems(rule: Rule) -> Iterator[str]:
    if not _ID.fullmatch(rule.id):
        yield "id must be 2 to 40 lower-case letters, digits and hyphens"
    for field, allowed in (
        ("kind", KINDS),
        ("values", VALUES),
        ("extent", EXTENTS),
        ("check", CHECKS),
    ):
        if (value := getattr(rule, field)) not in allowed:
            yield f"{field} is {value!r}, must be one of {', '.join(sorted(allowed))}"
    if rule.kind in {"key", "query"} and not (rule.names and all(map(squash, rule.names))):
        yield "names must be given"
    if rule.kind == "shape":
        yield from _shape_problems(rule)


def _shape_problems(rule: Rule) -> Iterator[str]:
    if not rule.anchors or any(
        len(a) < 3 or a != a.lower() or not a.isascii() for a in rule.anchors
    ):
        yield "anchors must be given: lower-case ASCII texts of 3 or more characters"
    if not 0 <= rule.lead <= 64:
        yield "lead must be between 0 and 64"
    try:
        pattern = re.compile(rule.pattern, re.ASCII)
        re.compile(f"[{rule.tail or 'x'}]", re.ASCII)
    except re.error as error:
        yield f"pattern or tail is no regular expression: {error}"
        return
    if pattern.match("") or not rule.pattern:
        yield "pattern must not match the empty text"
    for position, what in _open_ended(rule.pattern):
        yield f"pattern has {what} at character {position}: it would not take linear time"


def _open_ended(pattern: str) -> Iterator[tuple[int, str]]:
    """Constructs that cost more than linear time, or that RE2 does not know."""
    for token in TOKEN.finditer(pattern):
        start = token.start()
        if token[0] in {"*", "+"}:
            yield start, f"an unbounded repeat ({token[0]})"
        elif token[0] == "{" and _OPEN_REPEAT.match(pattern, start):
            yield start, "an unbounded repeat ({n,})"
        elif _LOOKAROUND.match(pattern, start):
            yield start, "a look-around, a condition or a back-reference"
