# SPDX-License-Identifier: Apache-2.0
"""The configuration as rows for people: value, where it came from, what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ffe_otel.config.schema import Key, keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.config.loader import LoadedConfig
    from ffe_otel.config.problems import Origin

MASK = "****"
NO_EFFECT = "no effect yet"
ONLY_SKELETONS = "redaction: only skeletons go out: ids, times, names of ours and statuses"
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s]*):[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row.

    Attributes:
        value: the value in YAML's notation; a secret that is set shows as ``****``.
        origin: where the value came from.
        help: one line about the key.
        unused: it is accepted and has no effect yet.
    """

    key: str
    value: str
    origin: Origin
    help: str
    unused: bool = False


def describe(loaded: LoadedConfig) -> list[Setting]:
    """Every key of the model in its order."""
    return [
        Setting(
            name, _shown(key, _lookup(loaded, name)), loaded.origins[name], key.help, key.unused
        )
        for name, key in keys().items()
    ]


def without_effect(loaded: LoadedConfig) -> list[Setting]:
    """What somebody has set although nothing reads it yet."""
    return [row for row in describe(loaded) if row.unused and row.origin.source != "default"]


def _lookup(loaded: LoadedConfig, name: str) -> Any:
    value: Any = loaded.config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _shown(key: Key, value: Any) -> str:
    if key.secret:
        # A default is no secret, and "is it set at all" is what one wants to see.
        if not value:
            return '""' if key.kind == "text" else _plain(value)
        return _plain(value) if value == key.default else MASK
    return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case bool():
            text = "true" if value else "false"
        case float():
            text = f"{value:g}"
        case str():
            text = _URL_PASSWORD.sub(rf"\1:{MASK}@", value) or '""'
        case dict():
            text = _braces(value)
        case tuple():
            text = "[" + ", ".join(_plain(item) for item in value) + "]"
        case int():
            text = str(value)
        case _:
            text = _braces({name: getattr(value, name) for name in value.__slots__})
    return text


def _braces(pairs: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {_plain(item)}" for name, item in pairs.items()) + "}"
