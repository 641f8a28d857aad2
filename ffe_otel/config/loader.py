# SPDX-License-Identifier: Apache-2.0
"""Putting the configuration together: defaults < file < environment < argument."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ffe_otel.config.checks import disabled_section, relations
from ffe_otel.config.document import Document, Found, read_document
from ffe_otel.config.environment import read_environment
from ffe_otel.config.problems import ARGUMENT, DEFAULT, ConfigError, Origin, Problem
from ffe_otel.config.schema import Section, keys, nearest, tree
from ffe_otel.config.values import BadValueError, convert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.config.model import Config

FILE_VARIABLE = "FFE_OTEL_CONFIG"
CANDIDATES = (Path("config/ffe_otel.yaml"), Path("ffe_otel.yaml"))
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration that passed every check.

    Attributes:
        config: the values; paths of state, log file and store are absolute.
        origins: dotted key -> where its value came from, for every key of the model.
        path: the file that was read, None when there was none.
    """

    config: Config
    origins: Mapping[str, Origin]
    path: Path | None


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] = _NOTHING,
) -> LoadedConfig:
    """Load the configuration.

    Args:
        path: the file. Without it ``FFE_OTEL_CONFIG`` names one, else ``config/ffe_otel.yaml``
            or ``ffe_otel.yaml`` in the working directory is read when it is there.
        environ: environment variables, by default those of the process.
        overrides: dotted key -> value, which wins over everything else.

    Raises:
        ConfigError: anything is wrong; its text lists all problems with their places.
    """
    variables = os.environ if environ is None else environ
    file = find_file(path, variables)
    layers = [
        read_document(file, variables) if file else Document(),
        read_environment(variables),
        _arguments(overrides),
    ]
    values = {name: Found(key.default, DEFAULT) for name, key in keys().items()}
    problems: list[Problem] = []
    for layer in layers:
        values.update(layer.values)
        problems += layer.problems
    _resolve_paths(values, variables)
    problems += _unset_variables(values)
    problems += relations(values)
    if problems:
        raise ConfigError(sorted(problems, key=_position))
    config = _build(tree(), values)
    origins = MappingProxyType({name: found.origin for name, found in values.items()})
    return LoadedConfig(config, origins, file)


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file to read, None when there is none and none was asked for.

    Raises:
        ConfigError: ``FFE_OTEL_CONFIG`` names a file that is not there.
    """
    if path is not None:
        return path.expanduser()
    named = environ.get(FILE_VARIABLE, "")
    if named:
        file = Path(named).expanduser()
        if not file.exists():
            message = f"names {named}, which does not exist; correct or unset the variable"
            raise ConfigError([Problem(Origin("environment", FILE_VARIABLE), "", message)])
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
            document.problems.append(Problem(ARGUMENT, name, f"unknown key{advice}"))
            continue
        try:
            checked = value if key.row is not None else convert(key, value)
            document.values[name] = Found(checked, ARGUMENT)
        except BadValueError as error:
            document.problems.append(Problem(ARGUMENT, name, str(error)))
    return document


def _resolve_paths(values: dict[str, Found], environ: Mapping[str, str]) -> None:
    given = values["state_dir"].value
    state = Path(given).expanduser().absolute() if given else default_state_dir(environ)
    _replace(values, "state_dir", state)
    log = Path(values["logging.outputs.file.path"].value).expanduser()
    _replace(values, "logging.outputs.file.path", state / log)
    store = values["serve.store_path"].value
    _replace(values, "serve.store_path", Path(store or state / "store").expanduser().absolute())


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
        problems.append(Problem(found.origin, name, message))
    return problems


def _build(section: Section, values: Mapping[str, Found]) -> Any:
    members = {
        name: _build(member, values) if isinstance(member, Section) else values[member.name].value
        for name, member in section.members.items()
    }
    return section.type(**members)
