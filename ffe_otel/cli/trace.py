# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel trace``: one trace in the terminal."""

from __future__ import annotations

import shutil
import urllib.parse
from typing import TYPE_CHECKING, Any

import click

from ffe_otel.cli.client import NotFoundError, UnreachableError, find_server
from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import echo_json, stop
from ffe_otel.cli.waterfall import header, waterfall

if TYPE_CHECKING:
    from pathlib import Path

    from ffe_otel.cli.client import Server

_LATEST = "latest"
_NO_ID = (
    "an id is needed: a trace id, a correlation id or a decision id, "
    "or the word latest for the newest cycle"
)


@click.command("trace", short_help="Draw one trace as a waterfall.")
@click.argument("identifier", metavar="ID")
@click.option("--logs/--no-logs", default=True, help="Show log records between the spans.")
@common
def command(*, identifier: str, logs: bool, config_file: Path | None, as_json: bool) -> None:
    """Draw the trace of a trace id, correlation id or decision id, or of the `latest` cycle.

    Exit code 1: no such trace. 2: no server answers.
    """
    identifier = identifier.strip()
    if not identifier:
        stop(_NO_ID, 2, as_json=as_json)
    config = load(config_file, as_json=as_json, usable=True).config
    try:
        trace = _fetch(find_server(config), identifier)
    except NotFoundError as error:
        stop(str(error), 1, as_json=as_json)
    except UnreachableError as error:
        stop(str(error), 2, as_json=as_json)
    if as_json:
        echo_json(trace)
        return
    columns = shutil.get_terminal_size((100, 24)).columns
    for line in (*header(trace), "", *waterfall(trace, columns, logs=logs)):
        click.echo(line)


def _fetch(server: Server, identifier: str) -> Any:
    if identifier.lower() == _LATEST:
        cycles = server.get("/api/v1/cycles", {"limit": 1})["cycles"]
        if not cycles:
            raise NotFoundError("there is no cycle yet; start the agent and try again")
        identifier = cycles[0]["trace_id"]
    return server.get(f"/api/v1/traces/{urllib.parse.quote(identifier, safe='')}")
