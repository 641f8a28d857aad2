# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel config``: what is configured, why, and whether a file is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ffe_otel.cli.options import common, json_option, load
from ffe_otel.cli.output import clean, clip, dim, echo_json, mark, stop, table
from ffe_otel.config import load_usable
from ffe_otel.config.report import NO_EFFECT, ONLY_SKELETONS, describe, without_effect
from ffe_otel.config.schema import keys, nearest
from ffe_otel.redaction import understood

if TYPE_CHECKING:
    from ffe_otel.config import Problem
    from ffe_otel.config.report import Setting


_LONGEST_VALUE = 60


@click.group("config")
def command() -> None:
    """Show or check the configuration."""


@command.command()
@click.option("--key", metavar="KEY", help="Only this key, or the keys of this section.")
@common
def show(*, key: str | None, config_file: Path | None, as_json: bool) -> None:
    """Print every value and where it came from; secrets are masked.

    What is wrong is named on standard error, and what holds instead is shown.
    """
    loaded = load(config_file, as_json=as_json, usable=True)
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
    for line in table((row.key, clip(row.value, limit), dim(_origin(row))) for row in rows):
        click.echo(line)
    if key in keys():
        click.echo(dim(rows[0].help))


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def check(*, file: Path | None, as_json: bool) -> None:
    """Check FILE, or the file that would be used; exit code 1 when something is wrong."""
    loaded = understood(load_usable(file))
    problems, unused = loaded.problems, without_effect(loaded)
    skeletons = loaded.config.redaction.skeletons_only
    file = file or loaded.path
    if as_json:
        echo_json(
            {
                "path": _text(file),
                "ok": not problems,
                "problems": [_found(problem) for problem in problems],
                "guesses": [_found(guess) for guess in loaded.guesses],
                "no_effect_yet": [row.key for row in unused],
                "skeletons_only": skeletons,
            }
        )
    else:
        for problem in problems:
            click.echo(f"{mark('fail')} {clean(problem)}")
        for guess in loaded.guesses:
            click.echo(f"{mark('warn')} {clean(guess)}")
        for row in unused:
            click.echo(f"{mark('warn')} {row.origin}: {row.key}: {NO_EFFECT}")
        if skeletons:
            click.echo(f"{mark('fail' if problems else 'warn')} {ONLY_SKELETONS}")
        if not problems:
            click.echo(f"{mark('ok')} {file or 'no file: all values are defaults'}")
    if problems:
        raise SystemExit(1)


def _found(problem: Problem) -> dict[str, str]:
    return {"where": str(problem.origin), "key": problem.key, "message": problem.message}


def _origin(row: Setting) -> str:
    return f"{row.origin}, {NO_EFFECT}" if row.unused else str(row.origin)


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
        "effect": NO_EFFECT if row.unused else "",
    }


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
