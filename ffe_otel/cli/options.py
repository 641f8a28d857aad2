# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have, and loading the configuration they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ffe_otel.cli.output import clean, note, stop
from ffe_otel.config import ConfigError, load_config, load_usable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ffe_otel.config import LoadedConfig

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of text for people."
)
config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file instead of FFE_OTEL_CONFIG or config/ffe_otel.yaml.",
)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--config`` and ``--json``."""
    return config_option(json_option(command))


def load(
    file: Path | None,
    *,
    as_json: bool = False,
    overrides: Mapping[str, object] | None = None,
    usable: bool = False,
) -> LoadedConfig:
    """Load the configuration or end the command with what is wrong with it, exit code 2.

    Args:
        file: what ``--config`` said.
        as_json: whether the command prints JSON.
        overrides: keys set by options; those that are None were not given.
        usable: go on with what can be used, and name the rest on standard error.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if not usable:
        try:
            return load_config(file, overrides=given)
        except ConfigError as error:
            stop(str(error), 2, as_json=as_json)
    loaded = load_usable(file, overrides=given)
    for problem in loaded.problems:
        note(f"{clean(problem)} (left out, everything else holds)")
    for guess in loaded.guesses:
        note(clean(guess))
    return loaded
