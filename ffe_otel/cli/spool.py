# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel spool``: what waits on disk, for whom, and sending what dead processes left."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import clean, clip, dim, duration, echo_json, mark, note, size, stop, table
from ffe_otel.export.spool.usage import usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.config import Config
    from ffe_otel.export.spool.answers import Transport
    from ffe_otel.export.spool.drain import Drained
    from ffe_otel.export.spool.usage import Share, Usage

_ENDPOINTS = tuple(
    f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT" for signal in ("", "TRACES_", "METRICS_", "LOGS_")
)
_COLUMNS = 78


@click.group("spool", short_help="What waits on disk, and sending what the dead left.")
def command() -> None:
    """Look at what waits on disk for its endpoint, and send what dead processes left."""


@command.command("list", short_help="What waits, for whom, and by whom.")
@common
def list_(*, config_file: Path | None, as_json: bool) -> None:
    """Show what waits: signal, endpoint, whose it is, how much, and for how long."""
    root, found = _usage(load(config_file, as_json=as_json).config, as_json=as_json)
    if as_json:
        echo_json({"path": str(root), "folders": [_described(each) for each in found]})
        return
    rows = [
        (mark("ok" if share.alive else "warn"), each.signal, size(share.waiting_bytes), _age(share),
         whose(share), clean(each.endpoint or "an endpoint that is not known"))
        for each in found
        for share in each.shares
    ]  # fmt: skip
    for line in table(rows) or [f"nothing waits in {clean(root)}"]:
        click.echo(line)
    for each in found:
        if each.refused or each.aside:
            text = f"{each.refused} refused requests and {each.aside} files of other versions"
            click.echo(dim(f"{text} are kept in {clean(each.path)}"))
    if any(each.left_bytes for each in found):
        click.echo(dim("'ffe-otel spool send' sends what dead processes left"))


@command.command(short_help="Send what dead processes left.")
@click.option(
    "--endpoint",
    metavar="URL",
    help="OTLP/HTTP base URL to send to, instead of where each request waits to go.",
)
@common
def send(*, endpoint: str | None, config_file: Path | None, as_json: bool) -> None:
    """Send what dead processes left to the endpoints that it waits for.

    What living processes have is theirs to send. The configured headers go to the configured
    endpoint, or to --endpoint, and to no other.

    Exit code 0: nothing is left. 1: something is, and waits as before.
    """
    if endpoint is not None:
        for name in _ENDPOINTS:
            os.environ.pop(name, None)
    config = load(
        config_file, as_json=as_json, overrides={"telemetry.otlp_endpoint": endpoint}
    ).config
    root, found = _usage(config, as_json=as_json)
    results = []
    for each in found:
        if each.left_bytes:
            done = _send(config, root, each, redirected=endpoint is not None)
            results.append((each, done))
            if not as_json:
                _tell(each, done)
    left = sum(done.left_bytes for _, done in results)
    if as_json:
        sent = [
            {"signal": each.signal, "endpoint": each.endpoint, **asdict(done)}
            for each, done in results
        ]
        echo_json({"ok": not left, "path": str(root), "sent": sent, "left_bytes": left})
    elif not results:
        click.echo(f"no dead process left anything in {clean(root)}")
    if left:
        raise SystemExit(1)


def _usage(config: Config, *, as_json: bool) -> tuple[Path, list[Usage]]:
    root = Path(config.state_dir, config.spool.directory)
    try:
        return root, usage(root)
    except OSError as error:
        stop(f"{root} cannot be read: {error.strerror}", 1, as_json=as_json)


def whose(share: Share) -> str:
    """Whose what waits is, in words."""
    return f"{'process' if share.alive else 'dead process'} {clean(share.process)}"


def _age(share: Share) -> str:
    return duration(share.oldest_seconds) if share.oldest_seconds else "?"


def _described(each: Usage) -> dict[str, Any]:
    return {
        "signal": each.signal,
        "endpoint": each.endpoint,
        "path": str(each.path),
        "waiting_bytes": each.waiting_bytes,
        "refused": each.refused,
        "aside": each.aside,
        "processes": [asdict(share) for share in each.shares],
    }


def _send(config: Config, root: Path, each: Usage, *, redirected: bool) -> Drained:
    from ffe_otel.export.spool.drain import Drain, Drained
    from ffe_otel.export.spool.notices import Notices
    from ffe_otel.export.stats import ExportStats
    from ffe_otel.redaction import configured_redactor

    transport = _transport(config, each, redirected=redirected)
    if transport is None:
        problem = (
            f"its endpoint {each.endpoint or '(not known)'} is written down without its secrets; "
            "set telemetry.otlp_endpoint to it, or name another with --endpoint"
        )
        return Drained(left_bytes=each.left_bytes, problem=problem)
    redactor = configured_redactor(config, os.environ)
    drain = Drain(
        config, each.path, transport, ExportStats(), Notices(root),
        lambda text: redactor.text(text, "log"),
    )  # fmt: skip
    done = drain.run(_progress(each), math.inf)
    _clear_line()
    return done


def _transport(config: Config, each: Usage, *, redirected: bool) -> Transport | None:
    """The way to where a folder's requests wait to go; ``None`` where that is not known."""
    from ffe_otel.export import otlp
    from ffe_otel.export.spool.outbox import folder_name
    from ffe_otel.export.stats import Signal

    signal = Signal(each.signal)
    configured = otlp.transport(config, signal)
    if redirected or folder_name(signal, configured.url) == each.path.name:
        return configured
    grpc = _grpc_exporter(signal)
    if grpc is not None:
        over_grpc = otlp.transport(config, signal, grpc)
        if folder_name(signal, over_grpc.url) == each.path.name:
            return over_grpc
    if folder_name(signal, each.endpoint) != each.path.name:
        return None
    base, service, _ = each.endpoint.partition("/opentelemetry.proto.")
    if service:
        return None if grpc is None else otlp.grpc_transport_to(config, signal, base, grpc)
    return otlp.transport_to(config, signal, each.endpoint)


def _grpc_exporter(signal: str) -> Callable[..., Any] | None:
    from importlib.metadata import entry_points

    for entry in entry_points(group=f"opentelemetry_{signal}_exporter", name="otlp_proto_grpc"):
        try:
            found: Callable[..., Any] = entry.load()
        except ImportError:
            return None
        return found
    return None


def _progress(each: Usage) -> Callable[[Drained], None]:
    shown = sys.stderr.isatty()

    def show(done: Drained) -> None:
        if shown:
            text = f"{size(done.bytes)} of {size(each.left_bytes)} of {each.signal} to "
            line = clip(f"sending  {text}{clean(each.endpoint)}", _COLUMNS)
            click.echo(f"\r{line.ljust(_COLUMNS)}", nl=False, err=True)

    return show


def _clear_line() -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{'':{_COLUMNS}}\r", nl=False, err=True)


def _tell(each: Usage, done: Drained) -> None:
    text = f"{done.items} {each.signal} in {done.requests} requests, {size(done.bytes)}, sent"
    if done.refused:
        text += f", {done.refused} refused"
    click.echo(f"{mark('warn' if done.left_bytes else 'ok')} {text}  {dim(clean(each.endpoint))}")
    if done.left_bytes:
        reason = clean(done.problem or "another process is sending it")
        note(f"{size(done.left_bytes)} of {each.signal} wait as before: {reason}")
