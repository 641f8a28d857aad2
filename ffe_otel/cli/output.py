# SPDX-License-Identifier: Apache-2.0
"""What the commands share for printing: marks, columns, JSON, colours that can be off."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

State = Literal["ok", "warn", "fail", "unknown"]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "bright_black"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of one kind of terminal."""

    ok: str
    warn: str
    fail: str
    unknown: str
    bar: str
    half: str
    branch: str
    last: str
    pipe: str
    dot: str
    ellipsis: str


_UNICODE = Glyphs("✓", "!", "✗", "·", "━", "╸", "├─ ", "└─ ", "│  ", "·", "…")
_ASCII = Glyphs("+", "!", "x", "-", "=", "-", "|- ", "`- ", "|  ", "-", "~")


def glyphs() -> Glyphs:
    """The characters standard output can take."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "✓━╸├└│…".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _UNICODE


def colour_setting() -> bool | None:
    """What ``click`` is to do about colours: False where ``NO_COLOR`` asks for none."""
    return False if os.environ.get("NO_COLOR") else None


def mark(state: State) -> str:
    """The coloured sign of a state."""
    return click.style(getattr(glyphs(), state), fg=_COLOURS[state], bold=True)


def dim(text: str) -> str:
    """Less important text."""
    return click.style(text, dim=True)


def clean(text: object) -> str:
    """Text from elsewhere on one line, without anything that steers a terminal."""
    return _CONTROL.sub(" ", _ANSI.sub("", str(text))).strip()


def width(text: str) -> int:
    """Columns a styled text takes on a terminal."""
    plain = _ANSI.sub("", text)
    if plain.isascii():
        return len(plain)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in plain)
    marks = sum(unicodedata.combining(character) != 0 for character in plain)
    return len(plain) + wide - marks


def clip(text: str, columns: int) -> str:
    """Plain text cut to a width, with a sign that it was cut."""
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + glyphs().ellipsis


def table(rows: Iterable[Sequence[str]], *, indent: str = "", gap: str = "  ") -> list[str]:
    """Lines with aligned columns; the last column is as long as it likes."""
    cells = [list(row) for row in rows]
    if not cells:
        return []
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            cell + " " * (columns - width(cell))
            for cell, columns in zip(row[:-1], widths, strict=False)
        ]
        lines.append((indent + gap.join([*padded, row[-1]])).rstrip())
    return lines


def echo_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def note(message: str) -> None:
    """Print a message of ours on standard error, where it does not mix with results."""
    click.echo(f"{click.style('ffe-otel', fg='cyan')}  {message}", err=True)


def stop(message: str, code: int, *, as_json: bool = False) -> NoReturn:
    """End the command with an error message.

    Args:
        message: what happened and what to do.
        code: exit code.
        as_json: print an object with an ``error`` on standard output as well, because a
            program reads it.
    """
    if as_json:
        echo_json({"error": message, "exit_code": code})
    click.echo(f"{click.style('ffe-otel: error:', fg='red', bold=True)} {message}", err=True)
    raise SystemExit(code)


def duration(seconds: float) -> str:
    """A length of time in the unit a person would choose."""
    if seconds >= 120:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.001:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e6:.0f} µs" if seconds else "0"


def size(count: float) -> str:
    """Bytes in the unit a person would choose."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
