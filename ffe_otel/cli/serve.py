# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel serve``: the embedded backend."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ffe_otel.cli.extras import install_command, missing
from ffe_otel.cli.lease import Lease
from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import echo_json, stop, table
from ffe_otel.cli.ports import bind_error, holder

if TYPE_CHECKING:
    from ffe_otel.config import Config
    from ffe_otel.observe.server import Addresses

_PORT = click.IntRange(0, 65535)


@click.command("serve", short_help="Receive, store and show telemetry.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=_PORT, help="Port of the page and the API.")
@click.option("--otlp-http-port", type=_PORT, help="Port of OTLP/HTTP.")
@click.option(
    "--otlp-grpc-port", type=click.IntRange(-1, 65535), help="Port of OTLP/gRPC; -1: none."
)
@click.option("--store", metavar="DIRECTORY", help="Where to store.")
@click.option("--ephemeral-ports", is_flag=True, help="Use any free ports.")
@click.option("--end-when-unused", type=float, metavar="SECONDS", hidden=True)
@common
def command(
    *,
    host: str | None,
    port: int | None,
    otlp_http_port: int | None,
    otlp_grpc_port: int | None,
    store: str | None,
    ephemeral_ports: bool,
    end_when_unused: float | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Receive OTLP, store it, and show it on a page, until Ctrl-C."""
    absent = missing("serve")
    if absent:
        message = f"serve needs {', '.join(absent)}; install with: {install_command('serve')}"
        stop(message, 1, as_json=as_json)
    any_port = 0 if ephemeral_ports else None
    loaded = load(
        config_file,
        as_json=as_json,
        overrides={
            "serve.host": host,
            "serve.port": any_port if port is None else port,
            "serve.otlp_http_port": any_port if otlp_http_port is None else otlp_http_port,
            "serve.otlp_grpc_port": any_port if otlp_grpc_port is None else otlp_grpc_port,
            "serve.store_path": store,
        },
        # The server of an engine that is to start in any case.
        usable=end_when_unused is not None,
    )
    config = loaded.config
    refused = _refused(config)
    if refused:
        stop(refused, 1, as_json=as_json)
    _serve(config, end_when_unused, as_json=as_json)


def _serve(config: Config, end_when_unused: float | None, *, as_json: bool) -> None:
    from ffe_otel.observe.errors import ServeError
    from ffe_otel.observe.server import run_server

    def announce(addresses: Addresses) -> None:
        _announce(addresses, config, as_json=as_json)

    stopped = threading.Event()
    if end_when_unused is not None:
        _watch_users(config, stopped, end_when_unused)
    try:
        run_server(config, ready=announce, stop=stopped)
    except ServeError as error:
        stop(str(error), 1, as_json=as_json)


def _watch_users(config: Config, stopped: threading.Event, grace: float) -> None:
    """End this server, which ``run --serve`` started, some time after its last user."""
    lease = Lease(Path(config.state_dir))
    lease.serve()
    threading.Thread(
        target=lease.end_when_unused, args=(stopped, grace), name="ffe-otel-users", daemon=True
    ).start()


def _refused(config: Config) -> str:
    """Why the configured addresses cannot be listened on and what to do; empty when they can."""
    serve = config.serve
    error = bind_error(serve.host, 0)
    if error is not None:
        return (
            f"cannot listen on {serve.host}: {error.strerror}; choose an address of this machine "
            "with --host, for example 127.0.0.1"
        )
    for port, option, purpose in (
        (serve.port, "--port", "the page"),
        (serve.otlp_http_port, "--otlp-http-port", "OTLP/HTTP"),
        (serve.otlp_grpc_port, "--otlp-grpc-port", "OTLP/gRPC"),
    ):
        error = bind_error(serve.host, port) if port > 0 else None
        if error is not None:
            remedy = _remedy(error, serve.host, port, option)
            return f"cannot listen on {serve.host}:{port} for {purpose}: {error.strerror}{remedy}"
    return ""


def _remedy(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        who = holder(port, host)
        held = f"; it is held by {who}" if who else ""
        return f"{held}; choose another with {option}, or any free ones with --ephemeral-ports"
    if error.errno == errno.EACCES:
        return f"; choose one above 1023 with {option}, or start with the right to listen there"
    return ""


def _announce(addresses: Addresses, config: Config, *, as_json: bool) -> None:
    if as_json:
        echo_json(
            {
                "page": addresses.page_with_token,
                "otlp_http": addresses.otlp_http,
                "otlp_grpc": addresses.otlp_grpc,
                "store": config.serve.store_path,
            }
        )
        return
    rows = [
        ("page", click.style(addresses.page_with_token, bold=True)),
        ("OTLP/HTTP", addresses.otlp_http),
        ("OTLP/gRPC", addresses.otlp_grpc or "off"),
        ("store", config.serve.store_path),
    ]
    for line in table(rows):
        click.echo(line)
