# SPDX-License-Identifier: Apache-2.0
"""The further tests a match has to pass; ``check`` in the catalogue names one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.values import CLASSES, STAMP, UUID, is_opaque, is_random

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS: Final = re.compile(r"[A-Za-z]{1,20}(?:[_.-][A-Za-z]{1,20}){0,8}[_.-]?[0-9]{0,12}")
_PREFIX: Final = re.compile(
    r"([a-z]{2,8}_(?:live|test|prod|dev|pat|key|v[0-9])|[a-z]{3,8}[_-][a-z0-9]{1,8})"
    r"_([0-9A-Za-z]{20,512})|([a-z]{3,8}-[a-z]{2,6}|key|token|secret|pat|api)-([0-9A-Za-z]{20,512})"
    # One in a thousand of the opaque words of others, cursors for example, begins like this.
    r"|([a-z]{3,8})_([0-9A-Za-z]{30,512})"
)
_SIGN: Final = re.compile(r"((?:[A-Za-z]{2,10}[0-9]{0,2}[_-]){1,3})([0-9A-Za-z_-]{20,512})")
# Prefixes of ids: of LLM calls, payments, and of everything that has a number of its own.
_ID_PREFIXES: Final = frozenset(
    {"id", "ids", "call", "resp", "thread", "asst", "req", "request", "run", "msg", "message",
     "ord", "client", "clord", "clordid",
     "toolu", "step", "file", "batch", "job", "task", "order", "trade", "trace", "span", "uuid",
     "guid", "tx", "txn", "txid", "pos", "fill", "evt", "event", "cus", "pi", "ch", "in", "sub",
     "prod", "price", "acct", "decision", "cycle", "commit", "ref", "rev", "node", "pod",
     "container", "image", "cmpl", "chatcmpl", "gen", "hash", "sha", "sha1", "sha256", "sha512",
     "md5", "crc", "digest", "etag", "checksum", "blob", "object", "snapshot", "session", "conv",
     "chat", "item", "vs", "ft", "lot", "leg", "signal", "position", "portfolio", "agent",
     "worker", "proc", "host", "test", "tmp", "temp", "data", "model", "dataset", "corr",
     "correlation", "cid", "oid", "rid", "tid", "sid", "wf", "flow", "exec", "execution", "build",
     "release", "docker", "layer"}
)  # fmt: skip
_FEWEST_WORDS: Final = 8
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


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


def is_mixed(value: str) -> bool:
    """Say whether a value has capitals and digits in disorder, as hashes and words do not."""
    if not any(map(str.isdigit, value)) or not any(map(str.isupper, value)):
        return False
    ordered = any(map(str.islower, value)) and len(CLASSES.findall(value)) * 3 <= len(value)
    return not ordered and not STAMP.search(value)


def is_token_path(value: str) -> bool:
    """Say whether a part of a path is a token, not a name or a version."""
    return any(
        UUID.fullmatch(part)
        or is_random(part)
        or (len(part) >= 10 and is_opaque(part) and not _WORDS.fullmatch(part))
        for part in re.split(r"[/@]", value)
    )


def has_prefix(word: str) -> bool:
    """Say whether a word is a sign of some vendor and something generated behind it."""
    match = _PREFIX.fullmatch(word)
    if match is None:
        return False
    prefix, word = filter(None, match.groups())
    if not is_random(word):
        return False
    parts = re.split("[_-]", prefix)
    return not any(part in _ID_PREFIXES for part in parts)


def has_sign(word: str) -> bool:
    """Say whether signs of any kind stand in front of something generated."""
    match = _SIGN.fullmatch(word)
    if match is None or not (is_random(match[2]) or is_mixed(match[2])):
        return False
    parts = re.split("[_-]", match[1].lower())
    return not any(part in _ID_PREFIXES or len(part) > 12 for part in parts)


def are_arguments(value: str) -> bool:
    """Say whether the first of some quoted arguments looks generated."""
    first = value[1:].partition(value[0])[0]
    return is_random(first) or UUID.fullmatch(first) is not None


def is_key(value: str) -> bool:
    """Say whether what a key is made from may be one: generated, raw bytes, or words."""
    words = value.split()
    if len(words) >= _FEWEST_WORDS:
        return all(map(str.isalpha, words))
    return r"\x" in value or (len(value) >= 16 and is_opaque(value))


def is_wif(word: str) -> bool:
    """Say whether a word is base58 with the checksum of Bitcoin."""
    number = 0
    for character in word:
        value = _BASE58.find(character)
        if value < 0:
            return False
        number = number * 58 + value
    raw = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "": lambda _: True,
    "opaque": is_opaque,
    "random": is_random,
    "mixed": is_mixed,
    "basic": is_basic,
    "jwt": is_jwt,
    "path": is_token_path,
    "prefix": has_prefix,
    "sign": has_sign,
    "wif": is_wif,
    "key": is_key,
    "arguments": are_arguments,
    "not-number": lambda value: not value.isdigit(),
    "remote": lambda value: not value.startswith(("127.", "0.")),
}
