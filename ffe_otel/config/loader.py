# SPDX-License-Identifier: Apache-2.0
"""Putting the configuration together: defaults < file < environment < argument."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from ffe_otel.config.checks import complete, disabled_section, relations
from ffe_otel.config.document import Document, Found, read_document
from ffe_otel.config.environment import read_environment
from ffe_otel.config.problems import ARGUMENT, DEFAULT, ConfigError, Origin, Problem
from ffe_otel.config.schema import Section, keys, nearest, tree
from ffe_otel.config.standard import check
from ffe_otel.config.values import BadValueError, convert
from ffe_otel.config.veils import CAREFUL, SKELETONS, veils

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ffe_otel.config.model import Config

FILE_VARIABLE = "FFE_OTEL_CONFIG"
CANDIDATES = (Path("config/ffe_otel.yaml"), Path("ffe_otel.yaml"))
T = TypeVar("T")
_MOST_ROUNDS = 4
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration that can be used.

    Attributes:
        config: the values; paths of state, log file and store are absolute.
        origins: dotted key -> where its value came from, for every key of the model.
        path: the file that was read, None when there was none.
        problems: what could not be used, in order; nothing after ``load_config``.
        guesses: what was used although its meaning had to be guessed.
        changes: what is to stand in variables of OpenTelemetry's, None for unset, so that
            everybody who reads them sees what ``config`` holds.
    """

    config: Config
    origins: Mapping[str, Origin]
    path: Path | None
    problems: tuple[Problem, ...] = ()
    guesses: tuple[Problem, ...] = ()
    changes: Mapping[str, str | None] = field(default_factory=dict)


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] = _NOTHING,
) -> LoadedConfig:
    """Load a configuration in which everything is right.

    Args:
        path: the file. Without it ``FFE_OTEL_CONFIG`` names one, else ``config/ffe_otel.yaml``
            or ``ffe_otel.yaml`` in the working directory is read when it is there.
        environ: environment variables, by default those of the process.
        overrides: dotted key -> value, which wins over everything else.

    Raises:
        ConfigError: anything is wrong; its text lists all problems with their places.
    """
    loaded = load_usable(path, environ=environ, overrides=overrides)
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded


def load_usable(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] = _NOTHING,
) -> LoadedConfig:
    """Load what can be used of a configuration, for what has to start in any case.

    Each bad value is left out by itself, as if it were not written; everything else holds.
    Where it is left open what was to be hidden, ``redaction.skeletons_only`` is on.

    Args:
        path: as for ``load_config``.
        environ: the same.
        overrides: the same.
    """
    variables = os.environ if environ is None else environ
    standard = check(variables)
    seen = standard.environ(variables)
    problems = list(standard.problems)
    file = _attempt(lambda: find_file(path, seen), problems, None)
    layers = [
        _attempt(lambda: read_document(file, seen), problems, Document()) if file else Document(),
        _attempt(lambda: read_environment(seen), problems, Document()),
        _attempt(lambda: _arguments(overrides), problems, Document()),
    ]
    values = {name: Found(key.default, DEFAULT) for name, key in keys().items()}
    for layer in layers:
        values.update(layer.values)
        problems += layer.problems
    _resolve_paths(values, seen)
    guesses = [*standard.guesses, *complete(values)]
    _settle(values, problems)
    _be_careful(values, problems)
    _resolve_paths(values, seen)
    return LoadedConfig(
        _build(tree(), values),
        MappingProxyType({name: found.origin for name, found in values.items()}),
        file,
        tuple(sorted(problems, key=_position)),
        tuple(sorted(guesses, key=_position)),
        MappingProxyType(standard.changes),
    )


def _attempt(read: Callable[[], T], problems: list[Problem], otherwise: T) -> T:
    """What ``read`` gives, or a problem that makes what was to be hidden unknown."""
    try:
        return read()
    except ConfigError as error:
        problems += error.problems
    except Exception as error:  # noqa: BLE001 - whatever it is, something has to be loaded
        message = f"cannot be read ({type(error).__name__})"
        problems.append(Problem(Origin("file"), "", message, veils=True))
    return otherwise


def _settle(values: dict[str, Found], problems: list[Problem]) -> None:
    """Give back their defaults to values that cannot be used, alone or beside each other."""
    unset, wrong = _unset_variables(values), list(relations(values))
    problems += [*unset, *wrong]
    for problem in unset:
        # A list has its other members.
        if keys()[problem.key].kind not in ("list", "mapping", "table"):
            _reset(values, problem.key)
    # What was given back its default may not fit the rest: that is a consequence, no news.
    for _ in range(_MOST_ROUNDS):
        for problem in wrong:
            for name in (problem.key, *problem.resets):
                _reset(values, name)
        wrong = list(relations(values))
    prices = values["llm.prices"]
    rows = tuple(row for row in prices.value if row is not None)
    values["llm.prices"] = Found(rows, prices.origin, prices.unset)


