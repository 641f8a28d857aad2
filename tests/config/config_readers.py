# SPDX-License-Identifier: Apache-2.0
"""Which keys of the configuration the source reads, by following its names and annotations."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ffe_otel.config.schema import Section, keys, tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def keys_read(sources: Iterator[Path]) -> set[str]:
    """Dotted names of every key that an expression in one of the files reads."""
    found: set[str] = set()
    for path in sources:
        reader = _Reader()
        reader.visit(ast.parse(path.read_text()))
        found |= reader.found
    return found


def _sections(section: Section) -> Iterator[tuple[str, str]]:
    yield section.type.__name__, section.name
    for member in section.members.values():
        if isinstance(member, Section):
            yield from _sections(member)


SECTIONS = dict(_sections(tree()))


class _Reader(ast.NodeVisitor):
    """Knows of each name in sight, and of each attribute of ``self``, which section it is."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._names: dict[str, str] = {}
        self._attributes: dict[str, str] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self._names = self._names, dict(self._names)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            named = ast.unparse(argument.annotation).split("|")[0] if argument.annotation else ""
            section = SECTIONS.get(named.strip().strip("'"))
            self._names.pop(argument.arg, None)
            if section is not None:
                self._names[argument.arg] = section
        self.generic_visit(node)
        self._names = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        [target, *_] = node.targets
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for name, value in pairs:
            section = self._section(value)
            if section is None:
                continue
            if isinstance(name, ast.Name):
                self._names[name.id] = section
            elif isinstance(name, ast.Attribute):
                self._attributes[name.attr] = section

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        section = self._section(node.value)
        dotted = f"{section}.{node.attr}" if section else node.attr
        if section is not None and dotted in keys():
            self.found.add(dotted)

    def _section(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        outer = self._section(node.value)
        if outer is None:
            return self._attributes.get(node.attr, "" if node.attr == "config" else None)
        dotted = f"{outer}.{node.attr}" if outer else node.attr
        return dotted if dotted in SECTIONS.values() else None
