# SPDX-License-Identifier: Apache-2.0
"""The rule catalogue: reading it, checking it, and nothing else.

A catalogue is data. What a rule does with a text is in the modules beside this one; what
it promises is in its examples, which a test runs.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from ffe_otel import semconv
from ffe_otel.redaction.lint import pattern_problems, problems
from ffe_otel.redaction.names import NameIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ffe_otel.redaction.spans import Detector, SelfGated

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEFAULT_FILE: Final = "default_rules.yaml"
_SECTIONS: Final = frozenset({"version", "rules", "jurisdictions", "allow"})


DetectorMaker: TypeAlias = "Callable[[Rule], Detector | SelfGated]"


class CatalogueError(ValueError):
    """A rule file that cannot be used; the text names file, rule and remedy."""


class MissingRulesError(CatalogueError):
    """The packaged rules are not there: a program was frozen without its data."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; the fields are those of the YAML file, whose head explains them."""

    id: str
    kind: str
    description: str
    why: str
    sensitivity: str = "secret"
    enabled: bool = True
    names: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    values: str = "any"
    numbers: bool = False
    words: str = ""
    where: str = ""
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


_OWN_KEYS: Final = frozenset(
    {*semconv.ATTRIBUTES, *semconv.LOG_FIELDS, *(k for m in semconv.METRICS for k in m.labels)}
)


@dataclass(frozen=True, slots=True)
class AllowList:
    """What stays although a rule fits: whole values, exactly or by pattern, and keys."""

    keys: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a plugin brings.

    Attributes:
        rules: a rule file's text. Its rules may not have the ids of others.
        detectors: for each rule of kind ``detector`` what makes its detector from the rule.
    """

    rules: str
    detectors: Mapping[str, DetectorMaker] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rules in force, in order of precedence, those that are off, and what stays.

    ``allowed_keys`` are this project's own attribute names, and those of the allow-list: their
    values are searched like every text, but never taken out because of the name.
    """

    rules: tuple[Rule, ...]
    allow: AllowList = AllowList()
    makers: Mapping[str, DetectorMaker] = field(default_factory=dict)
    off: tuple[Rule, ...] = ()

    @property
    def allowed_keys(self) -> frozenset[str]:
        """Keys that announce no secret, whatever they end with."""
        # What is off by default and was switched on counts for names of ours as well.
        chosen = NameIndex([rule for rule in self.of_kind("key") if not rule.enabled])
        return self.allow.keys | {key for key in _OWN_KEYS if chosen.rule_for(key) is None}

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """The rules of one kind, in order."""
        return tuple(rule for rule in self.rules if rule.kind == kind)


def load_catalogue(
    extra: Path | str | None = None,
    disabled: Collection[str] = (),
    *,
    enabled: Collection[str] = (),
    classes: Collection[str] = (),
    jurisdiction: str = "",
    contributions: Iterable[Contribution] = (),
) -> Catalogue:
    """Read the packaged rules, add those of ``extra``, and choose.

    A rule of ``extra`` with the id of a packaged one replaces it. Some rules are off by
    default; three ways lead to them.

    Args:
        extra: a file of the user with rules, an allow-list and jurisdictions.
        disabled: ids of rules that are off; wins over the rest.
        enabled: ids of rules that are on.
        classes: sensitivities all of whose rules are on.
        jurisdiction: the name of a list of classes in the rule files.
        contributions: rules of plugins, which may add to the packaged ones.

    Raises:
        CatalogueError: ``extra`` cannot be read or breaks the format, or one of the others
            names what does not exist.
    """
    document = _packaged()
    makers: dict[str, DetectorMaker] = {}
    for contribution in contributions:
        added = _parse(contribution.rules, "rules of a plugin")
        if known_ids := sorted(set(added.rules) & set(document.rules)):
            raise CatalogueError(f"there are rules called {', '.join(known_ids)} already")
        document = document.with_(added)
        makers |= contribution.detectors
    if extra is not None:
        extra = Path(extra)
        try:
            text = extra.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CatalogueError(
                f"redaction rules: {extra} cannot be read ({error}); correct redaction.rules_file"
            ) from error
        document = document.with_(_parse(text, str(extra)))
    rules = document.rules
    known = sorted({rule.sensitivity for rule in rules.values()})
    _refuse_unknown("disabled_rules", disabled, rules)
    _refuse_unknown("enabled_rules", enabled, rules)
    _refuse_unknown("classes", classes, known)
    if jurisdiction:
        _refuse_unknown("jurisdiction", [jurisdiction], document.jurisdictions)
    on = {*classes, *document.jurisdictions.get(jurisdiction, ())}
    chosen = [
        rule
        for rule in rules.values()
        if rule.id not in disabled
        and (rule.enabled or rule.id in enabled or rule.sensitivity in on)
    ]
    off = tuple(rule for rule in rules.values() if rule not in chosen)
    for rule in rules.values():
        if rule.kind == "detector" and rule.id not in makers:
            raise CatalogueError(f"{rule.id}: no plugin brings a detector for this rule")
    return Catalogue(tuple(map(_with_own_names, chosen)), document.allow, makers, off)


