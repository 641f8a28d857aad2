# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel collector``: what the OpenTelemetry Collector gets from this configuration."""

from __future__ import annotations

from pathlib import Path

import click

from ffe_otel.cli.check_queues import check_queues
from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import echo_json, mark, stop
from ffe_otel.redaction import CatalogueError, configured_catalogue
from ffe_otel.redaction.collector import render as render_section
from ffe_otel.redaction.collector import replace_section


@click.group("collector")
def command() -> None:
    """Render the Collector's part of the redaction rules, look after its queue files."""


command.add_command(check_queues)


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 when FILE is stale.")
@common
def render(*, file: Path | None, check: bool, config_file: Path | None, as_json: bool) -> None:
    """Write the redaction rules into FILE, a Collector configuration, or print them.

    The rules are those of the configuration: redaction.rules_file and
    redaction.disabled_rules count.
    """
    if check and file is None:
        stop("--check needs the FILE, for example collector/config.yaml", 2, as_json=as_json)
    settings = load(config_file, as_json=as_json).config.redaction
    try:
        section = render_section(configured_catalogue(settings))
    except CatalogueError as error:
        stop(str(error), 2, as_json=as_json)
    stale = False
    if file is not None:
        try:
            stale = _update(file, section, write=not check)
        except (OSError, ValueError) as error:
            stop(f"{file}: {error}", 2, as_json=as_json)
    if as_json:
        echo_json({"path": file and str(file), "stale": stale, "section": section})
    elif file is None:
        click.echo(section, nl=False)
    elif stale and check:
        click.echo(f"{mark('fail')} {file} is stale; run: ffe-otel collector render {file}")
    else:
        click.echo(f"{mark('ok')} {file}")
    if stale and check:
        raise SystemExit(1)


def _update(file: Path, section: str, *, write: bool) -> bool:
    """Say whether the section in a file was another one; ``write`` this one then."""
    old = file.read_text(encoding="utf-8")
    new = replace_section(old, section)
    if write and new != old:
        file.write_text(new, encoding="utf-8")
    return new != old
