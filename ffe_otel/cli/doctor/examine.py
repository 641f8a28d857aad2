# SPDX-License-Identifier: Apache-2.0
"""The command: runs the checks, prints them, and sums them up in an exit code."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ffe_otel.cli.doctor.check import Check
from ffe_otel.cli.doctor.hooks import hooks
from ffe_otel.cli.doctor.installation import installation
from ffe_otel.cli.doctor.machine import clock
from ffe_otel.cli.doctor.pipeline import collector
from ffe_otel.cli.doctor.places import places
from ffe_otel.cli.doctor.rules import rules
from ffe_otel.cli.doctor.selection import selection
from ffe_otel.cli.doctor.trial import trial
from ffe_otel.cli.options import common
from ffe_otel.cli.output import clean, dim, echo_json, mark, table
from ffe_otel.config import Config, ConfigError, load_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ffe_otel.cli.output import State


@click.command("doctor", short_help="Check the installation and its surroundings.")
@click.option(
    "--import",
    "really_import",
    is_flag=True,
    help="Import the engine and apply the hooks, instead of reading its source.",
)
@common
def command(*, really_import: bool, config_file: Path | None, as_json: bool) -> None:
    """Check what is installed, what would really run, endpoints, hooks, clock and permissions.

    Exit code 0: nothing fails, warnings allowed. 1: something fails.
    """
    sections = list(_sections(config_file, really_import=really_import))
    counts = Counter(check.state for _, checks in sections for check in checks)
    if as_json:
        found = [
            {"section": name, **asdict(check)} for name, checks in sections for check in checks
        ]
        echo_json({"ok": not counts["fail"], "checks": found})
    else:
        for name, checks in sections:
            _print(name, checks)
        click.echo(_sum(counts))
    if counts["fail"]:
        raise SystemExit(1)


def _sections(file: Path | None, *, really_import: bool) -> Iterator[tuple[str, list[Check]]]:
    yield "installation", list(installation())
    yield "what OpenTelemetry loads", [*selection(os.environ), trial(os.environ)]
    config, checks = _configuration(file)
    yield "configuration", [*checks, *rules(config)]
    yield "surroundings", [*places(config), *collector(os.environ), clock()]
    yield "hooks", list(hooks(really_import=really_import))


def _configuration(file: Path | None) -> tuple[Config, list[Check]]:
    """The configuration, or the defaults when it is wrong."""
    try:
        loaded = load_config(file)
    except ConfigError as error:
        checks = [
            Check("config", "fail", str(problem), "'ffe-otel config check' checks it again")
            for problem in error.problems
        ]
        places = {name: os.environ.get(name, "") for name in ("HOME", "XDG_STATE_HOME")}
        return load_config(Path(os.devnull), environ=places).config, checks
    where = str(loaded.path) if loaded.path else "no file: all values are defaults"
    return loaded.config, [Check("config", "ok", where)]


def _print(name: str, checks: Iterable[Check]) -> None:
    click.echo(click.style(name, bold=True))
    rows = []
    for check in checks:
        rows.append((mark(check.state), check.name, clean(check.detail)))
        if check.remedy:
            rows.append(("", "", f"{dim('->')} {click.style(check.remedy, fg='cyan')}"))
    for line in table(rows, indent="  "):
        click.echo(line)
    click.echo()


def _sum(counts: Counter[State]) -> str:
    words: dict[State, str] = {"ok": "fine", "warn": "to look at", "fail": "wrong"}
    parts = [f"{counts[state]} {word}" for state, word in words.items() if counts[state]]
    return f"{mark('fail' if counts['fail'] else 'ok')} " + ", ".join(parts)
