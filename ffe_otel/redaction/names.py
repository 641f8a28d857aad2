# SPDX-License-Identifier: Apache-2.0
"""Which names announce a secret: the end of a name decides.

``X-FFE-Alert-Token``, ``alertToken`` and ``alert_token`` are one name, so names are
compared by their letters and digits alone. The last word decides because it says what the
value *is*: an ``access_token`` is a token, ``token_count`` is a count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ffe_otel.redaction.catalogue import Rule

_MEMO_SIZE: Final = 4096
_LONGEST_NAME: Final = 200


def squash(name: str) -> str:
    """The letters and digits of a name in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


class NameIndex:
    """Finds the rule for a name. Remembers answers, within bounds: names repeat."""

    __slots__ = ("_allowed", "_lengths", "_memo", "_rules", "_unless")

    def __init__(self, rules: Sequence[Rule], allowed: Collection[str] = ()) -> None:
        """Index ``rules`` of kind ``key``; names in ``allowed`` never match."""
        self._rules: dict[str, Rule] = {}
        for rule in rules:
            for name in rule.names:
                self._rules.setdefault(squash(name), rule)
        self._unless = tuple(squash(name) for rule in rules for name in rule.unless)
        self._lengths = sorted({len(name) for name in self._rules}, reverse=True)
        self._allowed = frozenset(allowed)
        self._memo: dict[str, Rule | None] = {}

    def rule_for(self, name: str) -> Rule | None:
        """The rule whose name is the longest end of ``name``, or None."""
        try:
            return self._memo[name]
        except KeyError:
            pass
        if len(name) > _LONGEST_NAME:
            return None
        rule = None if name in self._allowed else self._search(squash(name))
        if len(self._memo) >= _MEMO_SIZE:
            self._memo.clear()
        self._memo[name] = rule
        return rule

    def _search(self, squashed: str) -> Rule | None:
        if self._unless and squashed.endswith(self._unless):
            return None
        for length in self._lengths:
            if (rule := self._rules.get(squashed[-length:])) is not None:
                return rule
        return None
