# SPDX-License-Identifier: Apache-2.0
"""Names that say nothing by themselves, and a credential where another one stands beside them.

A ``key`` is mostly one of a mapping; in ``{"KEY": ..., "SIGN": ...}`` it is an exchange's.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.names import squash
from ffe_otel.redaction.spans import Span, paced, positions
from ffe_otel.redaction.values import is_secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ffe_otel.redaction.catalogue import Rule

_NEAR: Final = 256
# Characters of a name with its value.
_LONGEST: Final = 320
# What follows a name; without it `sign` would be found in every `signal`.
_ENDS: Final = ('"', "'", ":", "=", "\\")
_FREQUENT: Final = frozenset({"sign", "sig"})
_ENDED: Final = re.compile(r"[A-Za-z_-]{0,8}[\"':=\\]")
_QUOTE: Final = r"\\{0,8}[\"']"


class BesideDetector:
    """Finds values in texts, see :class:`Detector`."""

    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``beside``."""
        self._rule = rule
        self.anchors = tuple(
            joint.join(name.lower().split()) + end
            for name in rule.beside
            for joint in (("", "_", "-") if " " in name else ("",))
            for end in (_ENDS if name in _FREQUENT else ("",))
        )
        names = "|".join(map(re.escape, rule.names))
        self._value = re.compile(
            rf"(?<![0-9A-Za-z_.-])(?P<name>(?i:{names}))"
            rf"(?:{_QUOTE}[ ]?[:,]|[ ]?[:=])(?:[ ]?[bBuUrR]?(?P<quote>{_QUOTE})|[ ]?)"
            # Ahead only: what is found must not depend on where the search began.
            r"(?=(?P<value>(?(quote)[^\"'\\\n]{1,256}|[^\s\"',;&(){}\[\]\\]{1,256})))"
        )

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the values (see :class:`Detector`)."""
        places = array("q", sorted(paced(self._places(text, low), low)))
        matches = paced(self._matches(text, places), low)
        last, match = None, next(matches, None)
        while match is not None:
            following = next(matches, None)
            if (
                _stands_beside(match, places) or _are_two(last, match) or _are_two(match, following)
            ) and self._is_secret(match):
                yield Span(*match.span("value"), self._rule)
            last, match = match, following

    def _places(self, text: str, low: str) -> Iterator[int]:
        """Where telling names stand."""
        for anchor in self.anchors:
            for position in positions(low, anchor):
                if not anchor[-1].isalpha() or _ENDED.match(text, position + len(anchor)):
                    yield position

    def _matches(self, text: str, places: Sequence[int]) -> Iterator[re.Match[str]]:
        """Names and values near any of the places."""
        done = 0
        for place in places:
            end = place + _NEAR
            if end > done:
                start = max(done, place - _NEAR)
                for match in self._value.finditer(text, start, end + _LONGEST):
                    if match.start() >= end:
                        break
                    yield match
                done = end

    def _is_secret(self, match: re.Match[str]) -> bool:
        value = match["value"]
        return "\0" not in value and is_secret(value, self._rule, bare=match["quote"] is None)


def _stands_beside(match: re.Match[str], places: Sequence[int]) -> bool:
    """Say whether a telling name, which is not the match's own, stands near a match."""
    before = bisect_left(places, match.start()) - 1
    behind = bisect_left(places, match.end())
    return (before >= 0 and places[before] >= match.start() - _NEAR) or (
        behind < len(places) and places[behind] <= match.start() + _NEAR
    )


def _are_two(one: re.Match[str] | None, other: re.Match[str] | None) -> bool:
    """Say whether two neighbours have different names: `key` and `sig`."""
    if one is None or other is None or other.start() - one.start() > _NEAR:
        return False
    return one["name"].lower() != other["name"].lower()


class Companions:
    """The same for the keys of mappings."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Know ``rules`` of kind ``beside``."""
        self._rules = {squash(name): rule for rule in rules for name in rule.names}
        self._tells = {rule.id: tuple(map(squash, rule.beside)) for rule in rules}
        self.names = frozenset(
            written for name in self._rules for written in (name, name.upper(), name.title())
        )
        """Keys, as they are written, that may be meant."""

    def among(self, keys: Collection[object]) -> Mapping[object, Rule]:
        """The rules of those of the keys of one mapping that stand beside a telling one."""
        if self.names.isdisjoint(keys):
            return {}
        squashed = {key: squash(key) for key in keys if isinstance(key, str)}
        return {
            key: rule
            for key in squashed
            if key in self.names
            and (rule := self._rules[key.lower()])
            and any(
                other.endswith(self._tells[rule.id]) or other in self._rules
                for name, other in squashed.items()
                if name != key
            )
        }
