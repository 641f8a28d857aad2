# SPDX-License-Identifier: Apache-2.0
"""Detectors for what leads to a person: card and bank account numbers, e-mail, telephone.

Numbers are everywhere in the logs of a trading engine, so each of these has a test of its
own that a price, a time or an order id does not pass: a checksum, and the ranges in use.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.scanners import zeroed
from ffe_otel.redaction.spans import Span, paced, positions
from ffe_otel.redaction.values import counts_something

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.redaction.catalogue import Rule

_RUN: Final = re.compile(r"0+")
_CARD: Final = re.compile(
    r"(?<![0-9A-Za-z_.\-/+])(?:(?:[0-9]{4}[ -]){3}[0-9]{4}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5}"
    r"|[0-9]{14,16})(?![0-9A-Za-z_]|[.,:-][0-9])"
)
# Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay (ISO/IEC 7812).
_ISSUERS: Final = {
    16: re.compile(
        r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|6011|64[4-9]|65|62|35(?:2[89]|[3-8])"
    ),
    15: re.compile("3[47]"),
    14: re.compile("3(?:0[0-5]|[689])"),
}


class CardDetector:
    """Finds card numbers: the form, a known issuer and the check digit."""

    anchors: tuple[str, ...] = ()
    digit_anchors: tuple[str, ...] = (
        "00000000000000", "0000 0000 0000 0000", "0000-0000-0000-0000",
        "0000 000000 0000", "0000-000000-0000",
    )  # fmt: skip

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``card``."""
        self._rule = rule

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the numbers (see :class:`Detector`)."""
        shape = zeroed(low)
        for anchor in self.digit_anchors:
            for start in paced(_starts(shape, anchor), shape):
                match = _CARD.match(text, start)
                if match is None:
                    continue
                digits = match[0].replace(" ", "").replace("-", "")
                if not _ISSUERS[len(digits)].match(digits) or not is_luhn(digits):
                    continue
                # One number in ten passes the check; what is called an order id is one.
                if digits != match[0] or not counts_something(text[max(0, start - 64) : start]):
                    yield Span(start, match.end(), self._rule)


def _starts(shape: str, anchor: str) -> Iterator[int]:
    """Where an anchor stands, once for each run of digits."""
    done = 0
    for position in positions(shape, anchor):
        if position >= done:
            yield position
            run = _RUN.match(shape, position)
            done = run.end() if run else position + 1


def is_luhn(digits: str) -> bool:
    """Say whether the last of the digits is the check digit of ISO/IEC 7812-1 (Luhn)."""
    doubled = "0246813579"
    total = sum(int(d) for d in digits[-1::-2]) + sum(int(doubled[int(d)]) for d in digits[-2::-2])
    return total % 10 == 0


# Characters of an IBAN by country: the registry of ISO 13616.
_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT "
        "MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA",
        30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN_HEAD: Final = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?=[ ]?[0-9A-Z])")
_BEFORE: Final = 14


class IbanDetector:
    """Finds international bank account numbers by country, length and checksum."""

    anchors: tuple[str, ...] = ()
    digit_anchors: tuple[str, ...] = ("0000000000", "0000 0000 00")

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``iban``."""
        self._rule = rule

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the numbers (see :class:`Detector`)."""
        shape = zeroed(low)
        for anchor in self.digit_anchors:
            for position in paced(_starts(shape, anchor), shape):
                head = _IBAN_HEAD.search(text, max(0, position - _BEFORE), position + 5)
                end = _iban_end(text, head.start()) if head else -1
                if head and end >= 0:
                    yield Span(head.start(), end, self._rule)


def _iban_end(text: str, start: int) -> int:
    """Where the number that begins at ``start`` ends, or -1 if it is none."""
    wanted = _LENGTHS.get(text[start : start + 2], 0)
    number, position = "", start
    while len(number) < wanted and position < len(text):
        character = text[position]
        if character != " ":
            if not (character.isascii() and (character.isdigit() or character.isupper())):
                return -1
            number += character
        elif text[position - 1] == " ":
            return -1
        position += 1
    if not wanted or len(number) < wanted or text[position : position + 1].isalnum():
        return -1
    # ISO 7064: letters count from 10, and the whole is 1 modulo 97.
    rest = int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97
    return position if rest == 1 else -1


_LOCAL: Final = string.ascii_letters + string.digits + "._+-"
_DOMAIN: Final = re.compile(
    r"(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}\.){1,6}([A-Za-z]{2,24})(?![0-9A-Za-z_-]|\.[0-9A-Za-z])"
)
_AUTHORITY: Final = re.compile(r"://[^\s/\"'<>]{0,200}$")
_FILES: Final = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "py", "js", "ts", "json", "yaml", "yml", "txt", "md",
     "log", "html", "css", "csv", "service", "timer", "socket", "target", "mount"}
)  # fmt: skip


class EmailDetector:
    """Finds e-mail addresses, also URL-encoded ones."""

    anchors: tuple[str, ...] = ("@", "%40")
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``email``."""
        self._rule = rule

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the addresses (see :class:`Detector`)."""
        for anchor in self.anchors:
            for position in positions(low, anchor):
                chunk = text[max(0, position - 64) : position]
                local = chunk[len(chunk.rstrip(_LOCAL)) :].lstrip(".")
                domain = _DOMAIN.match(text, position + len(anchor)) if local else None
                if domain is None or domain[1].lower() in _FILES or local == "git":
                    continue
                start = position - len(local)
                # In front of the host of a URL it is a login; that has a rule of its own.
                if not _AUTHORITY.search(text[max(0, start - 200) : start]):
                    yield Span(start, domain.end(), self._rule)


# Country codes of ITU-T E.164.
_COUNTRY: Final = (
    r"(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-69][0-9]|3[578][0-9]"
    r"|42[0-9]|5[09][0-9]|6[7-9][0-9]|8[578][0-9]|9[679][0-9])"
)
_GROUPED: Final = r"(?:[ .-]|[ ]?\(0?|\)[ ]?)"
_PHONE: Final = re.compile(
    rf"(?<![0-9A-Za-z_+.])\+{_COUNTRY}(?:[0-9]{{8,13}}|{_GROUPED}[0-9]{{1,5}}"
    rf"(?:{_GROUPED}{{1,2}}[0-9]{{2,5}}){{1,4}}|{_GROUPED}[0-9]{{7,12}})"
    r"(?![0-9A-Za-z_]|[.,:][0-9])"
)
# North America's form without a plus: an area code in brackets.
_BRACKETED: Final = re.compile(
    r"(?<![0-9A-Za-z_])\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9]|[.,][0-9])"
)
_SHORTEST_PHONE: Final = 9


class PhoneDetector:
    """Finds telephone numbers that begin with a plus sign or an area code in brackets."""

    anchors: tuple[str, ...] = ()
    digit_anchors: tuple[str, ...] = ()

    def __init__(self, rule: Rule) -> None:
        """Look for ``rule``, which is of kind ``phone``."""
        self._rule = rule

    def wanted(self, low: str) -> bool:
        """See :class:`SelfGated`."""
        return ("+" in low or "(" in low) and next(self._numbers(low), None) is not None

    def find(self, text: str, low: str) -> Iterator[Span]:
        """Yield the numbers (see :class:`Detector`)."""
        del text
        for match in self._numbers(low):
            yield Span(match.start(), match.end(), self._rule)

    @staticmethod
    def _numbers(low: str) -> Iterator[re.Match[str]]:
        for position in positions(low, "+"):
            match = _PHONE.match(low, position)
            if match and sum(map(str.isdigit, match[0])) >= _SHORTEST_PHONE:
                yield match
        # As part of "+1 (212) 555-0123" it was found above; spans that overlap are joined.
        for position in positions(low, "("):
            match = _BRACKETED.match(low, position)
            if match:
                yield match
