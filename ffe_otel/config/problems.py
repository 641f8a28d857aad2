# SPDX-License-Identifier: Apache-2.0
"""Where a setting came from, and what is wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Source = Literal["default", "file", "environment", "argument"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The place a value was taken from.

    Attributes:
        source: kind of place; later kinds win over earlier ones.
        place: file path or name of the environment variable, empty for the others.
        line: line in the file, counted from 1; 0 where there is none.
    """

    source: Source
    place: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.source == "file":
            return f"{self.place}:{self.line}" if self.line else self.place
        return self.place or self.source


DEFAULT = Origin("default")
ARGUMENT = Origin("argument")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        origin: where it stands.
        key: dotted key, empty when the file as a whole is meant.
        message: what is wrong and what to do about it.
        veils: nobody can know any more what the operator wanted to be hidden.
        resets: further keys that cannot be used because of it.
    """

    origin: Origin
    key: str
    message: str
    veils: bool = False
    resets: tuple[str, ...] = ()

    def __str__(self) -> str:
        subject = f"{self.key}: " if self.key else ""
        return f"{self.origin}: {subject}{self.message}"


TOLD = "_FFE_OTEL_TOLD"
"""The variable in which programs tell those they start which problems have been named."""


def digest(problems: Iterable[Problem]) -> str:
    """Tells lists of problems apart."""
    text = "\n".join(map(str, problems))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


class ConfigError(ValueError):
    """The configuration cannot be used. Its text lists every problem found.

    Attributes:
        problems: the same as values, in the order they were found.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(_text(self.problems))


def _text(problems: tuple[Problem, ...]) -> str:
    if len(problems) == 1:
        return f"configuration: {problems[0]}"
    lines = "\n".join(f"  {problem}" for problem in problems)
    return f"the configuration has {len(problems)} problems:\n{lines}"
