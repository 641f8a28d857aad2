# SPDX-License-Identifier: Apache-2.0
"""Which names announce a secret: the end of a name decides.

``X-FFE-Alert-Token``, ``alertToken`` and ``alert_token`` are one name, so names are
compared by their letters and digits alone. The last word decides because it says what the
value *is*: an ``access_token`` is a token, ``token_count`` is a count.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ffe_otel.redaction.catalogue import Rule

_MEMO_SIZE: Final = 4096
_LONGEST_NAME: Final = 200
# What stands in a marker is a rule's name, not that of a value.
_MARKER_START: Final = "[redacted:"
# What people put behind the name of a secret when they have more than one.
_SUFFIX: Final = re.compile(
    r"(?:(?:[_.-](?:v?[0-9]{1,3}|prod|production|live|dev|test|testing|staging|stage|sandbox|demo"
    r"|practice|paper|old|new|next|prev|previous|backup|primary|secondary|main|current|default"
    r"|b64|base64|raw|plain|plaintext|hex|encoded|enc|encrypted|override|str|string"
    r"|value|data|pem|der|bytes))"
    r"|(?<=[a-zA-Z])[0-9]{1,2}){1,2}$",
    re.IGNORECASE,
)


def squash(name: str) -> str:
    """The letters and digits of a name in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


class NameIndex:
    """Finds the rule for a name. Remembers answers, within bounds: names repeat."""

    __slots__ = ("_allowed", "_joints", "_lengths", "_memo", "_rules", "_tails", "_unless")

    def __init__(self, rules: Sequence[Rule], allowed: Collection[str] = ()) -> None:
        """Index ``rules`` of kind ``key``; names in ``allowed`` never match."""
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules:
            for name in rule.names:
                self._rules.setdefault(squash(name), []).append(rule)
        self._unless = tuple(squash(name) for rule in rules for name in rule.unless)
        self._lengths = sorted({len(name) for name in self._rules}, reverse=True)
        self._allowed = frozenset(allowed)
        # Ends of names, and the characters before them.
        self._tails: dict[str, set[str]] = {}
        for name in self._rules:
            for at in range(1, len(name)):
                self._tails.setdefault(name[at:], set()).add(name[at - 1])
        self._memo: dict[str, Rule | None] = {}
        self._joints: dict[str, frozenset[str] | None] = {}

    def rule_for(self, name: str) -> Rule | None:
        """The rule whose name is the longest end of ``name``, or None."""
        try:
            return self._memo[name]
        except KeyError:
            pass
        if len(name) > _LONGEST_NAME:
            return None
        rule = None
        if name not in self._allowed and _MARKER_START not in name:
            rule = self._search(name) or self._search(_SUFFIX.sub("", name))
        if len(self._memo) >= _MEMO_SIZE:
            self._memo.clear()
        self._memo[name] = rule
        return rule

    def is_hopeless(self, word: str, before: str) -> bool:
        """Say whether no name has a rule whose last word is ``word``.

        False only means that :meth:`rule_for` has to be asked, which has more to remember.

        Args:
            word: the last word of a name.
            before: the last character of the word in front of it; empty when there is none.
        """
        try:
            joints = self._joints[word]
        except KeyError:
            joints = self._joints_of(word)
            if len(self._joints) >= _MEMO_SIZE:
                self._joints.clear()
            self._joints[word] = joints
        return joints is not None and (not before or before.lower() not in joints)

    def _joints_of(self, word: str) -> frozenset[str] | None:
        """What the word before may end with; None if ``word`` may be a name of its own."""
        joints: set[str] = set()
        for end in {squash(word), squash(_SUFFIX.sub("", word))}:
            if not end or any(end[-length:] in self._rules for length in self._lengths):
                return None
            joints |= self._tails.get(end, set())
        return frozenset({*joints, *"_.-"}) if joints else frozenset()

    def spares(self, name: str) -> bool:
        """Say whether a name is one of those that only look like a secret's."""
        return bool(self._unless) and self._is_spared(name, squash(name))

    def _is_spared(self, name: str, squashed: str) -> bool:
        # `TWELVEDATA_KEY` is no "data key".
        return squashed.endswith(self._unless) and any(
            squashed == end or _is_word(name, len(end), "whole")
            for end in self._unless
            if squashed.endswith(end)
        )

    def _search(self, name: str) -> Rule | None:
        squashed = squash(name)
        if self._unless and self._is_spared(name, squashed):
            return None
        for length in self._lengths:
            for rule in self._rules.get(squashed[-length:], ()):
                if not rule.words or _is_word(name, length, rule.words):
                    return rule
        return None


def _is_word(name: str, length: int, words: str) -> bool:
    """Say whether the last ``length`` letters and digits of a name are a word of their own.

    ``last`` asks for a word before them, too, ``alone`` for none.
    """
    places = [place for place, character in enumerate(name) if character.isalnum()]
    if len(places) <= length or words == "alone":
        return words != "last" and len(places) <= length
    start, before = places[-length], places[-length - 1]
    camel = name[start].isupper() and not name[before].isupper()
    return camel or start - before > 1
