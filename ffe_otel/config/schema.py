# SPDX-License-Identifier: Apache-2.0
"""The model's dataclasses as a tree of sections and keys that can be searched by name."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import typing
from dataclasses import dataclass
from typing import Any, Literal

from ffe_otel.config.model import Config

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["text", "integer", "number", "boolean", "list", "mapping", "table"]

_KINDS: Mapping[object, Kind] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    tuple[str, ...]: "list",
    dict[str, str]: "mapping",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        name: dotted name, for example ``logging.level``.
        kind: what values it takes; a table is a list of mappings of the keys in ``row``.
        minimum: least value, inclusive, or None.
        maximum: greatest value, inclusive, or None.
        unused: nothing reads it yet.
        row: keys of one table row, None for every other kind.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    secret: bool
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    unused: bool
    row: Section | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping in the file; ``name`` is empty for the root."""

    name: str
    help: str
    type: type[Any]
    members: Mapping[str, Key | Section]

    def walk(self) -> Iterator[Key]:
        """Every key below, in the order of the model."""
        for member in self.members.values():
            if isinstance(member, Section):
                yield from member.walk()
            else:
                yield member


@functools.cache
def tree() -> Section:
    """The whole schema."""
    return _section(Config, "", "the whole configuration")


@functools.cache
def keys() -> Mapping[str, Key]:
    """Every key by its dotted name."""
    return {key.name: key for key in tree().walk()}


def suggestion(section: Section, name: str) -> str:
    """The valid dotted name that ``name``, used in ``section``, was probably meant to be.

    Returns:
        A dotted name, or an empty string when nothing is near.
    """
    folded = name.lower().replace("-", "_")
    siblings = section.members
    near = difflib.get_close_matches(folded, siblings, n=1, cutoff=0.75)
    if len(folded) >= 4:
        near += [sibling for sibling in siblings if sibling.startswith(folded)]
    if near:
        return join(section.name, near[0])
    elsewhere = [dotted for dotted in keys() if dotted.rpartition(".")[2] == folded]
    if len(elsewhere) == 1:
        return elsewhere[0]
    near = difflib.get_close_matches(folded, siblings, n=1, cutoff=0.6)
    if near:
        return join(section.name, near[0])
    near = difflib.get_close_matches(join(section.name, folded), keys(), n=1, cutoff=0.7)
    return near[0] if near else ""


def nearest(dotted: str) -> str:
    """The valid key or section nearest to a dotted name that is not one, empty when none is."""
    section = tree()
    parts = dotted.split(".")
    for position, part in enumerate(parts):
        member = section.members.get(part)
        if isinstance(member, Section):
            section = member
            continue
        near = suggestion(section, part)
        corrected = ".".join([near, *parts[position + 1 :]])
        return corrected if corrected in keys() else near
    return ""


def section_at(dotted: str) -> Section | None:
    """The section of that dotted name, None when there is none."""
    section = tree()
    for part in dotted.split("."):
        member = section.members.get(part)
        if not isinstance(member, Section):
            return None
        section = member
    return section


def join(section: str, name: str) -> str:
    """A dotted name from the name of a section and a key in it."""
    return f"{section}.{name}" if section else name


def _section(of: type[Any], name: str, text: str) -> Section:
    hints = typing.get_type_hints(of)
    members = {
        field.name: _member(field, hints[field.name], join(name, field.name))
        for field in dataclasses.fields(of)
    }
    return Section(name, text, of, members)


def _member(field: dataclasses.Field[Any], hint: Any, name: str) -> Key | Section:
    meta = field.metadata
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _section(hint, name, meta["help"])
    row = None
    kind = _KINDS.get(hint)
    if kind is None:
        kind = "table"
        row_type = typing.get_args(hint)[0]
        row = _section(row_type, name, meta["help"])
    factory = field.default_factory
    return Key(
        name=name,
        kind=kind,
        default=field.default if factory is dataclasses.MISSING else factory(),
        help=meta["help"],
        secret=meta["secret"],
        choices=meta["choices"],
        minimum=meta["minimum"],
        maximum=meta["maximum"],
        unused=meta["unused"],
        row=row,
    )
