# SPDX-License-Identifier: Apache-2.0
"""The catalogue as regular expressions for the OpenTelemetry Collector.

The Collector is the second line of defence: it also sees what other senders put on the
wire. Its redaction processor knows keys, and texts by regular expression, but no code. So
it hides more than the engine's side does (``api_key=None`` as well) and leaves out what
takes a scanner; docs/collector.md lists both.

Go's regular expressions take a twentieth of the time when a pattern begins with literal
text, or when most positions of a text fail at the first step. All patterns here are
written for that: measured, 55 microseconds a span of 10 attributes instead of 97.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.redaction.catalogue import TOKEN
from ffe_otel.redaction.names import squash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ffe_otel.redaction.catalogue import Catalogue, Rule

# Whole values that the engine's side has redacted keep the name of their rule.
DONE: Final = r"^\[redacted:[a-z][a-z0-9-]{1,39}\]$"

BEGIN: Final = "  # >>> rendered by `ffe-otel collector render`, do not edit"
END: Final = "  # <<< rendered"

_JOINT: Final = "[ _.-]?"
_SEPARATOR: Final = (
    r"""(?:\\*["'`]|%22|&quot;)?\]?[ \t]*(?:=>|:=|==?|:|%3[Aa]|%3[Dd]|>|[ \t]as[ \t])[ \t]*"""
)
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
    rf"(?:{_QUOTED}|(?i:digest|hawk|aws4-hmac-sha256)[ \t][^\r\n\"']+"
    rf"|(?:(?i:bearer|basic|token|apikey|bot|negotiate)[ \t,]+)?{_BARE})"
)
_LINE: Final = rf"(?:{_QUOTED}|[^\s\"'\[][^\r\n\"']+)"
# Letters and digits: no word, number or ticker.
_OPAQUE: Final = r"""\\*["']?(?:[A-Za-z_.~+/-]+[0-9]|[0-9]+[A-Za-z_~+/-])[0-9A-Za-z_.~+/=-]{4,}"""


class Pattern(NamedTuple):
    """A regular expression in RE2's dialect; all of its match is hidden."""

    id: str
    text: str


def key_patterns(catalogue: Catalogue) -> tuple[Pattern, ...]:
    """What matches the keys whose values are hidden whole."""
    names = [name for rule in catalogue.of_kind("key") for name in rule.names]
    return tuple(_named("key", [(names, "[^0-9A-Za-z]*$")]))


def value_patterns(catalogue: Catalogue) -> tuple[Pattern, ...]:
    """What matches secrets inside of texts, in the order in which to apply them."""
    return tuple(_value_patterns(catalogue))


def _value_patterns(catalogue: Catalogue) -> Iterator[Pattern]:
    for rule in catalogue.of_kind("pem"):
        # Line ends may be escaped or missing, and the end cut off.
        body = r"(?:[A-Za-z0-9+/=\s\\:,]|-[^-]|--[^-])*(?:-----END [A-Z0-9 ]*(?:-----)?)?"
        yield Pattern(rule.id, rf"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?:-----)?{body}")
    for rule in catalogue.of_kind("userinfo"):
        user, rest = r"[^\s\"'<>`/?#\\@:]", r"[^\s\"'<>`/@\[]"
        # People do not escape the `/` in a password; digits before it are a port.
        slashed = rf"{rest}*[^\s\"'<>`/@\[0-9]{rest}*/[^\s\"'<>`@]*"
        yield Pattern(rule.id, rf"://{user}*:(?:{rest}+|{slashed})@")
        yield Pattern(rule.id, rf"://{user}{{16,}}@")
    for rule in catalogue.of_kind("shape"):
        for text in _shapes(rule):
            yield Pattern(rule.id, text)
    for rule in catalogue.of_kind("query"):
        names = _alternatives(rule.names)
        yield Pattern(rule.id, rf"[?&;](?i:{names})=[^&#;\s\"'<>`\\\[][^&#;\s\"'<>`\\]*")
    yield from _assignments(catalogue.of_kind("key"))


def _assignments(rules: Sequence[Rule]) -> Iterator[Pattern]:
    """Names with a separator and a value behind them, whatever the notation."""
    words = [n for r in rules if r.extent == "word" and r.values == "any" for n in r.names]
    yield from _named("name and value", [(words, _SEPARATOR + _WORD)])
    if words:
        flag = rf"--(?i:[a-z-]*(?:{_alternatives(words)}))[\"']?,? [\"']?{_BARE}"
        yield Pattern("command line", flag)
    others = [
        (
            [n for r in rules if (r.extent, r.values) == (extent, values) for n in r.names],
            _SEPARATOR + value,
        )
        for extent, values, value in (
            ("scheme", "any", _SCHEME),
            ("line", "any", _LINE),
            ("word", "opaque", _OPAQUE),
        )
    ]
    yield from _named("header, cookie, token", others)


def _named(what: str, groups: Sequence[tuple[Sequence[str], str]]) -> Iterator[Pattern]:
    """Names, each group with what follows it, at the start of a word and in camel case.

    The character before is what makes nearly all positions of a text fail at once. It misses
    names glued to a digit or to a word in the same case (``mypassword``).
    """
    groups = [group for group in groups if group[0]]
    snake = [f"(?i:{_alternatives(names)}){behind}" for names, behind in groups]
    # Any capital may stand in place of the first letter: no alternatives to try, and what
    # else could "...ePassword" with another P be? Short names would find too much.
    camel = [
        f"(?i:{alternatives}){behind}"
        for names, behind in groups
        if (alternatives := _alternatives((n for n in names if len(squash(n)) >= 5), cut=1))
    ]
    for case, before, texts in (
        ("snake", "(?:^|[^0-9A-Za-z])", snake),
        ("camel", "[a-z][A-Z]", camel),
    ):
        if texts:
            yield Pattern(f"{what}, {case} case", f"{before}(?:{'|'.join(texts)})")


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
_LOOSE: Final = re.compile(r"\[[^\]]+\](?=[A-Za-z])|\(\?:\\b\|[a-z]+\)")


