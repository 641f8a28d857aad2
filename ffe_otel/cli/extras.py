# SPDX-License-Identifier: Apache-2.0
"""What the package's extras need, and whether it is installed."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?(?P<range>[^;)]*)\)?\s*"
    r"(?:;.*extra\s*==\s*['\"](?P<extra>[^'\"]+)['\"])?"
)
_BELOW_PYTHON = re.compile(r"python_version\s*<\s*['\"](\d+)\.(\d+)['\"]")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing the package needs.

    Attributes:
        name: name of the distribution.
        range: version specifiers, comma-separated.
        extra: the extra that needs it, empty for the core.
        installed: installed version, empty when it is not there.
    """

    name: str
    range: str
    extra: str
    installed: str

    @property
    def fits(self) -> bool:
        """Whether the installed version is in the range."""
        return all(_satisfies(self.installed, part) for part in self.range.split(",") if part)


def requirements() -> list[Requirement]:
    """Everything the package's metadata asks for, except its own extras of extras."""
    found = []
    for text in requires("ffe-otel") or []:
        match = _REQUIREMENT.match(text)
        below = _BELOW_PYTHON.search(text)
        if below and sys.version_info >= (int(below[1]), int(below[2])):
            continue
        if match and match["name"].lower().replace("_", "-") != "ffe-otel":
            name = match["name"]
            parts = ",".join(part.strip() for part in match["range"].split(","))
            found.append(Requirement(name, parts, match["extra"] or "", _installed(name)))
    return found


def missing(extra: str) -> list[str]:
    """Names of the distributions an extra needs that are not installed."""
    return [need.name for need in requirements() if need.extra == extra and not need.installed]


def install_command(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'ffe-otel[{extra}]'"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _satisfies(installed: str, specifier: str) -> bool:
    match = re.fullmatch(r"\s*(>=|<=|==|!=|<|>)\s*([0-9][^\s]*)\s*", specifier)
    if not match:
        return True
    left, right = _release(installed), _release(match[2])
    length = max(len(left), len(right))
    left += (0,) * (length - len(left))
    right += (0,) * (length - len(right))
    return {
        ">=": left >= right,
        "<=": left <= right,
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        ">": left > right,
    }[match[1]]


def _release(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