def _reset(values: dict[str, Found], name: str) -> None:
    key, bracket, number = name.partition("[")
    if not bracket:
        values[name] = Found(keys()[name].default, DEFAULT)
        return
    found, row = values[key], int(number.partition("]")[0])
    rows = (*found.value[:row], None, *found.value[row + 1 :])
    # The rows behind it keep their numbers until all have been looked at.
    values[key] = Found(rows, found.origin, found.unset)


def _be_careful(values: dict[str, Found], problems: list[Problem]) -> None:
    """Hide rather too much where it is not known what was to be hidden."""
    for problem in problems:
        careful = CAREFUL.get(problem.key)
        if careful is not None and problem.key in values:
            values[problem.key] = Found(careful, problem.origin)
        if problem.veils:
            values[SKELETONS] = Found(True, problem.origin)


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file to read, None when there is none and none was asked for.

    Raises:
        ConfigError: ``FFE_OTEL_CONFIG`` names a file that is not there.
    """
    if path is not None:
        return _home(str(path))
    named = environ.get(FILE_VARIABLE, "")
    if named:
        file = _home(named)
        if not file.exists():
            message = f"names {named}, which does not exist; correct or unset the variable"
            origin = Origin("environment", FILE_VARIABLE)
            raise ConfigError([Problem(origin, "", message, veils=True)])
        return file
    return next((candidate for candidate in CANDIDATES if candidate.is_file()), None)


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """The platform's folder for our state, absolute; it need not exist.

    A container user without a home directory gets a folder of its own under the temporary one.
    """
    state_home = Path(environ.get("XDG_STATE_HOME", ""))
    if state_home.is_absolute():
        return state_home / "ffe_otel"
    home = Path(environ.get("HOME", ""))
    if home.is_absolute() and home != Path("/"):
        return home / ".local" / "state" / "ffe_otel"
    return Path(tempfile.gettempdir()) / f"ffe_otel-{os.getuid()}"


def _position(problem: Problem) -> tuple[int, int]:
    order = ("default", "file", "environment", "argument")
    return order.index(problem.origin.source), problem.origin.line


def _arguments(overrides: Mapping[str, object]) -> Document:
    document = Document()
    for name, value in overrides.items():
        key = keys().get(name)
        if key is None:
            near = nearest(name)
            advice = f"; did you mean {near}?" if near else ""
            problem = Problem(ARGUMENT, name, f"unknown key{advice}", veils=veils(name))
            document.problems.append(problem)
            continue
        try:
            checked = value if key.row is not None else convert(key, value)
            document.values[name] = Found(checked, ARGUMENT)
        except BadValueError as error:
            document.problems.append(Problem(ARGUMENT, name, str(error), veils=veils(name)))
    return document


def _resolve_paths(values: dict[str, Found], environ: Mapping[str, str]) -> None:
    given = values["state_dir"].value
    state = _home(given).absolute() if given else default_state_dir(environ)
    _replace(values, "state_dir", state)
    log = values["logging.outputs.file.path"].value or keys()["logging.outputs.file.path"].default
    _replace(values, "logging.outputs.file.path", state / _home(log))
    store = values["serve.store_path"].value
    _replace(values, "serve.store_path", _home(store or str(state / "store")).absolute())


def _home(text: str) -> Path:
    """A path with ``~`` replaced, where there is a home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _replace(values: dict[str, Found], name: str, path: Path) -> None:
    found = values[name]
    values[name] = Found(str(path), found.origin, found.unset)


def _unset_variables(values: Mapping[str, Found]) -> list[Problem]:
    problems = []
    for name, found in values.items():
        if not found.unset or disabled_section(name, values):
            continue
        variables = " and ".join(found.unset)
        message = (
            f"needs the environment variable {variables}, which is not set; "
            f"set it or give a default as in ${{{found.unset[0]}:-value}}"
        )
        problems.append(Problem(found.origin, name, message, veils=veils(name)))
    return problems


def _build(section: Section, values: Mapping[str, Found]) -> Any:
    members = {
        name: _build(member, values) if isinstance(member, Section) else values[member.name].value
        for name, member in section.members.items()
    }
    return section.type(**members)
