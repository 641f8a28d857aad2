# SPDX-License-Identifier: Apache-2.0
"""The command: runs the checks, prints them, and sums them up in an exit code."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ffe_otel.cli.doctor.check import Check
from ffe_otel.cli.doctor.hooks import hooks
from ffe_otel.cli.doctor.installation import installation
from ffe_otel.cli.doctor.machine import clock
from ffe_otel.cli.doctor.pipeline import collector
from ffe_otel.cli.doctor.places import places
from ffe_otel.cli.doctor.printed import printed
from ffe_otel.cli.doctor.rules import rules
from ffe_otel.cli.doctor.selection import selection
from ffe_otel.cli.doctor.trial import trial
from ffe_otel.cli.options import common
from ffe_otel.cli.output import clean, dim, echo_json, mark, table
from ffe_otel.config import load_usable
from ffe_otel.config.report import NO_EFFECT, ONLY_SKELETONS, without_effect
from ffe_otel.config.veils import SKELETONS
from ffe_otel.redaction import understood

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ffe_otel.cli.output import State
    from ffe_otel.config import Config


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
    yield "configuration", [*checks, *rules(config), *printed(config)]
    yield "surroundings", [*places(config), *collector(os.environ), clock()]
    yield "hooks", list(hooks(really_import=really_import))


def _configuration(file: Path | None) -> tuple[Config, list[Check]]:
    """What can be used of the configuration, and what is wrong with the rest."""
    loaded = understood(load_usable(file))
    again = "'ffe-otel config check' checks it again"
    checks = [Check("config", "fail", str(problem), again) for problem in loaded.problems]
    if not checks:
        where = str(loaded.path) if loaded.path else "no file: all values are defaults"
        checks.append(Check("config", "ok", where))
    checks += [
        Check("config", "warn", str(guess), "write the URL as it is meant")
        for guess in loaded.guesses
    ]
    checks += [
        Check("config", "warn", f"{row.origin}: {row.key}: {NO_EFFECT}")
        for row in without_effect(loaded)
    ]
    if loaded.config.redaction.skeletons_only:
        wanted = loaded.origins[SKELETONS].source != "default" and not loaded.problems
        remedy = "" if wanted else "correct what is wrong above"
        checks.append(Check("redaction", "warn" if wanted else "fail", ONLY_SKELETONS, remedy))
    return loaded.config, checks


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
