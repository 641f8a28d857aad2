# SPDX-License-Identifier: Apache-2.0
"""Finds long words that look generated, where the text around them says that they are secret.

These rules are for the secrets that nobody wrote a rule for. A word alone proves nothing:
trace ids, hashes and base64 look the same. So either a vendor's prefix stands in front of
it (``abcd_...``), or one of a rule's names stands close before it, or it has a checksum.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final, NamedTuple

from ffe_otel.redaction.checks import CHECKS
from ffe_otel.redaction.spans import Span, paced
from ffe_otel.redaction.values import counts_something

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ffe_otel.redaction.catalogue import Rule

_SHORTEST: Final = 16
_CLASSES: Final = bytes.maketrans(
    b"abcdefghijklmnopqrstuvwxyz0123456789", b"a" * 36
)  # fmt: skip
_TELLTALE: Final = b"a" * _SHORTEST
_RUN: Final = re.compile(r"a+")
_WORD: Final = re.compile(r"[0-9A-Za-z_+/=~.-]+")
_LONGEST: Final = 512
_LOOK_BACK: Final = 64


class _Test(NamedTuple):
    """A rule, and what a word and the text before it have to pass."""

    rule: Rule
    pattern: re.Pattern[str] | None
    context: Callable[[str], bool] | None
    look: Callable[[str], bool]


class WordDetector:
    """Finds what the rules of kind ``word`` describe, in words of 16 and more characters."""

    anchors: tuple[str, ...] = ()
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rules: Sequence[Rule], allowed_parameters: Collection[str] = ()) -> None:
        """Look for ``rules``; of several that fit a word the first one counts.

        ``allowed_parameters`` are query parameters, in lower case, that stay.
        """
        self._tests = tuple(_test(rule, frozenset(allowed_parameters)) for rule in rules)
        # The last words of all names; without any of them no context has to be looked at.
        self._telling = tuple(
            {re.split("[ _.-]", name.lower())[-1] for rule in rules for name in rule.names}
        )
        self._near = _NEAR + "".join(set("".join(self._telling)))

    def wanted(self, low: str) -> bool:
        """See :class:`SelfGated`: 16 letters and digits in a row."""
        return _TELLTALE in low.encode("ascii").translate(_CLASSES)

    @staticmethod
    def places(low: str) -> Iterator[int]:
        """Where as many stand in a row; of a longer row several places."""
        shape = low.encode("ascii").translate(_CLASSES)
        position = shape.find(_TELLTALE)
        while position >= 0:
            yield position
            position = shape.find(_TELLTALE, position + _SHORTEST)

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the words (see :class:`Detector`)."""
        for start, end in paced(_words(text, low), low):
            rule = self._rule(text[start:end], text[max(0, start - _LOOK_BACK) : start])
            if rule is not None:
                yield Span(start, end, rule)

    def _rule(self, word: str, before: str) -> Rule | None:
        """The first rule a word fits, which stands behind ``before``."""
        before = before.rpartition("\n")[2]
        near = before.lower()
        if near.isascii():
            near = near[len(near.rstrip(self._near)) :]
        is_told = any(map(near.__contains__, self._telling))
        for rule, pattern, context, look in self._tests:
            if rule.names and not is_told:
                continue
            if pattern is not None and pattern.fullmatch(word) is None:
                continue
            if (context is None or context(before)) and look(word):
                return rule
        return None


def _words(text: str, low: str) -> Iterator[tuple[int, int]]:
    shape = low.encode("ascii").translate(_CLASSES).decode("ascii")
    done = 0
    position = shape.find("a" * _SHORTEST)
    while position >= 0:
        start, end = _extent(text, max(done, position - _LONGEST), position)
        yield start, end
        done = max(end, position + _SHORTEST)
        position = shape.find("a" * _SHORTEST, done)