def _with_own_names(rule: Rule) -> Rule:
    """A rule for financial data is for this project's own attributes of the kind as well."""
    if rule.kind != "key" or rule.sensitivity != semconv.Sensitivity.FINANCIAL.value:
        return rule
    own = (a.name for a in semconv.ATTRIBUTES.values() if a.sensitivity.value == rule.sensitivity)
    return replace(rule, names=(*rule.names, *own))


def _refuse_unknown(option: str, given: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise CatalogueError(
            f"redaction.{option}: nothing is called {', '.join(unknown)}; "
            f"there are {', '.join(known)}"
        )


@dataclass(frozen=True, slots=True)
class _Document:
    """What one rule file holds."""

    rules: Mapping[str, Rule]
    jurisdictions: Mapping[str, tuple[str, ...]]
    allow: AllowList

    def with_(self, other: _Document) -> _Document:
        """Both; of what has one name the other's counts."""
        return _Document(
            {**self.rules, **other.rules},
            {**self.jurisdictions, **other.jurisdictions},
            AllowList(
                self.allow.keys | other.allow.keys,
                self.allow.values | other.allow.values,
                self.allow.patterns + other.allow.patterns,
            ),
        )


@cache
def _packaged() -> _Document:
    try:
        text = resources.files(__package__).joinpath(_DEFAULT_FILE).read_text(encoding="utf-8")
    except (OSError, TypeError) as error:
        raise MissingRulesError(
            f"{_DEFAULT_FILE} is missing ({type(error).__name__}); freeze the program with the "
            "data files and the metadata of ffe-otel, for PyInstaller --collect-all ffe_otel"
        ) from error
    return _parse(text, _DEFAULT_FILE)


def _parse(text: str, source: str) -> _Document:
    try:
        document = yaml.load(text, _LOADER)  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as error:
        raise CatalogueError(f"{source}: not YAML: {_reason(error)}") from None
    except RecursionError:
        raise CatalogueError(f"{source}: nested too deeply") from None
    if not isinstance(document, dict) or not isinstance(document.get("rules", []), list):
        raise CatalogueError(f"{source}: a list under the key 'rules' is needed")
    if unknown := sorted(set(map(str, document)) - _SECTIONS):
        raise CatalogueError(
            f"{source}: unknown keys {', '.join(unknown)}; there are {', '.join(sorted(_SECTIONS))}"
        )
    return _Document(
        {rule.id: rule for rule in _rules(document.get("rules", []), source)},
        _lists(document, "jurisdictions", source),
        _allow_list(document, source),
    )


def _reason(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the text, which may be a secret."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f" in line {mark.line + 1}" if mark else ""
    return f"{getattr(error, 'problem', None) or 'unreadable'}{place}"


def _lists(document: Mapping[str, Any], section: str, source: str) -> dict[str, tuple[str, ...]]:
    """A mapping of names to lists of texts."""
    given = document.get(section) or {}
    if not isinstance(given, dict) or not all(
        isinstance(value, list) and all(isinstance(item, str) for item in value)
        for value in given.values()
    ):
        raise CatalogueError(f"{source}: {section} must be a mapping of names to lists of texts")
    return {str(name): tuple(value) for name, value in given.items()}


def _allow_list(document: Mapping[str, Any], source: str) -> AllowList:
    given = _lists(document, "allow", source)
    if unknown := sorted(set(given) - {"keys", "values", "patterns"}):
        raise CatalogueError(
            f"{source}: unknown keys {', '.join(unknown)} in allow; "
            "there are keys, patterns, values"
        )
    for pattern in given.get("patterns", ()):
        for problem in pattern_problems(pattern):
            raise CatalogueError(f"{source}: allow: {pattern!r}: {problem}")
    return AllowList(
        frozenset(given.get("keys", ())),
        frozenset(given.get("values", ())),
        given.get("patterns", ()),
    )


def _rules(entries: Sequence[Any], source: str) -> Iterator[Rule]:
    for number, entry in enumerate(entries, 1):
        where = f"{source}: rule {number}"
        if not isinstance(entry, dict):
            kind = type(entry).__name__
            raise CatalogueError(f"{where}: a mapping is needed, not a {kind}")
        where += f" ({entry.get('id', 'without id')})"
        rule = _rule(entry, where)
        for problem in problems(rule):
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
            kind = type(value).__name__
            raise CatalogueError(f"{where}: {name} must be a {what}, not a {kind}")
        arguments[name] = given
    return Rule(**arguments)