def _shapes(rule: Rule) -> Iterator[str]:
    """The pattern of a shape, one for each way it can begin."""
    pattern = rule.pattern.replace("(?P<secret>", "(?:")
    if rule.check:
        checked = _CHECKED[rule.check]
        pattern = _CLASS_AT_END.sub(lambda m: checked.format(m[1]) + m[2], pattern)
    pattern = _COUNT.sub(_unbounded, pattern)
    if pattern.startswith("(?i)"):
        # The flag is for the word in front; the checks look at the case of letters.
        pattern = re.sub(r"(?<!\\)[a-z]{3,}", r"(?i:\g<0>)", pattern.removeprefix("(?i)"), count=1)
    if rule.check != "opaque":
        # Without the test for a boundary the pattern begins with literal text.
        pattern = pattern.removeprefix(r"\b")
        if rule.lead and (loose := _LOOSE.match(pattern)):
            pattern = pattern[loose.end() :]
    tail = f"[{rule.tail}]*" if rule.tail and not rule.check else ""
    for beginning in _beginnings(pattern):
        yield beginning + tail


def _unbounded(count: re.Match[str]) -> str:
    """Drop an upper bound: Go writes a counted repeat out in full."""
    low, high = int(count[1]), int(count[2])
    return count[0] if high <= 16 else f"{{{min(low, 16)},}}"


def _beginnings(pattern: str) -> list[str]:
    """Split ``(?:a|b)c`` into ``ac`` and ``bc``."""
    if not pattern.startswith("(?:"):
        return [pattern]
    depth, start, found = 0, 3, []
    for token in TOKEN.finditer(pattern):
        if token[0] == "(":
            depth += 1
        elif token[0] == ")":
            depth -= 1
        if (token[0] == "|" and depth == 1) or depth == 0:
            found.append(pattern[start : token.start()])
            start = token.end()
        if depth == 0:
            break
    return [beginning + pattern[start:] for beginning in found]


def render(catalogue: Catalogue) -> str:
    """The processors ``transform/before``, ``redaction`` and ``transform/after`` as YAML.

    Indented by two, to stand under ``processors:``.
    """
    redaction = [
        "redaction:",
        "  allow_all_keys: true",
        "  # A list or map that holds a secret becomes text without it; others stay as they are.",
        "  redact_all_types: true",
        "  # Anything else adds attributes, and those would split the series of a metric.",
        "  summary: silent",
        "  allowed_values:",
        f"    - {_quoted(DONE)}",
        "  blocked_key_patterns:",
        *_listed(key_patterns(catalogue)),
        "  blocked_values:",
        *_listed(value_patterns(catalogue)),
    ]
    lines = [*_transform("before"), "", *redaction, "", *_transform("after")]
    return "".join(f"  {line}\n" if line else "\n" for line in lines)


def _listed(patterns: Iterable[Pattern]) -> Iterator[str]:
    last = ""
    for pattern in patterns:
        if pattern.id != last:
            yield f"    # {pattern.id}"
        last = pattern.id
        yield f"    - {_quoted(pattern.text)}"


def _quoted(pattern: str) -> str:
    """A YAML scalar in which the Collector finds no variable to expand."""
    return "'" + pattern.replace("$", "$$").replace("'", "''") + "'"


# What the redaction processor does not look at passes through it as an attribute.
_CARRIED: Final = {
    "trace": (
        ("span", "name"),
        ("span", "status.message"),
        ("span", "trace_state"),
        ("spanevent", "name"),
        ("scope", "name"),
        ("scope", "version"),
    ),
    "metric": (("scope", "name"), ("scope", "version")),
    "log": (
        ("log", "severity_text"),
        ("log", "event_name"),
        ("scope", "name"),
        ("scope", "version"),
    ),
}
_CARRIER: Final = "ffe.collector."


def _transform(step: str) -> Iterator[str]:
    yield f"transform/{step}:"
    yield "  # The default, ignore, would let the record pass as it is."
    yield "  error_mode: propagate"
    for signal, fields in _CARRIED.items():
        yield f"  {signal}_statements:"
        for owner, field in fields:
            path, carrier = f"{owner}.{field}", f'{owner}.attributes["{_CARRIER}{field}"]'
            if step == "before":
                yield f'    - set({carrier}, {path}) where {path} != ""'
            else:
                yield f"    - set({path}, {carrier}) where {carrier} != nil"
                yield f'    - delete_key({owner}.attributes, "{_CARRIER}{field}")'
        if (signal, step) == ("metric", "before"):
            yield "    # Cannot be redacted here. Trace id and span id are fields of their own."
            yield "    - keep_keys(exemplar.filtered_attributes, [])"


def replace_section(text: str, section: str) -> str:
    """Put a rendering in place of the one between the markers of a configuration file.

    Raises:
        ValueError: the file has no such place.
    """
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        raise ValueError(f"the lines {BEGIN.strip()!r} and {END.strip()!r} are not there")
    return text[:start] + f"{BEGIN}\n{section}" + text[end:]
