# SPDX-License-Identifier: Apache-2.0
"""Looking for thousands of secrets in megabytes at once, also decoded."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from canary_plan import Row

LENGTH = 8
_BITS = 26
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ESCAPED = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrt\"'/\\]))")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_MAYBE_WIDE = re.compile(rb"\0[ -~]\0[ -~]\0[ -~]\0[ -~]")
_WIDE = re.compile(rb"(?:[ -~]\0){8,}|(?:\0[ -~]){8,}")
_INDENT = re.compile(rb" {3,}")
# What ids and clocks are written as: eight digits of them may be eight digits of a secret.
_NUMBER = re.compile(rb"(?:0x)?([0-9a-f][0-9a-f-]{7,39}|\d{8}\d*\.\d+)")
_CLOCK = re.compile(rb"1[78]\d{17}|1[78]\d{8}\.\d+")
_ADDRESS = re.compile(rb"(?<![0-9a-z])0x[0-9a-f]{8,16}(?![0-9a-z])")
_DIGITS = frozenset(b"0123456789abcdef-.")
_REACH = 40
_SURE = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A secret that is there, the form of the bytes it was found in and what is around it."""

    row: Row
    form: str
    around: str


class Search:
    """Finds every secret of which eight bytes in a row are in some data.

    All windows of eight bytes of all secrets are numbers in one sorted array. All windows of
    the data are looked up in a bitmap of their hashes first, and in the array if that has it.
    Windows that two secrets share (a word of a password) identify neither and are left out.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)
        grams, owners = [], []
        for index, row in enumerate(self._rows):
            for part in row.secret.hidden:
                windows = _windows(part.encode())
                grams.append(windows)
                owners.append(np.full(len(windows), index))
        pairs = np.unique(np.rec.fromarrays([np.concatenate(grams), np.concatenate(owners)]))
        unique, first, counts = np.unique(pairs.f0, return_index=True, return_counts=True)
        self._grams = unique[counts == 1]
        self._owner = pairs.f1[first[counts == 1]]
        self._bitmap = np.zeros(1 << _BITS, dtype=bool)
        self._bitmap[_hashed(self._grams)] = True

    def find(
        self, data: bytes, own_ids: frozenset[bytes] = frozenset(), *, packed: bool = False
    ) -> Iterator[Found]:
        """Secrets in the data, each once a form it was found in.

        ``own_ids`` are ids in digits that the telemetry itself made up: they are no leak,
        whatever they have in common with a secret. In ``packed`` data ids, and pieces of texts
        that are compressed, stand without anything between them, and other ids were made up:
        only twelve characters in a row count.
        """
        for form, decoded in forms(_INDENT.sub(b"  ", data)):
            seen: set[int] = set()
            for owner, at in self._hits(decoded):
                if owner in seen or self._by_chance(owner, decoded, at, own_ids, packed):
                    continue
                seen.add(owner)
                around = decoded[max(0, at - 60) : at + 40].decode("utf-8", "replace")
                yield Found(self._rows[owner], form, around)

    def _hits(self, data: bytes) -> Iterator[tuple[int, int]]:
        for shift in range(LENGTH):
            count = (len(data) - shift) // LENGTH
            if count <= 0:
                return
            windows = np.frombuffer(data, dtype="<u8", count=count, offset=shift)
            likely = np.flatnonzero(self._bitmap[_hashed(windows)])
            places = np.searchsorted(self._grams, windows[likely])
            places[places == len(self._grams)] = 0
            exact = self._grams[places] == windows[likely]
            for place, window in zip(places[exact], likely[exact], strict=True):
                yield int(self._owner[place]), int(window) * LENGTH + shift

    def _by_chance(
        self, owner: int, data: bytes, at: int, own_ids: frozenset[bytes], packed: bool
    ) -> bool:
        window = data[at : at + LENGTH]
        if not _DIGITS.issuperset(window):
            return packed and self._too_short(owner, data, at)
        # Eight decimal digits of a longer secret may be those of any measured value, and in
        # eight characters of a UUID are six digits only. Objects in a repr have addresses.
        longer = packed or window.isdigit() or b"-" in window or _in_address(data, at)
        return _in_own_number(data, at, own_ids) or (longer and self._too_short(owner, data, at))

    def _hidden(self, owner: int) -> tuple[str, ...]:
        return self._rows[owner].secret.hidden

    def _too_short(self, owner: int, data: bytes, at: int) -> bool:
        around = data[max(0, at - _SURE + LENGTH) : at + _SURE]
        return not any(_stands_in(part.encode(), around) for part in self._hidden(owner))


def _stands_in(part: bytes, around: bytes) -> bool:
    """Whether twelve characters of a secret are there, or all of a shorter one."""
    if len(part) >= _SURE:
        return any(part[start : start + _SURE] in around for start in range(len(part) - _SURE + 1))
    if not _DIGITS.issuperset(part):
        return part in around
    # As a number of its own: a longer one holds any short one by chance.
    whole = rb"(?<![0-9a-f])" + re.escape(part) + rb"(?![0-9a-f])"
    return re.search(whole, around) is not None


def _windows(data: bytes) -> np.ndarray:
    if len(data) < LENGTH:
        return np.empty(0, dtype=np.uint64)
    every = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), LENGTH)
    return np.ascontiguousarray(every).view("<u8").ravel()


def _hashed(values: np.ndarray) -> np.ndarray:
    return (values * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _BITS)


def _in_own_number(data: bytes, at: int, own_ids: frozenset[bytes]) -> bool:
    """Whether a place is within an id that the telemetry made up, or within a time."""
    start = max(0, at - _REACH)
    for match in _NUMBER.finditer(data[start : at + _REACH + LENGTH]):
        if match.start() + start <= at < match.end() + start:
            return match[1] in own_ids or _CLOCK.fullmatch(match[1]) is not None
    return False


def _in_address(data: bytes, at: int) -> bool:
    start = max(0, at - _REACH)
    return any(
        match.start() + start <= at < match.end() + start
        for match in _ADDRESS.finditer(data[start : at + _REACH])
    )


def forms(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The data as they are, and decoded in all ways in which a text may be written."""
    yield "as it is", data
    escaped = data
    for form in ("unescaped", "unescaped twice"):
        unescaped = _ESCAPED.sub(_unescape, escaped)
        if unescaped == escaped:
            break
        yield form, unescaped
        escaped = unescaped
    if b"%" in data:
        yield "URL-decoded", unquote_to_bytes(data)
        yield "URL-decoded, plus as space", unquote_to_bytes(data.replace(b"+", b" "))
    yield "base64", b"\n".join(_from_base64(data))
    if _MAYBE_WIDE.search(data):
        for form, decoded in forms(b"\n".join(_WIDE.findall(data)).replace(b"\0", b"")):
            yield f"UTF-16, {form}", decoded


def _unescape(match: re.Match[bytes]) -> bytes:
    unicode, byte, single = match.groups()
    if unicode:
        return chr(int(unicode, 16)).encode("utf-8", "replace")
    return bytes([int(byte, 16)]) if byte else _ESCAPES.get(single, single)


def _from_base64(data: bytes) -> Iterator[bytes]:
    for run in set(_BASE64.findall(data)):
        text = run.translate(bytes.maketrans(b"-_", b"+/"))
        for skip in range(4):
            part = text[skip:]
            try:
                yield base64.b64decode(part[: len(part) // 4 * 4])
            except binascii.Error:
                continue


def by_kind(found: Iterable[Found]) -> dict[str, dict[str, Found]]:
    """The first finding of each secret, by kind and mark."""
    result: dict[str, dict[str, Found]] = defaultdict(dict)
    for one in found:
        result[one.row.kind].setdefault(one.row.mark, one)
    return result
