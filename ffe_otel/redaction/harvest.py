# SPDX-License-Identifier: Apache-2.0
"""Secrets that the process's environment and configuration name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ffe_otel.redaction.catalogue import load_catalogue
from ffe_otel.redaction.names import NameIndex
from ffe_otel.redaction.values import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST: Final = 24
_SHORTEST: Final = 8
_SHORTEST_WORD: Final = 12
_NOT_SECRET_ENDS: Final = (
    "url", "host", "hostname", "port", "env", "environment", "mode", "type", "name", "user",
    "region", "platform", "account_type", "version", "scope",
)  # fmt: skip
_NOT_SECRET: Final = frozenset({"PWD", "OLDPWD"})


def harvest_literals(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Collect the values of variables whose names look secret.

    Also taken: passwords in URLs of any variable, and secret entries of variables that end
    with ``HEADERS`` (``OTEL_EXPORTER_OTLP_HEADERS``). Values of fewer than 8 characters,
    plain numbers and plain words are left alone: they would be found all over the place.

    Args:
        environ: the environment, usually ``os.environ``.

    Returns:
        The values, sorted.
    """
    names = NameIndex(load_catalogue().of_kind("key"))
    found = {value for name, text in environ.items() for value in _values(name, text, names)}
    return tuple(sorted(value for value in found if _is_distinctive(value)))


def harvest_settings(settings: Mapping[str, object]) -> tuple[str, ...]:
    """Collect the values under names that look secret in a nested configuration.

    Args:
        settings: mappings and lists as configuration files have them, the engine's or ours.

    Returns:
        The values, sorted; chosen as :func:`harvest_literals` does.
    """
    names = NameIndex(load_catalogue().of_kind("key"))
    found = {
        value
        for name, text in _leaves("", settings, names, _DEEPEST)
        for value in _values(name, text, names)
    }
    return tuple(sorted(value for value in found if _is_distinctive(value)))


def _leaves(name: str, value: object, names: NameIndex, depth: int) -> Iterator[tuple[str, str]]:
    """Names and texts; what stands in a container has its name, unless it has a telling one."""
    if isinstance(value, str):
        yield name, value
    elif depth and isinstance(value, Mapping):
        for key, inner in value.items():
            own = str(key)
            inherits = names.rule_for(own) is None and names.rule_for(name) is not None
            # Beside key and secret, the credentials of a platform say where and as whom.
            if not inherits or own.lower().endswith(_NOT_SECRET_ENDS):
                yield from _leaves(own, inner, names, depth - 1)
            else:
                yield from _leaves(name, inner, names, depth - 1)
    elif depth and isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _leaves(name, inner, names, depth - 1)


def _values(name: str, text: str, names: NameIndex) -> Iterator[str]:
    rule = None if name in _NOT_SECRET else names.rule_for(name)
    # Of a URL only the password is one: as a whole it would be found all over the place.
    if rule is not None and "://" not in text:
        # What a process is given as TOKEN is a credential, however it looks.
        trusted = rule if rule.words else replace(rule, values="any")
        if is_secret(text, trusted, bare=False):
            yield text
            if rule.extent == "scheme":
                yield text.rpartition(" ")[2]
    if name.upper().endswith("HEADERS"):
        for entry in text.split(","):
            key, _, value = entry.partition("=")
            if value and names.rule_for(key.strip()) is not None:
                yield unquote(value.strip())
                yield unquote(value.strip()).rpartition(" ")[2]
    if "://" in text:
        try:
            password = urlsplit(text).password
        except ValueError:
            return
        if password:
            yield unquote(password)


def _is_distinctive(value: str) -> bool:
    if len(value) < _SHORTEST or value.replace(".", "").isdigit():
        return False
    return (
        not value.isalpha()
        or len(value) >= _SHORTEST_WORD
        or not (value.islower() or value.isupper() or value.istitle())
    )
