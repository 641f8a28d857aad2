# SPDX-License-Identifier: Apache-2.0
"""The catalogue as regular expressions for the OpenTelemetry Collector.

The Collector is the second line of defence: it also sees what other senders put on the
wire. Its redaction processor knows keys, and texts by regular expression, but no code. So
it hides more than the engine's side does (``api_key=None`` as well) and leaves out what
takes a scanner; docs/collector.md lists both.

Go's regular expressions walk through a text once for each pattern, unless the pattern begins
with literal text, which takes a fiftieth of the time. So patterns begin with literal text,
or they are alternatives of a few large ones; and most values never meet them, because a
list of harmless values comes first. Measured: a quarter of the time.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ffe_otel.redaction.lint import TOKEN
from ffe_otel.redaction.names import squash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ffe_otel.redaction.catalogue import Catalogue, Rule

# Whole values that the engine's side has redacted keep the name of their rule.
DONE: Final = r"^\[redacted:[a-z][a-z0-9-]{1,39}\]$"
# Values without a character that a secret needs: words and short or decimal numbers, so no
# word with a digit in it, no name with a separator behind it, no address. No rule hides them.
HARMLESS: Final = (
    r"^(?:(?:[A-Z]?[a-z]+(?:\.[a-z]+)*|[A-Z]{1,12}|-?[0-9]{1,3}|-?[0-9]{1,9}\.[0-9]+)"
    r"(?:[ ,;!()]+|\. |\.?$))*$"
)

_JOINT: Final = "[ _.-]?"
_SEPARATOR: Final = r"""(?:\\*["'`]|%22|&quot;)?\]?[ \t]*(?:=>|:=|==?|:|%3[Aa]|%3[Dd]|>)[ \t]*"""
_AS: Final = r"[ \t]as[ \t]"
# No value begins with a marker: it was dealt with in the engine's process.
_BARE: Final = r"""(?:[^\s,;&"'<`\\\[({]|\[[^\sr])[^\s,;&"'<`\\]{2,}"""
_QUOTED: Final = (
    r"""[bBuUrRfF]{0,2}(?:"(?:[^"\\\[]|\\.|\[[^r])(?:[^"\\]|\\.)*"""
    r"""|'(?:[^'\\\[]|\\.|\[[^r])(?:[^'\\]|\\.)*"""
    # Quoted twice: JSON inside of JSON.
    r"""|\\+"(?:[^"\\\[]|\[[^r])(?:[^"\\]|\\+[^"\\])*"""
    r"""|\\+'(?:[^'\\\[]|\[[^r])(?:[^'\\]|\\+[^'\\])*)"""
)
_WORD: Final = f"(?:{_QUOTED}|{_BARE})"
_SCHEME: Final = (
    rf"(?:{_QUOTED}|(?i:digest|hawk|oauth|[a-z0-9-]{0, 16}hmac-sha[0-9]{1, 3})[ \t][^\r\n\"']+"
    rf"|(?:(?i:bearer|basic|token|apikey|bot|negotiate|hs256)[ \t,]+)?{_BARE})"
)
_LINE: Final = rf"(?:{_QUOTED}|[^\s\"'\[][^\r\n\"']+)"
# Letters and digits: no word, number or ticker.
_OPAQUE: Final = r"""\\*["']?(?:[A-Za-z_.~+/-]+[0-9]|[0-9]+[A-Za-z_~+/-])[0-9A-Za-z_.~+/=-]{4,}"""


# Letters a name goes on with that are tried one after the other, at most.
_MOST_TRIED: Final = 7
# What the names are, the names, and what stands behind them.
_Group: TypeAlias = tuple[str, list[str], str]


class Pattern(NamedTuple):
    """A regular expression in RE2's dialect; all of its match is hidden."""

    id: str
    text: str


# Without these tests a pattern would hide hashes and paths, or texts that begin with any word.
_CODE_CHECKS: Final = frozenset({"mixed", "path"})
_LONGEST_LEAD: Final = 16
_RENDERED_VALUES: Final = frozenset({"any", "opaque"})
_RENDERED_KINDS: Final = frozenset({"pem", "userinfo", "shape", "query", "key"})


def left_out(catalogue: Catalogue) -> tuple[Rule, ...]:
    """The rules that no regular expression can stand for; the Collector goes without them."""
    return tuple(rule for rule in catalogue.rules if _by_code_only(rule))


def _by_code_only(rule: Rule) -> bool:
    if rule.kind == "word":
        return bool(rule.names or rule.check or rule.where)
    return (
        rule.kind not in _RENDERED_KINDS
        or bool(rule.words)
        or rule.values not in _RENDERED_VALUES
        or rule.check in _CODE_CHECKS
        or rule.lead > _LONGEST_LEAD
    )


def _rendered(catalogue: Catalogue, *kinds: str) -> list[Rule]:
    return [rule for rule in catalogue.rules if rule.kind in kinds and not _by_code_only(rule)]


def key_patterns(catalogue: Catalogue) -> tuple[Pattern, ...]:
    """What matches the keys whose values are hidden whole."""
    names = [name for rule in _rendered(catalogue, "key") for name in rule.names]
    return tuple(_at_words((), [("key", names, "[^0-9A-Za-z]*$")]))


def value_patterns(catalogue: Catalogue) -> tuple[Pattern, ...]:
    """What matches secrets inside of texts, in the order in which to apply them."""
    alone: list[Pattern] = []
    words: list[Pattern] = []
    for rule in catalogue.of_kind("pem"):
        # Line ends may be escaped or missing, and the end cut off.
        body = r"(?:[A-Za-z0-9+/=\s\\:,]|-[^-]|--[^-])*(?:-----END [A-Z0-9 ]*(?:-----)?)?"
        alone.append(Pattern(rule.id, rf"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?:-----)?{body}"))
    for rule in catalogue.of_kind("userinfo"):
        user, rest = r"[^\s\"'<>`/?#\\@:]", r"[^\s\"'<>`/@\[]"
        # People do not escape the `/` in a password; digits before it are a port.
        slashed = rf"{rest}*[^\s\"'<>`/@\[0-9]{rest}*/[^\s\"'<>`@]*"
        alone.append(Pattern(rule.id, rf"://{user}*:(?:{rest}+|{slashed})@"))
        alone.append(Pattern(rule.id, rf"://{user}{{16,}}@"))
    for rule in _rendered(catalogue, "shape", "word"):
        for text in _shapes(rule):
            # With no more than a check of its characters the boundary in front counts.
            literal = rule.check != "opaque" and _LITERAL.match(text)
            (alone if literal else words).append(Pattern(rule.id, text))
    for rule in catalogue.of_kind("query"):
        value = rf"(?i:{_alternatives(rule.names)})=[^&#;\s\"'<>`\\\[][^&#;\s\"'<>`\\]*"
        alone += [Pattern(rule.id, sign + value) for sign in (r"\?", "&", ";")]
    keys = _rendered(catalogue, "key")
    alone += _flags(keys)
    return (*alone, *_at_words(words, list(_assignments(keys))))


def _flags(rules: Sequence[Rule]) -> Iterator[Pattern]:
    if words := _names(rules, "word", "any"):
        flag = rf"--(?i:[a-z-]*(?:{_alternatives(words)}))[\"']?,? [\"']?{_BARE}"
        yield Pattern("command line", flag)


def _names(rules: Sequence[Rule], extent: str, values: str) -> list[str]:
    return [n for r in rules if (r.extent, r.values) == (extent, values) for n in r.names]


def _assignments(rules: Sequence[Rule]) -> Iterator[_Group]:
    """Names with a separator and a value behind them, whatever the notation."""
    for what, extent, values, behind in (
        ("name and value", "word", "any", f"(?:{_SEPARATOR}{_WORD}|{_AS}{_OPAQUE})"),
        ("header", "scheme", "any", _SEPARATOR + _SCHEME),
        ("cookie", "line", "any", _SEPARATOR + _LINE),
        ("token", "word", "opaque", f"(?:{_SEPARATOR}|{_AS}){_OPAQUE}"),
    ):
        yield what, _names(rules, extent, values), behind


def _at_words(shapes: Sequence[Pattern], groups: Sequence[_Group]) -> Iterator[Pattern]:
    """Shapes and names at the start of a word, and names in camel case.

    What stands in front is what makes nearly all positions of a text fail at once. It misses
    names glued to a digit or to a word in the same case (``mypassword``).
    """
    words = [pattern.text for pattern in shapes]
    words += [
        f"[{letters}{letters.upper()}](?:{rests})"
        for letters in _letters(groups)
        if (rests := _rests(groups, letters))
    ]
    # Two letters of different case are rare enough. Short names would find too much here.
    camel = _rests(groups, "a-z", shortest=5)
    names = [what for what, names, _ in groups if names]
    ids = ", ".join(dict.fromkeys([pattern.id for pattern in shapes] + names))
    for where, before, texts in (
        (f"at the start: {ids}", "^", "|".join(words)),
        (f"at the start of a word: {ids}", "[^0-9A-Za-z]", "|".join(words)),
        (f"in camel case: {', '.join(names)}", "[a-z][A-Z]", camel),
    ):
        if texts:
            yield Pattern(where, f"{before}(?:{texts})")


def _letters(groups: Sequence[_Group]) -> Iterator[str]:
    """Ranges of first letters, such that few names are tried where a word begins with one.

    Any letter of a range may stand in place of a name's own: what else could "zassword=" be?
    """
    following: dict[str, set[str]] = {letter: set() for letter in string.ascii_lowercase}
    for name in (name.lower() for _, names, _ in groups for name in names):
        following.setdefault(name[0], set()).add(name[1:2])
    begin, tried = "", set[str]()
    last = ""
    for letter in sorted(following):
        if begin and len(tried | following[letter]) > _MOST_TRIED:
            yield begin if begin == last else f"{begin}-{last}"
            begin, tried = "", set()
        begin, last, tried = begin or letter, letter, tried | following[letter]
    yield begin if begin == last else f"{begin}-{last}"


def _rests(groups: Sequence[_Group], letters: str, shortest: int = 1) -> str:
    """The names that begin with one of ``letters``, without it, each with what follows it."""
    first = re.compile(f"[{letters}]", re.IGNORECASE)
    return "|".join(
        f"(?i:{alternatives}){behind}"
        for _, names, behind in groups
        if (
            alternatives := _alternatives(
                (n for n in names if first.match(n) and len(squash(n)) >= shortest), cut=1
            )
        )
    )


def _alternatives(names: Iterable[str], cut: int = 0) -> str:
    """An expression for names, singular and plural in one."""
    known = {squash(name): name.lower() for name in names}
    parts = []
    for squashed, name in sorted(known.items()):
        if not (squashed.endswith("s") and squashed[:-1] in known):
            plural = "s?" if f"{squashed}s" in known else ""
            parts.append(_JOINT.join(map(re.escape, re.split("[ _.-]", name)))[cut:] + plural)
    return "|".join(parts)


_COUNT: Final = re.compile(r"\{(\d+),(\d+)\}")
_CLASS_AT_END: Final = re.compile(r"(\[[^\]]+\])\{\d+,\d+\}([^\[]*)$")
# What the checks in Python look at, as far as a regular expression can say it.
_CHECKED: Final = {
    "opaque": "(?:{0}*[0-9]{0}{{8,}}|{0}{{8,}}[0-9]{0}*)",
    "basic": "{0}*[a-z][0-9A-Z]{0}*",
    "jwt": r"{0}+\.[A-Za-z0-9_.-]{{2,}}",
}
_LOOSE: Final = re.compile(r"\[[^\]]+\](?=[A-Za-z])")
_GLUED: Final = re.compile(r"\(\?:\\b\|([a-z]+)\)")
# Two characters that stand for themselves, or one that is rare.
_LITERAL: Final = re.compile(
    r"(?:(?:[-0-9A-Za-z_/:]|\\[^0-9A-Za-z]){2}|[;&]|\\[|]|\\x[0-9a-f]{2})(?![*?{])"
)


def _shapes(rule: Rule) -> Iterator[str]:
    """The pattern of a shape, one for each way it can begin."""
    pattern = rule.pattern.replace("(?P<secret>", "(?:")
    if checked := _CHECKED.get(rule.check):
        pattern = _CLASS_AT_END.sub(lambda m: checked.format(m[1]) + m[2], pattern)
    pattern = _COUNT.sub(_unbounded, pattern)
    if pattern.startswith("(?i)"):
        # The flag is for the word in front; the checks look at the case of letters.
        pattern = re.sub(r"(?<!\\)[a-z]{3,}", r"(?i:\g<0>)", pattern.removeprefix("(?i)"), count=1)
    pattern = _GLUED.sub(r"(?:\1|)", pattern.removeprefix(r"\b"))
    if rule.lead and (loose := _LOOSE.match(pattern)):
        # Without its first character the pattern begins with literal text.
        pattern = pattern[loose.end() :]
    tail = f"[{rule.tail}]*" if rule.tail and not rule.check else ""
    for beginning in _beginnings(pattern):
        yield beginning + tail


def _unbounded(count: re.Match[str]) -> str:
    """Drop an upper bound: Go writes a counted repeat out in full."""
    low, high = int(count[1]), int(count[2])
    return count[0] if high <= 16 else f"{{{min(low, 16)},}}"


def _beginnings(pattern: str) -> list[str]:
    """The ways a pattern can begin: ``(?:a|b)c|d`` becomes ``ac``, ``bc`` and ``d``."""
    alternatives = list(_split(pattern))
    if len(alternatives) > 1:
        return [each for alternative in alternatives for each in _beginnings(alternative)]
    end = _group_end(pattern)
    if end == 0 or pattern[end : end + 1] in {"?", "*", "+", "{"}:
        return [pattern]
    inner, rest = pattern[3 : end - 1], pattern[end:]
    return [each for beginning in _split(inner) for each in _beginnings(beginning + rest)]


def _split(pattern: str) -> Iterator[str]:
    """The alternatives of a pattern."""
    depth = start = 0
    for token in TOKEN.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if token[0] == "|" and depth == 0:
            yield pattern[start : token.start()]
            start = token.end()
    yield pattern[start:]


def _group_end(pattern: str) -> int:
    """Where the group ends with which a pattern begins; 0 if it begins with none."""
    depth = 0
    for token in TOKEN.finditer(pattern if pattern.startswith("(?:") else ""):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return 0
