# SPDX-License-Identifier: Apache-2.0
r"""Values under telling names inside of a text.

One detector for every notation, because they nest: JSON in a Python repr in an exception
message in a URL. It starts at the words that end secret names, reads the whole name, then
a separator, then the value:

    {"api_key": "x"}   {\"api_key\": \"x\"}   {'apikey': 'x'}   api_key=x   X-Api-Key: x
    ?apikey=x&limit=5  apikey%3Dx%26limit%3D5  <password>x</password>
    ('x-api-key', 'x')  auth=('user', 'x')  --password x  ['--password', 'x']  Session('x')
"""

from __future__ import annotations

import re
import string
from functools import partial
from heapq import merge
from itertools import chain
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.containers import leaves
from ffe_otel.redaction.notations import QUOTE, Value, read
from ffe_otel.redaction.spans import LONG, Span, paced, positions
from ffe_otel.redaction.values import is_code, is_name_list, is_opaque, is_random, is_secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ffe_otel.redaction.catalogue import Rule
    from ffe_otel.redaction.names import NameIndex

_NAME_CHARACTERS: Final = string.ascii_letters + string.digits + "_.-"
_LONGEST: Final = 64
# Characters of a value without quotes that decide on it. All of it is read once it is taken:
# a long text full of names would otherwise be read to its end from each of them.
_PROBE: Final = 512
# Characters of a quoted value that decide on it.
_JUDGED: Final = 8_192
_SEPARATOR: Final = re.compile(
    rf"(?P<close>{QUOTE})?\]?[ \t]{{0,8}}"
    r"(?P<op>[-=]>|:=|==?|:|%3[AaDd]|>|,|value=[\"']?|(?:\r?\n|(?:\\r)?\\n){2})[ \t]{0,24}"
    # A block of YAML.
    r"(?:[|>][-+]?(?:\r?\n|\\n)[ \t]{1,16})?"
)
_FLAG_SEPARATOR: Final = re.compile(r"[\"']?(?:,[ ]{0,2}|[ \t]{1,8})(?=[^\s-])")
# "We have detected your API key as XYZ": what follows has to look like a credential.
_PROSE_SEPARATOR: Final = re.compile(
    r"[ \t](?:for|of|from|on|at)[ \t][\w.-]{1,32}(?:[ \t][\w.-]{1,32}){0,3}"
    r"(?:[ \t]is[ \t]|[ \t]?[:=][ \t]?)(?=[^\s])"
    r"|[ \t](?:(?:as|is|was)[ \t])?(?=[^\s(\[{<>=|&,;:-])"
)
# A name in a sentence whose next word cannot be taken for a value: it is a word, a ticker or a
# number that is no account's. Most names in prose are dismissed by this alone.
SENTENCE: Final = re.compile(
    r"(?<![^ \n])(?P<name>[A-Za-z0-9]{1,63})[ ]"
    r"(?:(?:for|of|from|on|at)(?:[ ](?!is[ ])[A-Za-z0-9.]{1,32}){5}(?=[ ])"
    r"|(?:(?:as|is|was)[ ]|(?!(?:for|of|from|on|at|as|is|was)[ ]))"
    r"(?:[A-Z]?[a-z]{1,14}|[A-Z]{1,10}|[0-9]{1,4}(?:\.[0-9]{1,15})?)"
    r"(?=[.,;]?(?:$|\n|[ ](?![ \t:=]))))"
)
_CALL_SEPARATOR: Final = re.compile(r"(?P<op>\()(?=[bBuUrRfF]{0,2}[\"'])")
_PROSE: Final = "~"
_ASSIGNING: Final = frozenset({":", "=", "==", ":=", "=>", "->"})
# Words that end names of secrets and stand in every other line: the word before is looked for.
_COMMON: Final = frozenset(
    {"base", "code", "payload", "phrase", "response", "str", "string", "text", "uri", "url",
     "value", "words"}
)  # fmt: skip
# Words before those, and others, that stand in every other line, too; the gate without RE2 sees
# no digits.
_FREQUENT: Final = frozenset(
    {"2fa", "access", "bytes", "email", "factor", "memo", "pin", "sec", "sig", "time", "two", "uid"}
)
# What may follow a name.
_ENDS: Final = " \"'=:_-\\%"
_CALL: Final = re.compile(r"[A-Za-z_][A-Za-z_.]{0,40}(?=\()")
_DEALT_WITH: Final = re.compile(r"[^)\0]{0,200}\0")


