# SPDX-License-Identifier: Apache-2.0
"""Names that say nothing by themselves, and a credential where another one stands beside them.

A ``key`` is mostly one of a mapping; in ``{"KEY": ..., "SIGN": ...}`` it is an exchange's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.names import squash
from ffe_otel.redaction.spans import Span, paced, positions
from ffe_otel.redaction.values import is_secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ffe_otel.redaction.catalogue import Rule

_NEAR: Final = 256
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
            r"(?P<value>(?(quote)[^\"'\\\n]{1,256}|[^\s\"',;&(){}\[\]\\]{1,256}))"
        )

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the values (see :class:`Detector`)."""
        for anchor in self.anchors:
            done = 0
            for position in positions(low, anchor):
                end = position + len(anchor)
                if position < done or (anchor[-1].isalpha() and not _ENDED.match(text, end)):
                    continue
                start, done = max(0, done, position - _NEAR), end + _NEAR
                found = list(paced(self._value.finditer(text, start, done), low))
                several = len({match["name"].lower() for match in found}) > 1
                for match in found:
                    # The name itself, `sig`, may be what others stand beside.
                    apart = several or not match.start() <= position < match.end()
                    if apart and self._is_secret(match):
                        yield Span(*match.span("value"), self._rule)

    def _is_secret(self, match: re.Match[str]) -> bool:
        value = match["value"]
        return "\0" not in value and is_secret(value, self._rule, bare=match["quote"] is None)


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
