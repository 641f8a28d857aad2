# SPDX-License-Identifier: Apache-2.0
"""Which secret goes where: every kind into every surface, each secret once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from canary_kind import Kind, Secret

# Surfaces that hold a key and a value, and surfaces that hold a text.
FIELDS = (
    "span_attribute", "span_list", "span_bytes", "span_nested", "span_json", "event_attribute",
    "link", "scope_attribute", "resource", "baggage", "log_args", "log_extra", "log_nested",
    "metric_label", "exemplar", "url", "header",
)  # fmt: skip
TEXTS = (
    "span_name", "span_attribute_key", "span_text", "event_name", "exception", "stack", "status",
    "scope_name", "log_body", "log_exception", "metric_text", "subprocess_output", "prompt",
    "completion", "risk_reason", "url_error", "correlation_id", "logger_name", "log_key",
)  # fmt: skip
SURFACES = FIELDS + TEXTS


@dataclass(frozen=True, slots=True)
class Row:
    """One secret in one surface. ``mark`` finds the row again in what came out."""

    mark: str
    kind: str
    surface: str
    secret: Secret
    key: str = ""
    value: str = ""
    text: str = ""

    def order(self) -> dict[str, Any]:
        """What the program is told: everything but which part of it is the secret."""
        return {name: value for name, value in asdict(self).items() if name != "secret"}


def plan(kinds: Iterable[Kind], each: int, seed: str) -> Iterator[Row]:
    """Plant ``each`` secrets of every kind in every surface."""
    seen: set[str] = set()
    number = 0
    for kind in kinds:
        for surface in SURFACES:
            for turn in range(each):
                number += 1
                rng = Random(f"{seed}/{kind.name}/{surface}/{turn}")
                secret = kind.make(rng)
                while secret.text in seen:
                    secret = kind.make(rng)
                seen.add(secret.text)
                yield _row(f"{seed}-{number:05d}z", kind, surface, secret, rng)


def _row(mark: str, kind: Kind, surface: str, secret: Secret, rng: Random) -> Row:
    row = {"mark": mark, "kind": kind.name, "surface": surface, "secret": secret}
    if surface in FIELDS:
        key, value = rng.choice(kind.fields)
        return Row(**row, key=key, value=value.replace("{}", secret.text))
    return Row(**row, text=rng.choice(kind.texts).replace("{}", secret.text))
