# SPDX-License-Identifier: Apache-2.0
"""``${NAME}`` and ``${NAME:-default}`` in the texts of the configuration file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Substituted:
    """A text after substitution.

    Attributes:
        text: the result; an unset variable without a default leaves nothing behind.
        changed: there was at least one reference, so the text is not literally the file's.
        unset: names of the variables that were needed and are not set.
    """

    text: str
    changed: bool
    unset: tuple[str, ...]


def substitute(text: str, environ: Mapping[str, str]) -> Substituted:
    """Replace the references in ``text``; ``$${NAME}`` stands for a literal ``${NAME}``.

    A variable that is set but empty counts as unset where a default is given, as in a shell.
    """
    unset: list[str] = []

    def value(match: re.Match[str]) -> str:
        escaped, name, default = match.groups()
        if escaped:
            return match.group(0)[1:]
        found = environ.get(name)
        if default is not None:
            return found or default
        if found is None:
            unset.append(name)
        return found or ""

    result, count = _REFERENCE.subn(value, text)
    return Substituted(result, count > 0, tuple(unset))
