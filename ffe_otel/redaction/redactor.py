# SPDX-License-Identifier: Apache-2.0
"""The redactor: texts, values and mappings in, the same without secrets out."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.redaction.gate import make_gate
from ffe_otel.redaction.keys import KeyDetector, QueryDetector
from ffe_otel.redaction.names import NameIndex
from ffe_otel.redaction.scanners import (
    LiteralDetector,
    PemDetector,
    ShapeDetector,
    UserinfoDetector,
    lowered,
)
from ffe_otel.redaction.spans import cut, merge
from ffe_otel.redaction.values import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ffe_otel.redaction.catalogue import Catalogue, Rule
    from ffe_otel.redaction.gate import GateName
    from ffe_otel.redaction.spans import Detector

DEFAULT_LIMIT: Final = 65_536
FAILED: Final = "[redacted:failed]"
TRUNCATED: Final = "truncated"
_LOOK_AHEAD: Final = 8_192
_SHORTEST: Final = 4
_SHORTEST_LITERAL: Final = 4
_MEMO_TEXT: Final = 64
_MEMO_SIZE: Final = 8_192
_DEEPEST: Final = 24
_logger = logging.getLogger(__name__)


class Redactor:
    """Takes out of texts and values what the catalogue's rules recognise.

    Thread-safe. Nothing public raises: what cannot be redacted is replaced as a whole and
    counted in :meth:`failures`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        literals: Iterable[str] = (),
        allow_query_parameters: Iterable[str] = (),
        *,
        gate: GateName = "auto",
    ) -> None:
        """Build a redactor.

        Args:
            catalogue: the rules in force.
            literals: values to hide wherever they occur; those of fewer than 4 characters
                are left out, with a warning, because they would tear every text to pieces.
            allow_query_parameters: names of query parameters that stay as they are.
            gate: which gate decides what to look for; all of them give the same result.
        """
        allowed = frozenset(name.lower() for name in allow_query_parameters)
        self._names = NameIndex(catalogue.of_kind("key"), catalogue.allowed_keys)
        self._detectors = _detectors(catalogue, self._names, _usable(literals), allowed)
        self._gate = make_gate(self._detectors, gate)
        self._clean: set[str] = set()
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._failures: Counter[str] = Counter()

    def text(self, text: str, surface: str, limit: int | None = None) -> str:
        """Redact a text, then cut it to ``limit`` characters (64 Ki when not given)."""
        try:
            return self.strict_text(text, surface, limit)
        except Exception:  # noqa: BLE001 - fail closed, whatever it was
            self.failed(surface)
            return FAILED

    def value(self, value: object, key: str, surface: str, limit: int | None = None) -> Any:
        """Redact a value found under ``key`` (empty when there is none), nested ones too."""
        try:
            return self.strict_value(value, key, surface, limit)
        except Exception:  # noqa: BLE001 - fail closed, whatever it was
            self.failed(surface)
            return FAILED

    def mapping(
        self, mapping: Mapping[str, object], surface: str, limit: int | None = None
    ) -> dict[str, Any]:
        """Redact keys and values of a mapping."""
        try:
            return self.strict_mapping(mapping, surface, limit)
        except Exception:  # noqa: BLE001 - fail closed, whatever it was
            self.failed(surface)
            return {}

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How often which rule hid something on which surface.

        The rule ``truncated`` counts texts that were cut.
        """
        with self._lock:
            return dict(self._counts)

    def failures(self) -> Mapping[str, int]:
        """Values and records, by surface, that were replaced because redaction failed."""
        with self._lock:
            return dict(self._failures)

    def failed(self, surface: str) -> None:
        """Count a failure; for callers that use the strict methods."""
        with self._lock:
            self._failures[surface] += 1

    def strict_text(self, text: str, surface: str, limit: int | None = None) -> str:
        """:meth:`text` for callers that handle failures of a whole record themselves."""
        if len(text) < _SHORTEST or text in self._clean:
            return text if limit is None or len(text) <= limit else text[:limit]
        kept = DEFAULT_LIMIT if limit is None else limit
        # What lies beyond is dropped unread. The margin lets a secret that begins before
        # the cut be recognised by what follows it.
        window = text if len(text) <= kept else text[: kept + _LOOK_AHEAD]
        low = lowered(window)
        spans = merge(
            chain.from_iterable(d.find(window, low) for d in self._gate(low)), window
        )
        if not spans and len(text) <= kept:
            self._remember(text)
            return text
        redacted, rules = cut(window, spans, kept)
        self._count(surface, rules, truncated=len(text) > kept)
        return redacted

    def strict_value(
        self, value: object, key: str, surface: str, limit: int | None = None
    ) -> Any:
        """:meth:`value` for callers that handle failures of a whole record themselves."""
        rule = self._names.rule_for(key) if key else None
        return self._walk(value, rule, surface, limit, 0)

    def strict_mapping(
        self, mapping: Mapping[str, object], surface: str, limit: int | None = None
    ) -> dict[str, Any]:
        """:meth:`mapping` for callers that handle failures of a whole record themselves."""
        return self._walk_mapping(mapping, None, surface, limit, 0)

    def _walk(
        self, value: object, rule: Rule | None, surface: str, limit: int | None, depth: int
    ) -> Any:
        if isinstance(value, str):
            if rule is not None and is_secret(value, rule, bare=False):
                self._count(surface, [rule])
                return rule.marker
            return self.strict_text(str(value), surface, limit)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return self._number(value, rule, surface)
        if depth >= _DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(bytes(value), rule, surface, limit)
        if isinstance(value, Mapping):
            return self._walk_mapping(value, rule, surface, limit, depth)
        if isinstance(value, (Sequence, set, frozenset)):
            return self._walk_sequence(value, rule, surface, limit, depth)
        return self._walk(str(value), rule, surface, limit, depth + 1)

    def _number(self, value: float, rule: Rule | None, surface: str) -> Any:
        if rule is None or not rule.numbers:
            return value
        self._count(surface, [rule])
        return rule.marker

    def _bytes(self, value: bytes, rule: Rule | None, surface: str, limit: int | None) -> bytes:
        text = value.decode("utf-8", "surrogateescape")
        redacted = self._walk(text, rule, surface, limit, 0)
        return value if redacted == text else redacted.encode("utf-8", "surrogateescape")

    def _walk_mapping(
        self,
        mapping: Mapping[Any, object],
        rule: Rule | None,
        surface: str,
        limit: int | None,
        depth: int,
    ) -> dict[str, Any]:
        redacted: dict[str, Any] = {}
        pair = self._pair_rule(mapping)
        for key, value in mapping.items():
            name = key if isinstance(key, str) else str(key)
            own = self._names.rule_for(name) or (pair if name == "value" else None) or rule
            safe = self.strict_text(name, surface, limit)
            while safe in redacted:
                safe += "'"
            redacted[safe] = self._walk(value, own, surface, limit, depth + 1)
        return redacted

    def _pair_rule(self, mapping: Mapping[Any, object]) -> Rule | None:
        """The rule for ``value`` in ``{"name": "Authorization", "value": ...}``."""
        if "value" not in mapping:
            return None
        name = mapping.get("name", mapping.get("key"))
        return self._names.rule_for(name) if isinstance(name, str) else None

    def _walk_sequence(
        self,
        values: Sequence[object] | set[object] | frozenset[object],
        rule: Rule | None,
        surface: str,
        limit: int | None,
        depth: int,
    ) -> tuple[Any, ...] | list[Any]:
        items = list(values)
        rules = [rule] * len(items)
        # Headers come as ("X-Api-Key", "...") as well.
        if rule is None and len(items) == 2 and isinstance(items[0], (str, bytes)):
            name = items[0].decode("utf-8", "replace") if isinstance(items[0], bytes) else items[0]
            rules[1] = self._names.rule_for(name)
        redacted = [
            self._walk(item, r, surface, limit, depth + 1)
            for item, r in zip(items, rules, strict=True)
        ]
        return redacted if isinstance(values, list) else tuple(redacted)

    def _remember(self, text: str) -> None:
        if len(text) <= _MEMO_TEXT:
            if len(self._clean) >= _MEMO_SIZE:
                self._clean.clear()
            self._clean.add(text)

    def _count(self, surface: str, rules: Iterable[Rule], *, truncated: bool = False) -> None:
        with self._lock:
            for rule in rules:
                self._counts[rule.id, surface] += 1
            if truncated:
                self._counts[TRUNCATED, surface] += 1


def _usable(literals: Iterable[str]) -> list[str]:
    given = {literal for literal in literals if literal}
    usable = [literal for literal in given if len(literal) >= _SHORTEST_LITERAL]
    if len(usable) < len(given):
        _logger.warning(
            "%d configured secrets are shorter than %d characters and are not hidden; "
            "use a rule in redaction.rules_file for them",
            len(given) - len(usable),
            _SHORTEST_LITERAL,
        )
    return usable


def _detectors(
    catalogue: Catalogue, names: NameIndex, literals: Sequence[str], allowed: frozenset[str]
) -> list[Detector]:
    detectors: list[Detector] = []
    if keys := catalogue.of_kind("key"):
        detectors.append(KeyDetector(keys, names, allowed))
    if queries := catalogue.of_kind("query"):
        detectors.append(QueryDetector(queries, allowed))
    detectors.extend(ShapeDetector(rule) for rule in catalogue.of_kind("shape"))
    detectors.extend(UserinfoDetector(rule) for rule in catalogue.of_kind("userinfo"))
    detectors.extend(PemDetector(rule) for rule in catalogue.of_kind("pem"))
    if literals:
        detectors.extend(LiteralDetector(rule, literals) for rule in catalogue.of_kind("literal"))
    return detectors
