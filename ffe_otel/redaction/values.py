# SPDX-License-Identifier: Apache-2.0
"""Is this value, found under a telling name, worth hiding?

Names promise more than they keep: ``api_key=None``, ``password: ********``, ``token=BTC``,
``def login(password: str)``. What carries no secret stays, so that people can still see
that a key was missing.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.redaction.catalogue import Rule

MARKER: Final = re.compile(r"\[redacted:[a-z][a-z0-9-]{1,39}\]")
_EMPTY: Final = frozenset(
    {"", "none", "null", "nil", "true", "false", "undefined", "nan", "n/a", "na"}
)
# Words that stand behind a name and a colon in prose and in source lines of a traceback.
_PROSE: Final = frozenset(
    {"not", "is", "was", "has", "must", "missing", "required", "invalid", "valid", "expired",
     "wrong", "incorrect", "empty", "unset", "set", "found", "unknown", "configured", "loaded",
     "ok", "yes", "no", "and", "or", "from", "for", "to", "in", "on", "the", "a", "an", "rejected",
     "accepted", "changed", "updated", "failed", "disabled", "enabled", "default", "redacted",
     "hidden", "masked", "present", "absent", "optional", "str", "int", "bytes", "bool", "float",
     "dict", "list", "any", "object", "optional[str]", "secretstr", "string"}
)  # fmt: skip
_MASK: Final = re.compile(r"[*•.xX#_\-]{2,64}")
_PLACEHOLDER: Final = re.compile(
    r"\$\{?[A-Za-z_][A-Za-z0-9_]{0,63}\}?|%(?:\([a-z_]{1,40}\))?[srd]|\{[a-z_.!:]{0,40}\}"
    r"|<[A-Za-z][A-Za-z _-]{0,40}>|\[?(?:REDACTED|redacted|MASKED|masked|HIDDEN|hidden)\]?"
)
_WORD_BREAK: Final = re.compile(r"[-_.]")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]{1,20})?%?")
_TICKER: Final = re.compile(r"[A-Z][A-Z0-9]{1,5}(?:[/_\-.:][A-Z0-9]{2,6})?")
# `self.token`, `get_token()`: source code, not a value.
_CODE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:\.[A-Za-z0-9_]{1,63}){0,8}")
_NAME: Final = re.compile(r"[A-Za-z]{1,20}(?:[_-][A-Za-z]{1,20}){1,8}")


def is_secret(value: str, rule: Rule, *, bare: bool) -> bool:
    """Decide on a value found under a name of ``rule``.

    Args:
        value: the value, without its quotes.
        rule: the rule of the name; says how far to trust the name, and whether plain
            numbers count.
        bare: the value stood without quotes in a text, so it may be prose or source code.
    """
    if value.lower() in _EMPTY or MARKER.fullmatch(value):
        return False
    if len(value) < 4 and not any(map(str.isalnum, value)):
        return False
    if _MASK.fullmatch(value) or _PLACEHOLDER.fullmatch(value):
        return False
    if _NUMBER.fullmatch(value):
        return rule.numbers or (rule.values == "any" and len(value) >= 8)
    if bare and value.lower().rstrip(".!:") in _PROSE:
        return False
    return rule.values == "any" or is_opaque(value)


def is_code(value: str, following: str, name: str, rule_for: Callable[[str], object]) -> bool:
    """Tell source code (``self.api_key``, ``load_token(``) from a bare value.

    Args:
        value: the bare value.
        following: the character behind it.
        name: the name in front of it.
        rule_for: gives the rule of a text that is itself a secret's name, or None.
    """
    match = _CODE.match(value)
    if match is None:
        return False
    head, behind = match[0], (value[match.end() :] + following)[:1]
    if behind and behind in "([":
        return head == name or "_" in head or "." in head or head.lower() in _PROSE
    if match.end() < len(value):
        return False
    return name.endswith(value) or ("." in value and rule_for(value) is not None)


def is_name_list(value: str, is_name: Callable[[str], object]) -> bool:
    """Say whether a quoted value is itself the name of a secret (``'api_secret'``)."""
    return _NAME.fullmatch(value) is not None and bool(is_name(value))


def is_opaque(value: str) -> bool:
    """Say whether a value looks like a credential and not like a word, number or ticker."""
    if len(value) < 6 or "\0" in value or any(map(str.isspace, value)):
        return False
    if _TICKER.fullmatch(value) or _NUMBER.fullmatch(value):
        return False
    letters = any(map(str.isalpha, value))
    if letters and any(map(str.isdigit, value)):
        return True
    if len(value) >= 16:
        pieces = _WORD_BREAK.split(value)
        return not all(map(str.isalpha, filter(None, pieces))) or max(map(len, pieces)) >= 16
    return letters and not (value.islower() or value.isupper() or value.istitle())


def is_basic(value: str) -> bool:
    """Say whether a value is base64 of ``user:password``."""
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and decoded.isascii() and decoded.decode("ascii").isprintable()


def is_jwt(value: str) -> bool:
    """Say whether base64 text beginning with ``eyJ`` has a second part."""
    head, dot, tail = value.partition(".")
    return bool(head and dot and len(tail) >= 2)


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "": lambda _: True,
    "opaque": is_opaque,
    "basic": is_basic,
    "jwt": is_jwt,
}