def _extent(text: str, earliest: int, position: int) -> tuple[int, int]:
    """The word around ``position``; of a path or a host only the part with ``position``."""
    chunk = text[earliest:position]
    head = len(chunk) - len(chunk.rstrip(_WORD_CHARACTERS))
    start = position - head
    match = _WORD.match(text, position, position + _LONGEST)
    end = match.end() if match else position + _SHORTEST
    word = text[start:end]
    if ("/" in word or "." in word) and _WORDY.search(word):
        start += max(word.rfind("/", 0, head), word.rfind(".", 0, head)) + 1
        stops = [p for p in (text.find("/", position, end), text.find(".", position, end)) if p > 0]
        end = min(stops, default=end)
    end -= len(text[position:end]) - len(text[position:end].rstrip("."))
    equals = text.rfind("=", start, position)
    return (equals + 1 if equals >= 0 else start), end


_WORD_CHARACTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_+/=~.-"
# A part of a path, a host or a dotted name.
_WORDY: Final = re.compile(
    r"(?:^|[/.])(?:[A-Z]?[a-z_-]{4,30}[0-9]{0,3}|api|usr|var|etc|opt|tmp|src|lib|www|com|org|net|io"
    r"|py|v[0-9]{1,2})(?:[/.]|$)"
)


def _test(rule: Rule, allowed: Collection[str]) -> _Test:
    pattern = re.compile(rule.pattern, re.ASCII) if rule.pattern else None
    context = _query(allowed) if rule.where == "query" else _context(rule.names)
    return _Test(rule, pattern, context, CHECKS[rule.check])


# What may stand between a telling word and the secret: a few small words and signs, none of
# which says that it is something else.
_NEAR: Final = string.ascii_lowercase + " \t\n\r\v\f\x1c\x1d\x1e\x1f:=,\"'`()[]{<>#-"
_BETWEEN: Final = (
    r"(?:[\s:=,\"'`()\[\]{<>#-]{1,6}(?:[a-z]{1,12}|[A-Z][a-z]{0,11}|[A-Z]{1,6})){0,4}"
    r"[\s:=,\"'`()\[\]{<>#-]{1,6}$"
)
_OTHER: Final = re.compile(
    r"(?:trace|span|order|correlation|request|decision|trade|session|cycle|commit|revision|hash"
    r"|sha|sha1|sha256|md5|digest|checksum|fingerprint|etag|uuid|id|ids|version|block|tx|txid"
    r"|transaction|address|contract|file|path|cache|image|container|pod|build|public|count|len"
    r"|payload|blob|data|body|content|response|base64|encoded|nonce|tool|call|ref|cursor|page|next"
    r"|budget|limit|usage|isin|symbol|ticker|model|amount|price|time|timestamp|at)"
    r"[\s:=,\"'`()\[\]{<>#-]{1,6}",
    re.IGNORECASE,
)


_ASSIGNED: Final = re.compile(r"[A-Za-z][\"'`\])]{0,2}[ ]?=[=>]?[\s\"'`(\[{]{0,4}$")


_PARAMETER: Final = re.compile(r"[?&;]([0-9A-Za-z_.-]{1,48})=$")
# Parameters whose values look generated and are no secret, beside ids and counts.
_HARMLESS: Final = frozenset(
    {"address", "asset", "blob", "block", "body", "checksum", "commit", "content", "contract",
     "data", "digest", "etag", "file", "image", "md5", "model", "next", "page", "path", "payload",
     "pubkey", "q", "query", "revision", "sha", "sha1", "sha256", "symbol", "ticker", "topic",
     "wallet"}
)  # fmt: skip


def _query(allowed: Collection[str]) -> Callable[[str], bool]:
    def test(before: str) -> bool:
        match = _PARAMETER.search(before)
        if match is None or match[1].lower() in allowed or counts_something(match[1]):
            return False
        last = re.split("[_.-]", match[1].lower())[-1]
        return _HARMLESS.isdisjoint({last, last.removesuffix("s")})

    return test


def _context(names: Sequence[str]) -> Callable[[str], bool] | None:
    if not names:
        return None
    joint = "[ _.-]?"
    alternatives = "|".join(joint.join(map(re.escape, re.split("[ _.-]", n))) for n in names)
    near = re.compile(rf"(?i:(?:^|[^a-z])(?:{alternatives})s?)(?P<between>{_BETWEEN})")

    def test(before: str) -> bool:
        match = near.search(before)
        if match is None or _OTHER.search(match["between"]):
            return False
        # `secret rotated, blob=...`: the name in front of the sign says what the value is.
        return _ASSIGNED.search(match["between"]) is None

    return test
