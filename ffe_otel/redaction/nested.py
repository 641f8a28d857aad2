# SPDX-License-Identifier: Apache-2.0
"""Redaction of values that hold other values."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.redaction.byte_rows import FEWEST, are_bytes
from ffe_otel.redaction.values import MARKER, counts_something, is_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ffe_otel.redaction.beside import Companions
    from ffe_otel.redaction.catalogue import Rule
    from ffe_otel.redaction.names import NameIndex

LONGEST_KNOWN: Final = 64
"""Characters of the texts and names that are remembered."""
# What it holds depends on the name beside it.
_PAIRED: Final = "value"
# Names of what has to be looked at together with what stands beside it.
_TOGETHER: Final = frozenset({_PAIRED, "args", "params", "param"})
_VERBS: Final = ("op", "method", "event", "action", "type", "cmd")
_MOST_KEYS: Final = 4_096
_DEEPEST: Final = 24
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_FEWEST_WORDS, _MOST_WORDS, _LONGEST_WORD = 12, 64, 12
_MOST_ARGUMENTS: Final = 8
_NUMBERING: Final = " 0123456789.):-"


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk through a value: what a redactor lends it, and where the value was found.

    ``rule`` in the methods is that of the name the value stands under, or None; values
    nested in it inherit it.

    Attributes:
        text: redacts a text, and makes it fit for every output.
        raw: only redacts it.
        keys: rules of the names that were seen before and stay as they are.
        dull: those of them that have no rule.
        clean: short texts that were seen before and stay as they are.
        screened: texts of the same batch that stay as they are.
    """

    text: Callable[[str, str, int | None], str]
    raw: Callable[[str, str, int | None], str]
    names: NameIndex
    companions: Companions
    count: Callable[[str, Rule], None]
    stays: Callable[[str], bool]
    surface: str
    limit: int | None
    keys: dict[str, Rule | None]
    dull: set[str]
    clean: Collection[str]
    screened: Collection[str]

    def value(self, value: object, rule: Rule | None, depth: int) -> Any:
        """Redact any value.

        Raises:
            ValueError: it is nested too deeply, perhaps in itself.
        """
        if isinstance(value, str):
            return self._string(str(value), rule)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return self._hidden(rule) if rule is not None and rule.numbers else value
        if depth >= _DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(bytes(value), rule)
        return self._container(value, rule, depth)

    def mapping(
        self,
        mapping: Mapping[Any, object],
        rule: Rule | None,
        depth: int,
        exempt: Collection[str] = (),
    ) -> dict[str, Any]:
        """Redact keys and values of a mapping; values of the keys ``exempt`` stay."""
        is_dull = rule is None and self.dull.issuperset(mapping)
        hidden: Mapping[Any, object] = {}
        if not is_dull or len(mapping) >= _FEWEST_WORDS:
            hidden = self._hidden_together(mapping, rule)
        if is_dull and not hidden:
            # The SDK's mappings iterate in Python, but copy in C.
            copied: dict[str, Any] = mapping.copy() if hasattr(mapping, "copy") else dict(mapping)
            if self._all_clean(copied):
                return copied
        redacted: dict[str, Any] = {}
        pair = self._pair_rule(mapping)
        beside = {} if is_dull else self.companions.among(mapping)
        keys, clean, screened = self.keys, self.clean, self.screened
        for key, value in mapping.items():
            if key in exempt:
                redacted[key] = value
                continue
            # Not `in` first: another thread may clear what is remembered.
            try:
                safe, own = key, keys[key]
            except KeyError:
                safe, own = self._key(key)
            while safe in redacted:
                safe += "'"
            if hidden and key in hidden:
                redacted[safe] = hidden[key]
                continue
            own = (beside and beside.get(key)) or own or (pair if key == _PAIRED else None) or rule
            if own is None and (
                type(value) in _PLAIN
                or (
                    type(value) is str
                    and (value in clean or value in screened or _is_count(key, value))
                )
            ):
                redacted[safe] = value
            else:
                redacted[safe] = self.value(value, own, depth + 1)
        return redacted

    def _all_clean(self, values: Mapping[str, object]) -> bool:
        """Whether no value of a mapping has to be looked at."""
        for value in values.values():
            kind = type(value)
            if kind is str:
                if value not in self.screened and value not in self.clean:
                    return False
            elif kind not in _PLAIN:
                return False
        return True

    def _key(self, key: object) -> tuple[str, Rule | None]:
        """A key without secrets, and the rule of the name that it is."""
        name = key if isinstance(key, str) else str(key)
        rule, safe = self.names.rule_for(name), self.text(name, self.surface, self.limit)
        if type(key) is str and key == safe and len(key) <= LONGEST_KNOWN:
            if len(self.keys) >= _MOST_KEYS:
                self.dull.clear()
                self.keys.clear()
            self.keys[key] = rule
            if rule is None and key not in _TOGETHER and key not in self.companions.names:
                self.dull.add(key)
        return safe, rule

    def _container(self, value: object, rule: Rule | None, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self.mapping(value, rule, depth)
        if isinstance(value, (Sequence, set, frozenset)):
            items = self._items(value, rule, depth)
            return items if isinstance(value, list) else tuple(items)
        return self.value(str(value), rule, depth + 1)

    def _string(self, value: str, rule: Rule | None, *, raw: bool = False) -> str:
        if rule is not None and is_secret(value, rule, bare=False) and not self.stays(value):
            return self._hidden(rule)
        redacted = (self.raw if raw else self.text)(value, self.surface, self.limit)
        # With a marker in it the value may look like a credential that it did not look like.
        if rule is not None and redacted != value and is_secret(redacted, rule, bare=False):
            return self._hidden(rule)
        return redacted

    def _hidden(self, rule: Rule) -> str:
        self.count(self.surface, rule)
        return rule.marker

    def _bytes(self, value: bytes, rule: Rule | None) -> bytes:
        text = value.decode("utf-8", "surrogateescape")
        # Raw bytes are no word that a name could be followed by.
        is_raw = rule is not None and not text.isprintable() and len(value) >= FEWEST
        redacted = (
            self._hidden(rule)
            if rule is not None and is_raw
            else self._string(text, rule, raw=True)
        )
        return value if redacted == text else redacted.encode("utf-8", "surrogateescape")

    def _pair_rule(self, mapping: Mapping[Any, object]) -> Rule | None:
        """The rule for ``value`` in ``{"name": "Authorization", "value": ...}``."""
        if _PAIRED not in mapping:
            return None
        name = mapping.get("name", mapping.get("key"))
        return self.names.rule_for(name) if isinstance(name, str) else None

    def _hidden_together(
        self, mapping: Mapping[Any, object], rule: Rule | None
    ) -> Mapping[Any, object]:
        """What stands in place of values that are a secret only together, by their keys."""
        kinds = [*map(type, mapping.values())]
        if kinds.count(str) >= _FEWEST_WORDS or kinds.count(int) >= FEWEST:
            # Words of a phrase that are numbered, bytes of a key.
            parts = {k: v for k, v in mapping.items() if _is_part(v)}
            if rule is not None and are_bytes([*parts.values()]):
                return dict.fromkeys(parts, self._hidden(rule))
            if text := self._together([*parts.values()]):
                return dict.fromkeys(parts, text)
        if _TOGETHER.isdisjoint(mapping):
            return {}
        verb = next((v for v in _VERBS if isinstance(mapping.get(v), str)), None)
        name = next((n for n in ("args", "params", "param") if n in mapping), None)
        if verb is None or name is None or not _is_short(arguments := mapping[name]):
            return {}
        # `{"op": "auth", "args": [key, time, signature]}`: its first word says what the list is.
        text = json.dumps({verb: mapping[verb], name: arguments})
        redacted = self.text(text, self.surface, None)
        marker = MARKER.search(redacted) if redacted != text else None
        return {name: [marker[0]]} if marker else {}

    def _together(self, items: Sequence[object]) -> str:
        """The redacted text of a secret that was split into words or bytes; empty if it is none."""
        if are_bytes(items):
            text = str(list(items))
        elif _FEWEST_WORDS <= len(items) <= _MOST_WORDS and all(
            isinstance(item, str) and _is_part(item) for item in items
        ):
            text = " ".join(item.strip(_NUMBERING) for item in items if isinstance(item, str))
        else:
            return ""
        redacted = self.text(text, self.surface, self.limit)
        if redacted == text:
            return ""
        marker = MARKER.search(redacted)
        return marker[0] if marker else redacted

    def _items(self, values: Iterable[object], rule: Rule | None, depth: int) -> list[Any]:
        items = list(values)
        if rule is not None and are_bytes(items):
            return [self._hidden(rule)]
        if text := self._together(items):
            return [text]
        rules = [rule] * len(items)
        # Headers come as ("X-Api-Key", "...") as well.
        if rule is None and len(items) == 2 and isinstance(items[0], (str, bytes)):
            name = items[0].decode("utf-8", "replace") if isinstance(items[0], bytes) else items[0]
            rules[1] = self.names.rule_for(name)
        elif rule is None and (beside := self._beside_in_pairs(items)):
            return [
                type(pair)((pair[0], self.value(pair[1], beside[pair[0]], depth + 1)))
                if isinstance(pair, (tuple, list)) and pair[0] in beside
                else self.value(pair, None, depth + 1)
                for pair in items
            ]
        return [self.value(i, r, depth + 1) for i, r in zip(items, rules, strict=True)]

    def _beside_in_pairs(self, items: Sequence[object]) -> Mapping[object, Rule]:
        """What :class:`Companions` say of headers that come as a list of pairs."""
        names = [i[0] for i in items if isinstance(i, (tuple, list)) and len(i) == 2]
        if len(names) < len(items) or not all(isinstance(name, str) for name in names):
            return {}
        return self.companions.among(names)


def _is_short(arguments: object) -> bool:
    return (
        isinstance(arguments, (list, tuple))
        and len(arguments) <= _MOST_ARGUMENTS
        and all(isinstance(one, (str, int, float)) for one in arguments)
    )


def _is_part(value: object) -> bool:
    """Whether a value may be a word of a wallet phrase, or a byte of a key."""
    if type(value) is str:
        return len(value) <= _LONGEST_WORD + 4 and value.strip(_NUMBERING).isalpha()
    return type(value) is int and 0 <= value <= 255


def _is_count(key: object, value: str) -> bool:
    return value.isdigit() and counts_something(str(key))