class KeyDetector:
    """Finds values under the names of all ``key`` rules."""

    digit_anchors: tuple[str, ...] = ()

    def __init__(
        self, rules: Sequence[Rule], names: NameIndex, allowed_parameters: Collection[str]
    ) -> None:
        """Look for ``rules``, whose index is ``names``.

        ``allowed_parameters`` are query parameters, in lower case, that stay.
        """
        anchors = dict(chain(*(_anchors(name) for rule in rules for name in rule.names)))
        # A word that contains another one is found through the other.
        self.anchors = tuple(
            word for word in sorted(anchors) if not any(o in word for o in anchors if o != word)
        )
        self.shifts = {word: anchors[word] for word in self.anchors if anchors[word]}
        """Where the name's last word begins in anchors of two words."""
        self._names = names
        self._allowed = frozenset(allowed_parameters)

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the values (see :class:`Detector`)."""
        return self.find_at(text, low, self.anchors)

    def find_at(self, text: str, low: str, anchors: Sequence[str]) -> Iterator[Span]:
        """The same, if none but ``anchors`` stand in the text."""
        done = 0
        for hit in paced(self._hits(low, anchors), low):
            if hit < done:
                continue
            if word := SENTENCE.match(text, hit):
                done = word.end("name")
                continue
            right = hit + _run_right(text, hit)
            done = right
            if right - hit >= _LONGEST:
                continue
            left = hit - _run_left(text, hit)
            if self._is_escape(text, left, right):
                left += 1
            for value, rule in self._values(text, left, right):
                done = max(done, value.resume)
                if value.end > value.start:
                    yield Span(value.start, value.end, rule)

    def _hits(self, low: str, anchors: Sequence[str]) -> Iterable[int]:
        if len(anchors) == 1:
            return self._places(low, anchors[0])
        places = [self._places(low, anchor) for anchor in anchors]
        # To sort those of a long text would hold the interpreter for long.
        return sorted(chain(*places)) if len(low) <= LONG else merge(*places)

    def _places(self, low: str, anchor: str) -> Iterator[int]:
        shift = self.shifts.get(anchor, 0)
        found = positions(low, anchor)
        return (position + shift for position in found) if shift else found

    def _is_escape(self, text: str, left: int, right: int) -> bool:
        """Say whether a name begins with the ``n`` or so of an escape in front of it."""
        escaped = text[left - 1 : left] == "\\" and text[left] in "nrt"
        return escaped and self._rule(text, left, right) is None

    def _values(self, text: str, left: int, right: int) -> Iterator[tuple[Value, Rule]]:
        """The values of the name at ``left`` to ``right``, which may be no secret's name."""
        rule = self._rule(text, left, right)
        if rule is None:
            right, separator = _longer(text, right)
            rule = separator and self._rule(text, left, right)
        else:
            longer, separator = _separator(text, left, right)
            if longer > right:
                right = longer
                rule = self._rule(text, left, right)
        if separator is None or rule is None:
            return
        query = left > 0 and text[left - 1] in "?&;"
        if query and (rule.words == "alone" or text[left:right].lower() in self._allowed):
            return
        op = separator.groupdict().get("op") or _wordless(separator)
        name = text[left:right]
        for value in self._contents(text, separator.end(), op, rule, name, query=query):
            yield value, rule

    def _contents(
        self, text: str, start: int, op: str, rule: Rule, name: str, *, query: bool
    ) -> Iterator[Value]:
        """The values at ``start`` that ``rule`` hides."""
        if call := _CALL.match(text, start):
            inside = list(self._in_call(text, start, call.end(), rule))
            yield from inside
            if inside or _DEALT_WITH.match(text, call.end()):
                return
        if text[start : start + 1] in {"{", "["} and op in _ASSIGNING and rule.values == "any":
            for first, end in leaves(text, start, numbers=rule.numbers):
                if self._is_leaf(text[first:end], rule):
                    yield Value(first, end, bare=False, resume=start)
            return
        read_on = partial(read, text, start, op, rule.extent, query=query)
        for value in read_on(far=start + _PROBE):
            if query or self._accept(text, value, rule, op, name):
                yield value if value.whole else next(read_on(far=len(text)), value)

    def _rule(self, text: str, left: int, right: int) -> Rule | None:
        """The rule of a name; "API key" counts as one name."""
        last = max(left, text.rfind(" ", left, right) + 1)
        joint = text[last - 2] if last >= 2 and text[last - 1] == " " else ""
        if self._names.is_hopeless(text[last:right], joint):
            return None
        if left >= 2 and text[left - 1] == " " and text[left - 2].isalnum():
            before = left - 1 - _run_left(text, left - 1)
            both = text[before:right]
            rule = self._names.rule_for(both)
            if rule is not None and not rule.words:
                return rule
            if self._names.spares(both):
                return None
        return self._names.rule_for(text[left:right])

    def _in_call(self, text: str, start: int, bracket: int, rule: Rule) -> Iterator[Value]:
        """Credentials among the arguments in ``token=Token(value='...')``."""
        for first, end in leaves(text, bracket, numbers=False):
            content = text[first:end]
            if is_opaque(content) and self._is_leaf(content, rule):
                yield Value(first, end, bare=False, resume=start)

    def _is_leaf(self, content: str, rule: Rule) -> bool:
        return is_secret(content, rule, bare=False) and not is_name_list(
            content, self._names.rule_for
        )

    def _accept(self, text: str, value: Value, rule: Rule, op: str, name: str) -> bool:
        content = text[value.start : min(value.end, value.start + _JUDGED)]
        following = text[value.resume : value.resume + 1]
        if op == _PROSE:
            return rule.extent == "word" and rule.words != "alone" and _stands_out(content, rule)
        if op == "(":
            # `Session('...')`; what is asked for by name stays: `getenv_key('...')`.
            return rule.extent == "word" and rule.words != "alone" and is_random(content)
        if op == "," and (
            value.bare
            or following not in {")", "]"}
            or (rule.extent == "word" and " " in content)
            or is_name_list(content, self._names.rule_for)
        ):
            return False
        if value.bare and (
            content.startswith("//") or is_code(content, following, name, self._names.rule_for)
        ):
            return False
        return is_secret(content, rule, bare=value.bare)


