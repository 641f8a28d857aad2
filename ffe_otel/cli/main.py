# SPDX-License-Identifier: Apache-2.0
"""The command ``ffe-otel``."""

from __future__ import annotations

import importlib
import io
import sys
from importlib.metadata import version

import click

from ffe_otel.cli.output import colour_setting

_COMMANDS = (
    "run",
    "serve",
    "status",
    "trace",
    "spool",
    "doctor",
    "config",
    "collector",
    "influx",
    "redact",
)


class _Commands(click.Group):
    """A group that imports a command's module when the command is used.

    ``ffe-otel run`` stands between a person and their engine: it should not load what only
    ``doctor`` needs.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"ffe_otel.cli.{cmd_name}")
        command: click.Command = module.command
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("ffe-otel"), prog_name="ffe-otel")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Every cycle of a trading agent as one trace."""
    ctx.color = colour_setting()
    for stream in (sys.stdout, sys.stderr):
        # A log line with a character the terminal lacks must not end the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
