# SPDX-License-Identifier: Apache-2.0
"""From the rules of a catalogue and the configured secrets to what looks for them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.beside import BesideDetector
from ffe_otel.redaction.byte_rows import BytesDetector, KeyPairDetector
from ffe_otel.redaction.keys import KeyDetector
from ffe_otel.redaction.personal import CardDetector, EmailDetector, IbanDetector, PhoneDetector
from ffe_otel.redaction.phrases import PhraseDetector
from ffe_otel.redaction.queries import QueryDetector
from ffe_otel.redaction.scanners import (
    LiteralDetector,
    PemDetector,
    ShapeDetector,
    UserinfoDetector,
)
from ffe_otel.redaction.words import WordDetector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ffe_otel.redaction.catalogue import Catalogue, Rule
    from ffe_otel.redaction.names import NameIndex
    from ffe_otel.redaction.spans import Detector, SelfGated

_SHORTEST_LITERAL: Final = 4
_logger = logging.getLogger(__name__)
_MAKERS: Final[Mapping[str, Callable[[Rule], Detector | SelfGated]]] = {
    "beside": BesideDetector,
    "bytes": BytesDetector,
    "shape": ShapeDetector,
    "userinfo": UserinfoDetector,
    "pem": PemDetector,
    "card": CardDetector,
    "iban": IbanDetector,
    "email": EmailDetector,
    "phone": PhoneDetector,
    "phrase": PhraseDetector,
}


def make_detectors(
    catalogue: Catalogue, names: NameIndex, literals: Sequence[str], allowed: frozenset[str]
) -> list[Detector | SelfGated]:
    """Everything that looks at a text.

    Args:
        catalogue: the rules.
        names: the index of those of kind ``key``.
        literals: configured secrets.
        allowed: query parameters that stay, in lower case.
    """
    detectors: list[Detector | SelfGated] = []
    if keys := catalogue.of_kind("key"):
        detectors.append(KeyDetector(keys, names, allowed))
    if queries := catalogue.of_kind("query"):
        detectors.append(QueryDetector(queries, allowed))
    if words := catalogue.of_kind("word"):
        detectors.append(WordDetector(words, allowed))
    for kind, make in _MAKERS.items():
        detectors.extend(make(rule) for rule in catalogue.of_kind(kind))
    detectors.extend(KeyPairDetector(rule) for rule in catalogue.of_kind("bytes"))
    detectors.extend(catalogue.makers[rule.id](rule) for rule in catalogue.of_kind("detector"))
    if literals:
        detectors.extend(LiteralDetector(rule, literals) for rule in catalogue.of_kind("literal"))
    return detectors


def usable(literals: Iterable[str]) -> list[str]:
    """Configured secrets without those that are too short, which is said."""
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
