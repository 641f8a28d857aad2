# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel config``: what is configured, why, and whether a file is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ffe_otel.cli.options import common, json_option, load
from ffe_otel.cli.output import clip, dim, echo_json, mark, stop, table
from ffe_otel.config import ConfigError, load_config
from ffe_otel.config.report import describe
from ffe_otel.config.schema import keys, nearest

if TYPE_CHECKING:
    from ffe_otel.config.report import Setting


_LONGEST_VALUE = 60


@click.group("config")
def command() -> None:
    """Show or check the configuration."""


@command.command()
@click.option("--key", metavar="KEY", help="Only this key, or the keys of this section.")
@common
def show(*, key: str | None, config_file: Path | None, as_json: bool) -> None:
    """Print every value and where it came from; secrets are masked."""
    loaded = load(config_file, as_json=as_json)
    rows = describe(loaded)
    if key:
        rows = [row for row in rows if row.key == key or row.key.startswith(f"{key}.")]
        if not rows:
            stop(_unknown(key), 2, as_json=as_json)
    if as_json:
        echo_json({"path": _text(loaded.path), "settings": [_as_json(row) for row in rows]})
        return
    click.echo(dim(f"file: {loaded.path or 'none found, all values are defaults'}"))
    limit = 1000 if key else _LONGEST_VALUE
    for line in table((row.key, clip(row.value, limit), dim(str(row.origin))) for row in rows):
        click.echo(line)
    if key in keys():
        click.echo(dim(rows[0].help))


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def check(*, file: Path | None, as_json: bool) -> None:
    """Check FILE, or the file that would be used; exit code 1 when something is wrong."""
    try:
        loaded = load_config(file)
    except ConfigError as error:
        problems = error.problems
    else:
        problems = ()
        file = loaded.path
    if as_json:
        found = [
            {"where": str(problem.origin), "key": problem.key, "message": problem.message}
            for problem in problems
        ]
        echo_json({"path": _text(file), "ok": not problems, "problems": found})
    elif problems:
        for problem in problems:
            click.echo(f"{mark('fail')} {problem}")
    else:
        click.echo(f"{mark('ok')} {file or 'no file: all values are defaults'}")
    if problems:
        raise SystemExit(1)


def _unknown(key: str) -> str:
    near = nearest(key)
    advice = f"did you mean {near}?" if near else "'ffe-otel config show' lists all keys"
    return f"there is no key {key}; {advice}"


def _as_json(row: Setting) -> dict[str, object]:
    return {
        "key": row.key,
        "value": row.value,
        "origin": str(row.origin),
        "source": row.origin.source,
        "help": row.help,
    }


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