def _stands_out(content: str, rule: Rule) -> bool:
    """Say whether a word in a sentence looks like a credential, not like a word."""
    if rule.numbers and content.isdigit():
        return len(content) >= 5
    if rule.values in {"random", "mixed"}:
        return is_random(content)
    return len(content) >= (6 if rule.values == "any" else 12) and is_opaque(content)


def _anchors(name: str) -> Iterator[tuple[str, int]]:
    """What stands in every text with a name, and where in it to begin reading.

    One word of it, or if that is too frequent its last two, in every way to join them.
    """
    words = name.lower().replace("-", " ").split()
    word = words[-1]
    if len(word) < 3 or word in _COMMON:
        word = max((each for each in words if each not in _COMMON), key=len, default=words[0])
    if len(words) == 1 and any(map(str.isdigit, word)):
        # The gate without RE2 sees no digits, and what is left of `2fa` ends few words.
        yield from ((word + end, 0) for end in _ENDS)
        return
    if word not in _FREQUENT or len(words) == 1:
        yield word, 0
        return
    first, last = words[-2:]
    for joint in ("", "_", "-", "."):
        yield f"{first}{joint}{last}", 0
    # The words of a sentence are read from the last one, as those of other names are.
    yield f"{first} {last}", len(first) + 1


def _run_right(text: str, position: int) -> int:
    chunk = text[position : position + _LONGEST]
    return len(chunk) - len(chunk.lstrip(_NAME_CHARACTERS))


def _run_left(text: str, position: int) -> int:
    chunk = text[max(0, position - _LONGEST) : position]
    return len(chunk) - len(chunk.rstrip(_NAME_CHARACTERS))


def _separator(text: str, left: int, right: int) -> tuple[int, re.Match[str] | None]:
    """What stands between a name and its value, and where the name really ends."""
    separator = _SEPARATOR.match(text, right)
    if separator is not None and _fits(text, left, separator):
        return right, separator
    if text.startswith("--", left) or (text[left] == "-" and right - left > 4):
        return right, _FLAG_SEPARATOR.match(text, right)
    if text[right : right + 1] == "(":
        return right, _CALL_SEPARATOR.match(text, right)
    if separator is None and (longer := _longer(text, right))[1]:
        return longer
    return right, _PROSE_SEPARATOR.match(text, right)


def _longer(text: str, right: int) -> tuple[int, re.Match[str] | None]:
    """The end of a name that has another word, and its separator: "Account ID: 1"."""
    if text[right : right + 1] != " ":
        return right, None
    end = right + 1 + _run_right(text, right + 1)
    separator = _SEPARATOR.match(text, end)
    return end, separator if separator and separator["op"] in {":", "="} else None


def _wordless(separator: re.Match[str]) -> str:
    """The operator of a separator that is none: a flag's or a sentence's."""
    return _PROSE if separator.re is _PROSE_SEPARATOR else " "


def _fits(text: str, left: int, separator: re.Match[str]) -> bool:
    """Say whether a separator belongs to the name before it."""
    op = separator["op"]
    if op[-1].isspace() or op[0] in "v\\":
        # A field of a form, as HTML or as it is sent.
        return separator["close"] is not None
    if op == ">":
        return separator["close"] is None and text[left - 1 : left] == "<"
    if op != ",":
        return True
    if separator["close"] is None or left < 2:
        return False
    before = left - 2
    if before and text[before] in "bBuU":
        before -= 1
    return text[before] in "(["
