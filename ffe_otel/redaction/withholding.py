# SPDX-License-Identifier: Apache-2.0
"""The redactor for when nobody knows what is to be hidden: only words of ours pass.

What is left of a record is its skeleton: ids and times in the fields that are for them, names
that this project gave, and the words that it uses as values.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.redaction.redactor import Redactor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

WITHHELD: Final = "[redacted:withheld]"
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "TRACE", "WARN", "FATAL")
_OF_OTEL: Final = (
    "telemetry.distro.name", "telemetry.sdk.name", "telemetry.sdk.language", "opentelemetry",
    "python", "service.name", "service.instance.id", "deployment.environment.name",
    "traces", "metrics", "logs",
)  # fmt: skip
_STATUSES: Final = (
    "executed", "rejected", "approved", "no_trade", "failed", "stopped", "cancelled", "aborted",
    "success", "failure", "timeout", "hit", "miss", "used", "free", "available", "user", "system",
    "read", "write", "input", "output",
)  # fmt: skip
_INSTANCE: Final = "service.instance.id"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MESSAGE: Final = "message"
# Amounts are what the class of financial data is about, and no word shows them to be harmless.
_MONEY: Final = ("pnl", "portfolio", "trade", "cost")


class WithholdingRedactor(Redactor):
    """Lets through what cannot be anybody's secret, and nothing else."""

    withholds = True

    def _redacted(self, text: str, surface: str, limit: int | None = None) -> str:
        """A word of ours, or what says that there was another text."""
        del surface, limit
        return text if text in words() and text not in self._literals else WITHHELD

    def strict_value(self, value: object, key: str, surface: str, limit: int | None = None) -> Any:
        """A word of ours, a truth value, or what says that there was another value."""
        del key
        if value is None or isinstance(value, bool):
            return value
        return self.strict_text(value, surface, limit) if isinstance(value, str) else WITHHELD

    def strict_mapping(
        self,
        mapping: Mapping[str, object],
        surface: str,
        limit: int | None = None,
        exempt: Collection[str] = (),
    ) -> dict[str, Any]:
        """Names of ours with values that pass; the others are left out."""
        kept: dict[str, Any] = {}
        for key, value in mapping.items():
            if key in exempt or (key == _INSTANCE and _is_uuid(value)):
                kept[key] = value
            elif key == _MESSAGE:
                kept[key] = WITHHELD
            elif key in words() and (
                found := self.strict_value(value, key, surface, limit)
            ) not in (WITHHELD, None):
                kept[key] = found
        return kept

    def wants_metric(self, name: str) -> bool:
        """Whether a metric may be shown at all: one of ours, and not about money."""
        return name in semconv.METRIC_NAMES and not any(word in name for word in _MONEY)

    @contextlib.contextmanager
    def screened(self, texts: Iterable[str]) -> Iterator[None]:
        """Nothing is looked at beforehand."""
        del texts
        yield


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


@cache
def words() -> frozenset[str]:
    """Every name and word of the vocabulary."""
    own = {name: value for name, value in vars(semconv).items() if not name.startswith("__")}
    return frozenset(("", *_texts(own.values()), *_LEVELS, *_OF_OTEL, *_STATUSES, *_phases()))


def _phases() -> Iterator[str]:
    return (f"{semconv.SPAN_PHASE_PREFIX}{phase}" for phase in semconv.PHASES)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts((*value.keys(), *value.values()))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _texts([getattr(value, each.name) for each in dataclasses.fields(value)])
    elif isinstance(value, Iterable) and not isinstance(value, type):
        for each in value:
            yield from _texts(each)
