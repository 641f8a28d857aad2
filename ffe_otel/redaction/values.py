# SPDX-License-Identifier: Apache-2.0
"""Is this value, found under a telling name, worth hiding?

Names promise more than they keep: ``api_key=None``, ``password: ********``, ``token=BTC``,
``def login(password: str)``. What carries no secret stays, so that people can still see
that a key was missing.
"""

from __future__ import annotations

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
# What an example configuration says in place of a key: YOUR_API_KEY, your-token-here.
_TO_FILL_IN: Final = r"(?i:your[_-][a-z_-]{0,48}(?:key|secret|token|password|passphrase|here))"
_PLACEHOLDER: Final = re.compile(
    rf"\$\{{?[A-Za-z_][A-Za-z0-9_]{{0,63}}(?::-?(?:{_TO_FILL_IN})?)?\}}?|-?{_TO_FILL_IN}"
    r"|%(?:\([a-z_]{1,40}\))?[srd]|\{[a-z_.!:]{0,40}\}"
    r"|<[A-Za-z][A-Za-z _-]{0,40}>|\[?(?:REDACTED|redacted|MASKED|masked|HIDDEN|hidden)\]?"
)
_WORD_BREAK: Final = re.compile(r"[-_.]")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]{1,20})?%?")
_TICKER: Final = re.compile(r"[A-Z][A-Z0-9]{1,5}(?:[/_\-.:][A-Z0-9]{2,6})?")
# `self.token`, `get_token()`: source code, not a value.
_CODE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:\.[A-Za-z0-9_]{1,63}){0,8}")
# A path to a secret is no secret. Base64 that begins with a slash has capitals inside.
_PATH: Final = re.compile(r"~?(?:/\.?[A-Z]?[a-z_-]{1,24}(?:\.?[0-9a-z]{1,8}){0,2}){2,16}/?")
UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
LONGEST_RANDOM: Final = 1024
_TOKEN: Final = re.compile(r"[0-9A-Za-z_-]{32,}")
_DIGIT: Final = re.compile(r"[0-9]")
CLASSES: Final = re.compile(r"[a-z]+|[A-Z]+|[0-9]+")
STAMP: Final = re.compile(r"(?<![0-9A-Za-z])20[0-9]{2}-?[01][0-9]-?[0-3][0-9](?![0-9])")
# What may stand between a name and its number, or the first number of its list and this one.
_BETWEEN: Final = " \t\"'`([{<>,;:=#/0123456789"
_LAST_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}$")
_NAME_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_COUNTED: Final = frozenset(
    {"id", "order", "trade", "trace", "span", "ref", "reference", "nonce", "seq", "sequence",
     "time", "timestamp", "ts", "epoch", "n", "u", "nano", "micro", "milli", "tx", "txid",
     "ticket", "deal", "fill", "exec", "execution", "msg", "message", "request", "req", "client",
     "correlation", "uid", "volume", "size", "offset", "count", "counter", "byte", "total",
     "price", "qty", "quantity", "block", "height", "hash", "session", "cursor", "decision",
     "position", "leg", "batch", "row", "run", "job", "event", "version", "build", "clock", "at",
     "since", "until", "duration", "of", "transaction", "oid", "cloid", "eid", "seed"}
)  # fmt: skip
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
    if (bare and value.lower().rstrip(".!:") in _PROSE) or _PATH.fullmatch(value):
        return False
    return _TESTS[rule.values](value)


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
    if len(value) < 6 or "\0" in value or value.split() != [value]:
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


def is_random(value: str) -> bool:
    """Say whether a value looks generated: letters and digits that take turns.

    Words with a number (``ema200``), times and UUIDs do not.
    """
    if ":" in value:
        parts = (part for part in value.split(":") if _TOKEN.fullmatch(part))
        return len(value) <= LONGEST_RANDOM and any(map(is_random, parts))
    if not 16 <= len(value) <= LONGEST_RANDOM or UUID.fullmatch(value) or not value.isascii():
        return False
    if value.split() != [value] or STAMP.search(value):
        return False
    runs, length = len(CLASSES.findall(value)), len(value)
    if _DIGIT.search(value) is None:
        # Camel case has longer humps than chance.
        return length >= 20 and runs * 20 >= length * 9
    if not any(map(str.isalpha, value)):
        return False
    # In one case, letters and digits take turns less often.
    return runs > max(4, length // 6) or (value.isalnum() and runs > 2 and value.isupper())


def counts_something(head: str) -> bool:
    """Say whether the text before a number, or its key, says that it is an id or a count.

    ``order_id=``, ``"tradeId": "`` and ``Order `` do, also in front of a list.
    """
    name = _LAST_NAME.search(head.rstrip(_BETWEEN))
    if name is None:
        return False
    parts = _NAME_PARTS.findall(name[0])
    return bool(parts) and parts[-1].lower().rstrip("s") in _COUNTED


_TESTS: Final[dict[str, Callable[[str], bool]]] = {
    "any": lambda _: True,
    "opaque": is_opaque,
    "random": is_random,
    "mixed": lambda value: is_random(value) and not value.islower(),
}
