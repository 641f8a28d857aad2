# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel run``: a command with telemetry, and with ``--serve`` a page to look at it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ffe_otel.cli import backend
from ffe_otel.cli.launch import prepared
from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import note, stop
from ffe_otel.cli.signals import watched
from ffe_otel.cli.supervise import Command, CommandError, end_like, find, replace, supervise
from ffe_otel.config.loader import FILE_VARIABLE
from ffe_otel.config.problems import TOLD, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.cli.client import Server
    from ffe_otel.config import Config, LoadedConfig

_NO_COMMAND = (
    "there is no command to run; write it after two dashes, for example: "
    "ffe-otel run --serve -- python main.py --config live.yaml"
)
_LOOPBACK = ("127.", "localhost", "::1")
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_CERTIFICATE = "OTEL_EXPORTER_OTLP_CERTIFICATE"
# These win over what is said for all signals, and name or belong to another endpoint.
_OF_ONE_SIGNAL = frozenset(
    f"OTEL_EXPORTER_OTLP_{signal}_{what}"
    for signal in ("TRACES", "METRICS", "LOGS")
    for what in ("ENDPOINT", "HEADERS", "PROTOCOL")
)


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},
    short_help="Run a command with telemetry.",
)
@click.option("--serve", is_flag=True, help="Bring up the embedded backend beside it.")
@common
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
def command(
    *, serve: bool, config_file: Path | None, as_json: bool, words: tuple[str, ...]
) -> None:
    r"""Run COMMAND with telemetry, unmodified: exit code and signals pass through.

    \b
      ffe-otel run -- python main.py --config live.yaml
      ffe-otel run --serve -- uvicorn finance_feedback_engine.api.app:app
    """
    words = words[1:] if words[:1] == ("--",) else words
    if not words:
        stop(_NO_COMMAND, 2, as_json=as_json)
    # Whatever is wrong with the configuration: an agent that holds positions has to start.
    config_file = config_file and config_file.expanduser().absolute()
    loaded = load(config_file, as_json=as_json, usable=True)
    environ = prepared(_corrected(loaded), Path.cwd())
    if config_file:
        environ[FILE_VARIABLE] = str(config_file)
    try:
        found = find(words, environ)
        if not serve:
            replace(found, environ)
        _beside_server(found, environ, loaded.config, config_file, as_json=as_json)
    except CommandError as error:
        stop(str(error), error.code, as_json=as_json)
    except backend.BackendError as error:
        stop(str(error), 1, as_json=as_json)


def _corrected(loaded: LoadedConfig) -> dict[str, str]:
    """The environment without what cannot be used of it, which has been said."""
    environ = {**os.environ, **{n: t for n, t in loaded.changes.items() if t is not None}}
    for name in (name for name, text in loaded.changes.items() if text is None):
        environ.pop(name, None)
    left = [p for p in loaded.problems if p.origin.place not in loaded.changes]
    guessed = [g for g in loaded.guesses if g.origin.place not in loaded.changes]
    if left or guessed:
        environ[TOLD] = digest([*left, *guessed])
    return environ


def _beside_server(
    found: Command,
    environ: dict[str, str],
    config: Config,
    config_file: Path | None,
    *,
    as_json: bool,
) -> None:
    with watched():
        try:
            beside = backend.bring_up(config, config_file)
        except backend.InterruptedWaitError as interrupted:
            raise SystemExit(128 + interrupted.number) from None
        try:
            _announce(beside, environ, as_json=as_json)
            status = _supervised(found, beside.server, config, environ)
        finally:
            if beside.stop() and not as_json:
                note("the page stays up for another 'ffe-otel run --serve', and ends with it")
    end_like(status)


def _supervised(found: Command, server: Server, config: Config, environ: Mapping[str, str]) -> int:
    """Run the command; what it leaves unsent, and others did before it, goes to the server."""
    from ffe_otel.cli.leftovers import Leftovers

    leftovers = Leftovers(config, server, _credentials(server, config))
    leftovers.start()
    try:
        return supervise(found, _pointing_to(server, config, environ))
    finally:
        leftovers.stop()


def _credentials(server: Server, config: Config) -> dict[str, str]:
    if config.serve.host.startswith(_LOOPBACK):
        return {}
    return {"authorization": f"Bearer {server.token}"}


def _pointing_to(server: Server, config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command whose telemetry goes to a server, wherever it went before."""
    pointed = {name: text for name, text in environ.items() if name not in _OF_ONE_SIGNAL}
    pointed[_ENDPOINT] = server.otlp_http
    pointed["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
    if not config.serve.host.startswith(_LOOPBACK):
        pointed["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{server.token}"
    if server.certificate and not pointed.get(_CERTIFICATE):
        # Nobody this machine trusts need have signed it.
        pointed[_CERTIFICATE] = str(Path(server.certificate).absolute())
    return pointed


def _announce(beside: backend.Backend, environ: Mapping[str, str], *, as_json: bool) -> None:
    server = beside.server
    if as_json:
        message: dict[str, Any] = {
            "page": server.page_with_token,
            "otlp_http": server.otlp_http,
            "otlp_grpc": server.otlp_grpc,
            "started": beside.started,
        }
        click.echo(json.dumps(message), err=True)
        return
    already = "" if beside.started else " (was running already)"
    note(f"page  {click.style(server.page_with_token, bold=True)}{already}")
    names = {_ENDPOINT, *(name for name in _OF_ONE_SIGNAL if name.endswith("_ENDPOINT"))}
    elsewhere = {environ[name].rstrip("/") for name in names if environ.get(name)}
    for address in sorted(elsewhere - {server.otlp_http}):
        note(f"telemetry goes to {server.otlp_http} instead of {address}, because of --serve")
