# SPDX-License-Identifier: Apache-2.0
"""What a kind of secret is, and the alphabets that the tables of kinds make secrets from.

Nothing here is or was a credential: every value is drawn from a seeded generator.
"""

from __future__ import annotations

import base64
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

HEX = "0123456789abcdef"
DIGITS = string.digits
UPPER = string.ascii_uppercase
LETTERS = string.ascii_letters
ALNUM = string.ascii_letters + string.digits
UPPER_ALNUM = UPPER + DIGITS
LOWER_ALNUM = string.ascii_lowercase + DIGITS
BASE32 = UPPER + "234567"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE64 = ALNUM + "+/"
URLSAFE = ALNUM + "-_"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


@dataclass(frozen=True, slots=True)
class Secret:
    """One made-up secret: its text as it is written, and the parts of it that nobody may learn.

    A prefix that all secrets of a kind share ("sk-ant-") is public and is no hidden part.
    """

    text: str
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of secret and the contexts in which it occurs; ``{}`` is where the secret stands.

    ``fields`` are pairs of key and value (an attribute, a header, a setting), ``texts`` are
    sentences, URLs, commands and file lines. A secret without a shape of its own stands in
    telling contexts only: without one nothing and nobody could recognise it.
    """

    name: str
    make: Callable[[Random], Secret]
    fields: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]


def draw(rng: Random, alphabet: str, length: int) -> str:
    """Draw a text in which letters and digits both occur if the alphabet has both."""
    while True:
        text = "".join(rng.choices(alphabet, k=length))
        mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
        if mixed or length < 8 or alphabet in {DIGITS, UPPER, LETTERS}:
            return text


def random(alphabet: str, *lengths: int, prefix: str = "", suffix: str = "") -> Callable:
    """Make secrets of one of these lengths; prefix and suffix are public."""

    def make(rng: Random) -> Secret:
        body = draw(rng, alphabet, rng.choice(lengths))
        return Secret(prefix + body + suffix, (body,))

    return make


def parts(pattern: str, *drawn: tuple[str, int]) -> Callable:
    """Make secrets of several hidden parts, each standing for one ``{}`` of the pattern."""

    def make(rng: Random) -> Secret:
        hidden = tuple(draw(rng, alphabet, length) for alphabet, length in drawn)
        text = pattern
        for part in hidden:
            text = text.replace("{}", part, 1)
        return Secret(text, hidden)

    return make


def one_of(*makers: Callable) -> Callable:
    """Make a secret by any of these makers."""
    return lambda rng: rng.choice(makers)(rng)


_WORDS = (
    "amber anchor badger barrel bishop bramble candle canyon carbon cedar cobalt copper coral "
    "cricket dragon ember falcon fennel garnet ginger glacier hazel hornet indigo jasper juniper "
    "kestrel lantern lemon linden magnet maple marble meadow mercury nickel nutmeg onyx orchid "
    "otter pepper pigeon poplar quartz raven saddle saffron salmon sparrow spruce sulfur thistle "
    "timber topaz tulip velvet walnut willow zephyr zinc"
)


def password(rng: Random) -> Secret:
    """Make a password as people choose and managers generate them, safe within a URL."""
    style = rng.randrange(3)
    words = _WORDS.split()
    if style == 0:
        text = draw(rng, ALNUM, rng.randint(12, 24))
    elif style == 1:
        text = rng.choice(words).title() + rng.choice(words).title() + draw(rng, DIGITS, 4) + "!"
    else:
        text = draw(rng, ALNUM, 6) + rng.choice("-_.~$*") + draw(rng, ALNUM, rng.randint(6, 14))
    return Secret(text, (text,))


def base64_of(rng: Random, size: int) -> str:
    """Base64 of random bytes, with its padding."""
    return base64.b64encode(rng.randbytes(size)).decode()


def base64_bytes(*sizes: int) -> Callable:
    """Make secrets that are the base64 of random bytes."""

    def make(rng: Random) -> Secret:
        text = base64_of(rng, rng.choice(sizes))
        return Secret(text, (text.rstrip("="),))

    return make


def pem(label: str, *sizes: int, newline: str = "\n", headers: str = "") -> Callable:
    """Make PEM or PGP blocks; the lines of the body are hidden."""

    def make(rng: Random) -> Secret:
        body = base64_of(rng, rng.choice(sizes))
        lines = tuple(body[at : at + 64] for at in range(0, len(body), 64))
        start, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
        text = newline.join((start, *headers.splitlines(), *lines, end))
        return Secret(text, tuple(line.rstrip("=") for line in lines if len(line) > 16))

    return make


def uuid(rng: Random) -> str:
    """A version 4 UUID."""
    digits = draw(rng, HEX, 30)
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-{rng.choice('89ab')}{digits[15:18]}"
        f"-{digits[18:30]}"
    )


def uuids(rng: Random) -> Secret:
    """Make a secret that is a UUID."""
    text = uuid(rng)
    return Secret(text, (text,))


def luhn(digits: str) -> int:
    """The digit that makes these digits a number with Luhn's check digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10
