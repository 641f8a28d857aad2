# SPDX-License-Identifier: Apache-2.0
"""Reading the YAML file with the line of every value, collecting all problems on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ffe_otel.config.problems import ConfigError, Origin, Problem
from ffe_otel.config.schema import Key, Section, join, suggestion, tree
from ffe_otel.config.substitution import substitute
from ffe_otel.config.values import BadValueError, convert, expectation, parse
from ffe_otel.config.veils import resembles, veils

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_STR = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"
_LARGEST_FILE = 4 * 1024**2
_HIDDEN_NAME = "(a name that is not shown)"


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it was.

    Attributes:
        unset: environment variables it needed that are not set. Whether that matters is known
            only when it is known whether the part it belongs to is enabled.
    """

    value: Any
    origin: Origin
    unset: tuple[str, ...] = ()


@dataclass(slots=True)
class Document:
    """What one file said: values by dotted key, and what is wrong with it."""

    values: dict[str, Found] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_document(path: Path, environ: Mapping[str, str]) -> Document:
    """Read a configuration file.

    Args:
        path: the file, as it is to appear in messages.
        environ: variables for ``${NAME}``.

    Returns:
        Its values and every problem found in them.

    Raises:
        ConfigError: the file cannot be read at all or is not YAML.
    """
    text = _text(path)
    try:
        loader = yaml.SafeLoader(text)
        try:
            return _Reader(path, environ, loader).read(loader.get_single_node())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        column = f" at column {mark.column + 1}" if mark else ""
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise _unusable(path, f"is not valid YAML{column}: {reason}", line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _unusable(path, f"is not valid YAML: {error.reason}", line) from None
    except RecursionError:
        raise _unusable(path, "is nested too deeply") from None


class _Reader:
    """One pass over one file's nodes, guided by the schema."""

    def __init__(self, path: Path, environ: Mapping[str, str], loader: yaml.SafeLoader) -> None:
        self._place = str(path)
        self._environ = environ
        self._loader = loader
        self._document = Document()
        self._twice: set[str] = set()

    def read(self, root: Node | None) -> Document:
        if root is None or root.tag == _NULL:
            return self._document
        if not isinstance(root, MappingNode):
            message = "is not a mapping; write 'section:' lines with keys below them"
            self._problem(root, "", message, veiling=True)
            return self._document
        self._section(tree(), root)
        return self._document

    def _section(self, section: Section, node: Node) -> None:
        # A section whose keys are all commented out is an empty value to YAML.
        if node.tag == _NULL:
            return
        if not isinstance(node, MappingNode):
            names = ", ".join(section.members)
            message = f"is a section; write its keys below it: {names}"
            self._problem(node, section.name, message)
            return
        for name, value_node in self._members(section, node):
            member = section.members[name]
            if isinstance(member, Section):
                self._section(member, value_node)
            elif member.name not in self._twice:
                found = self._value(member, value_node, member.name)
                if found is not None:
                    self._document.values[member.name] = found

    def _members(self, section: Section, node: MappingNode) -> list[tuple[str, Node]]:
        """The known keys of a mapping in their order, merged ones (``<<``) first."""
        self._report_duplicates(section.name, node)
        self._loader.flatten_mapping(node)
        members = []
        for key_node, value_node in node.value:
            name = key_node.value if isinstance(key_node, ScalarNode) else ""
            if name in section.members:
                members.append((name, value_node))
            else:
                self._unknown(section, key_node, name, value_node)
        return members

    def _report_duplicates(self, section: str, node: MappingNode) -> None:
        """Name keys that stand twice; nobody knows which of the two is meant."""
        first: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag == _MERGE:
                continue
            name, line = key_node.value, key_node.start_mark.line + 1
            if name in first:
                message = f"stands twice, first in line {first[name]}; keep one of the two"
                self._problem(key_node, join(section, name), message)
                self._twice.add(join(section, name))
            else:
                first[name] = line

    def _unknown(self, section: Section, node: Node, name: str, value: Node) -> None:
        near = suggestion(section, name)
        known = ", ".join(section.members)
        advice = f"did you mean {near}?" if near else f"known here: {known}"
        veiling = veils(section.name) or (bool(near) and veils(near))
        veiling = veiling or any(map(resembles, (name, *_names(value))))
        # A list of secrets without its dashes is a list of names.
        shown = _HIDDEN_NAME if veils(section.name) and not near else name or "?"
        message = f"unknown key; {advice}"
        self._problem(node, join(section.name, shown), message, veiling=veiling)

    def _value(self, key: Key, node: Node, name: str) -> Found | None:
        """The value of one key; ``name`` differs from ``key.name`` in rows of a table."""
        try:
            if key.row is not None:
                return self._table(key, key.row, node)
            if isinstance(node, ScalarNode):
                return self._scalar(key, node)
            items, unset = self._collection(key, node, name)
            return Found(convert(key, items), self._origin(node), unset)
        except BadValueError as error:
            self._problem(node, name, str(error))
        except (ConstructorError, ValueError) as error:
            reason = error.problem if isinstance(error, ConstructorError) else error
            self._problem(node, name, f"expected {expectation(key)}: {reason}")
        return None

    def _scalar(self, key: Key, node: ScalarNode) -> Found:
        origin = self._origin(node)
        if node.tag != _STR:
            is_date = node.tag == _TIMESTAMP and key.kind == "text"
            value = node.value if is_date else self._loader.construct_object(node)
            return Found(convert(key, value), origin)
        text = substitute(node.value, self._environ)
        if text.unset and key.kind != "text":
            return Found(key.default, origin, text.unset)
        if text.unset and key.choices:
            return Found(key.default, origin, text.unset)
        read = parse if text.changed else convert
        return Found(read(key, text.text), origin, text.unset)

    def _collection(self, key: Key, node: Node, name: str) -> tuple[object, tuple[str, ...]]:
        """The members that can be used; the others are named, each by itself."""
        unset: list[str] = []
        if isinstance(node, SequenceNode) and key.kind == "list":
            items: list[object] = []
            for number, item in enumerate(node.value):
                items += self._member(key, item, f"{name}[{number}]", unset)
            return items, tuple(unset)
        if isinstance(node, MappingNode) and key.kind == "mapping":
            self._report_duplicates(key.name, node)
            self._loader.flatten_mapping(node)
            pairs: dict[str, object] = {}
            for name_node, item in node.value:
                inner = str(name_node.value) if isinstance(name_node, ScalarNode) else "?"
                found = self._member(key, item, f"{name}.{inner}", unset, inner)
                if found and join(key.name, inner) not in self._twice:
                    pairs[inner] = found[0]
            return pairs, tuple(unset)
        got = "a list" if isinstance(node, SequenceNode) else "a mapping"
        raise BadValueError(f"expected {expectation(key)}, got {got}")

    def _member(
        self, key: Key, node: Node, name: str, unset: list[str], inner: str = ""
    ) -> list[object]:
        """A member of a list or mapping in a list of its own, which is empty if it is bad."""
        before = len(unset)
        try:
            item = self._item(node, unset)
            convert(key, {inner: item} if key.kind == "mapping" else [item])
        except BadValueError as error:
            self._problem(node, name, str(error))
            return []
        except (ConstructorError, ValueError) as error:
            reason = error.problem if isinstance(error, ConstructorError) else error
            self._problem(node, name, f"expected {expectation(key)}: {reason}")
            return []
        # Half a value is none.
        return [item] if len(unset) == before else []

    def _item(self, node: Node, unset: list[str]) -> object:
        if not isinstance(node, ScalarNode):
            return [] if isinstance(node, SequenceNode) else {}
        if node.tag != _STR:
            return self._loader.construct_object(node)
        text = substitute(node.value, self._environ)
        unset.extend(text.unset)
        return text.text

    def _table(self, key: Key, row: Section, node: Node) -> Found:
        if not isinstance(node, SequenceNode):
            columns = ", ".join(row.members)
            raise BadValueError(f"expected a list of mappings with the keys {columns}")
        rows: list[object] = []
        unset: list[str] = []
        for number, item in enumerate(node.value):
            if not isinstance(item, MappingNode):
                columns = ", ".join(row.members)
                self._problem(item, f"{key.name}[{number}]", f"expected a mapping of {columns}")
                continue
            cells = {}
            before, whole = len(self._document.problems), True
            for name, value_node in self._members(row, item):
                member = row.members[name]
                if isinstance(member, Section):
                    continue
                found = self._value(member, value_node, f"{key.name}[{number}].{name}")
                if found is not None:
                    cells[name] = found.value
                    unset.extend(found.unset)
                    whole = whole and not found.unset
            # A row is right or it is none: half a price is a wrong one.
            if whole and len(self._document.problems) == before:
                rows.append(row.type(**cells))
        return Found(tuple(rows), self._origin(node), tuple(unset))

    def _origin(self, node: Node) -> Origin:
        return Origin("file", self._place, node.start_mark.line + 1)

    def _problem(self, node: Node, key: str, message: str, *, veiling: bool = False) -> None:
        problem = Problem(self._origin(node), key, message, veils=veiling or veils(key))
        self._document.problems.append(problem)


def _names(node: Node, depth: int = 8) -> Iterator[str]:
    """Names in the mappings below a node."""
    if not depth or isinstance(node, ScalarNode):
        return
    for child in node.value:
        name, value = child if isinstance(child, tuple) else (None, child)
        if isinstance(name, ScalarNode):
            yield name.value
        yield from _names(value, depth - 1)


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise _unusable(path, "there is no such file") from None
    except UnicodeDecodeError as error:
        raise _unusable(path, f"is not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _unusable(path, f"cannot be read: {reason}") from None
    if len(text) > _LARGEST_FILE:
        raise _unusable(path, f"is larger than {_LARGEST_FILE} characters")
    return text


def _unusable(path: Path, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Problem(Origin("file", str(path), line), "", message, veils=True)])
